"""Small parts of Slack's outbound half that need no wire: manifests, hosts, file names, forms of a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from channels.slack import scopes
from channels.slack.blocks import (
    MAX_ALL_BLOCKS,
    MAX_BLOCKS,
    MAX_CHARS,
    MAX_MARKDOWN,
    MAX_SECTION,
    MAX_UPDATE_TEXT,
    forms,
)
from channels.slack.egress import seconds_of
from channels.slack.hosts import is_slack
from channels.slack.interactions import SHORTCUTS
from channels.slack.status import EMOJI
from channels.slack.uploads import safe_name
from phantom.messages import Button, ConversationKind, ConversationRef, OutboundMessage, Tone, TurnStatus

ROOT = Path(__file__).parents[3]


def manifest(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / name).read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("name", ["slack-app-manifest.yaml", "slack-app-manifest.http.yaml"])
def test_manifests_ask_for_exactly_the_scopes_that_are_used(name: str) -> None:
    asked = manifest(name)["oauth_config"]["scopes"]["bot"]
    assert sorted(asked) == sorted([*scopes.REQUIRED, *scopes.OPTIONAL])
    assert {one["callback_id"] for one in manifest(name)["features"]["shortcuts"]} == SHORTCUTS


def test_manifests_differ_in_addresses_and_socket_mode_only() -> None:
    socket, http = manifest("slack-app-manifest.yaml"), manifest("slack-app-manifest.http.yaml")
    assert socket["settings"].pop("socket_mode_enabled") is True
    assert http["settings"].pop("socket_mode_enabled") is False
    urls = (
        http["settings"]["event_subscriptions"].pop("request_url"),
        http["settings"]["interactivity"].pop("request_url"),
        http["settings"]["interactivity"].pop("message_menu_options_url"),
        http["features"]["slash_commands"][0].pop("url"),
    )
    assert [url.rpartition("/slack/")[2] for url in urls] == ["events", "interactivity", "interactivity", "commands"]
    assert socket == http


def test_missing_scopes_are_told_apart() -> None:
    assert scopes.missing(frozenset([*scopes.REQUIRED, *scopes.OPTIONAL])) == ({}, {})
    required, optional = scopes.missing(frozenset(scopes.REQUIRED) - {"chat:write"})
    assert list(required) == ["chat:write"]
    assert set(optional) == set(scopes.OPTIONAL)


@pytest.mark.parametrize(
    ("address", "yes"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a", True),
        ("https://hooks.slack.com/commands/T1/2/3", True),
        ("https://hooks.slack-gov.com/x", True),
        ("https://slack.com/api/", True),
        ("https://FILES.SLACK.COM/x", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://127.0.0.1:8081/x", False),
        ("https://127.0.0.1:8080/x", False),
        ("http://files.slack.com/x", False),
        ("https://xslack.com/", False),
        ("https://slack.com.evil.org/", False),
        ("https://slack.com@evil.org/", False),
        ("https://user:pw@files.slack.com/", False),
        ("https://evil.org/?slack.com", False),
        ("https://evil.org#.slack.com", False),
        ("https://evil.org\\@files.slack.com/", False),
        ("https://[::1]/", False),
        ("https://ﬁles.slack.com.evil.org/", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_only_slack_gets_requests(address: str, yes: bool) -> None:
    assert is_slack(address, "http://127.0.0.1:8080/api/") is yes


@given(st.text())
def test_any_address_is_judged_without_an_error(address: str) -> None:
    is_slack(address, "https://slack.com/api/")
    assert not is_slack("https://evil.example/" + address, "https://slack.com/api/")


@given(st.text())
def test_file_names_stay_in_their_folder(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 120
    assert Path("/in", safe).parent == Path("/in")
    assert safe not in (".", "..")
    assert safe.isprintable()


def test_every_status_has_its_own_emoji() -> None:
    assert set(EMOJI) == set(TurnStatus)
    assert len(set(EMOJI.values())) == len(EMOJI)


def test_a_ts_is_a_time() -> None:
    assert seconds_of("1700000000.000100") == pytest.approx(1700000000.0001)
    assert seconds_of("") == seconds_of("x.y") == 0


def message(text: str, **more: Any) -> OutboundMessage:
    where = ConversationRef(channel="slack", tenant="T1", place="C1", thread=None, kind=ConversationKind.PUBLIC)
    return OutboundMessage(conversation=where, text=text, idempotency_key="k", **more)


@given(
    st.text(alphabet=st.sampled_from("ab <>&!@#`*|\n-[]()\u6f22"), max_size=400).map(lambda t: (t * 60)[:MAX_CHARS]),
    st.sampled_from(Tone),
    st.booleans(),
)
def test_every_form_keeps_to_slacks_limits(text: str, tone: Tone, with_markdown: bool) -> None:
    made = list(forms(message(text, tone=tone), with_markdown=with_markdown))
    assert made
    for form in made:
        blocks = form["blocks"]
        assert len(blocks) <= MAX_BLOCKS
        if blocks:
            assert len(form["text"]) <= MAX_UPDATE_TEXT
        sizes = [len(block["text"]["text"]) for block in blocks if block["type"] == "section"]
        assert all(0 < size <= MAX_SECTION for size in sizes)
        assert sum(sizes) <= MAX_ALL_BLOCKS
        assert all(len(block["text"]) <= MAX_MARKDOWN for block in blocks if block["type"] == "markdown")
    assert made[-1]["blocks"] == []
    assert len(made[-1]["text"]) <= 40_000


def test_many_buttons_stay_within_the_rows() -> None:
    buttons = tuple(Button(action=f"a{n}", label="", value="") for n in range(60))
    form = next(forms(message("x", buttons=buttons), with_markdown=True))
    assert [len(block["elements"]) for block in form["blocks"][1:]] == [25, 25, 10]
    assert all(one["text"]["text"] and "value" not in one for one in form["blocks"][1]["elements"])


def test_neither_the_sdk_nor_the_parser_is_loaded_before_it_is_used() -> None:
    code = (
        "import sys, channels.slack.behaviour, channels.slack.doctor, phantom.rendering;"
        "heavy = {'slack_sdk', 'slack_bolt', 'markdown_it', 'aiohttp'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
