"""The health report: what counts as healthy and ready, and a page on which nothing a channel says becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.channel import ChannelHealth
from phantom.health import ChannelReport, HealthReport, distinct
from phantom.health_page import render_page


def report(*states: str, **more: object) -> HealthReport:
    channels = tuple(ChannelReport(name=f"c{n}", health=ChannelHealth(state=state)) for n, state in enumerate(states))
    fields: dict[str, object] = {
        "name": "phantom",
        "version": "1",
        "now": 100.0,
        "started_at": 40.0,
        "agent": "offline",
        "channels": channels,
        "turns_state": "running",
    }
    return HealthReport(**(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "ok", "ready"),
    [
        (report("ready"), True, True),
        (report("ready", "auth_failed"), False, True),
        (report("backing_off"), False, False),
        (report(), True, False),
        (report("ready", journal_fault="disk I/O error"), False, False),
        (report("ready", draining=True), False, False),
        (report("ready", turns_state="starting"), True, True),
        (report("ready", turns_state="failed"), False, True),
    ],
)
def test_healthy_and_ready(found: HealthReport, ok: bool, ready: bool) -> None:
    assert (found.ok, found.ready) == (ok, ready)
    assert bool(found.waiting_for) is not ready
    document = orjson.loads(orjson.dumps(found.as_json()))
    assert document["status"] == ("ok" if ok else "unhealthy")
    assert document["uptime_seconds"] == 60.0


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


KNOWN = {"html", "meta", "title", "style", "h1", "span", "p", "table", "tr", "th", "td", "br", "ul", "li", "code"}
HOSTILE = st.one_of(st.text(), st.sampled_from(["<script>", '"><img src=x onerror=1>', "&lt;", "</table>", "'"]))


@given(HOSTILE, HOSTILE, HOSTILE)
def test_nothing_said_becomes_markup(detail: str, cure: str, name: str) -> None:
    health = ChannelHealth(state=detail, detail=detail, cure=cure, last_event_at=1.0)
    found = report(
        channels=(ChannelReport(name=name, health=health),),
        name=name,
        agent=cure,
        journal_fault=detail,
        warnings=(cure,),
        turns_state=detail,
        version=name,
    )
    tags = Tags()
    tags.feed(render_page(found))
    assert tags.seen <= KNOWN
    assert tags.attributes <= {"lang", "charset", "name", "content", "class", "colspan"}


def test_ages_are_never_negative() -> None:
    health = ChannelHealth(state="ready", last_event_at=500.0)
    found = report(channels=(ChannelReport(name="c", health=health, since=500.0),))
    (shown,) = found.as_json()["channels"].values()  # type: ignore[attr-defined]
    assert shown["last_event_age_seconds"] == 0.0
    assert "none yet" in render_page(report("ready"))


def test_what_two_parts_say_in_the_same_words_is_told_once() -> None:
    assert distinct(("secret b is failed: b is empty", "c is old", "b is empty", "c is old")) == (
        "c is old",
        "b is empty",
    )
    assert distinct(()) == ()
