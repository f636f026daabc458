"""What apps are told and may say, whatever the payload: hostile shapes end in silence, mass mentions in none."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from channels.slack.apps_catalogue import TABLE
from channels.slack.apps_content import blocks, mrkdwn
from channels.slack.apps_events import AppEvents
from channels.slack.apps_interaction_shape import chosen, identity
from channels.slack.apps_triggers import TriggerBook
from channels.slack.decode import COMMAND, EVENT, INTERACTIVE
from phantom.apps import AppEvent
from phantom.testing.fake_slack.pings import pings_of
from tests.scenario.slack_apps_kit import checked

TS = "1700000000.000100"
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["C1", "message", TS])
NAMES = """
type subtype user channel ts text blocks files id thread_ts edited message previous_message deleted_ts event_ts item
reaction actions action_id value selected_option container view state values callback_id command trigger_id channel_id
user_id hidden channel_type bot_id
"""
KEYS = st.sampled_from(NAMES.split())
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
EVENT_TYPES = st.sampled_from(["message", "app_mention", "reaction_added", "reaction_removed"])
FORMS = st.sampled_from(["block_actions", "view_submission", "view_closed", "shortcut", "message_action", "x"])


class Collector:
    """A sink that wants everything."""

    def __init__(self) -> None:
        self.events: list[AppEvent] = []

    def wants(self, name: str) -> bool:
        return name in {spec.name for spec in TABLE.events}

    def publish(self, event: AppEvent) -> None:
        self.events.append(event)

    def gap(self, channel: str, reason: str) -> None:
        raise AssertionError("nothing was missed")


async def told(kind: str, payload: dict[str, Any]) -> list[AppEvent]:
    events, sink = AppEvents(TriggerBook()), Collector()
    events.team = "T1"
    events.lend(sink)
    events.hear(kind, payload, "key", 1.5)
    return sink.events


@given(st.dictionaries(KEYS, VALUES, max_size=8), EVENT_TYPES, FORMS)
def test_whatever_comes_is_an_event_of_the_table_or_none(found: dict[str, Any], event: str, form: str) -> None:
    for kind, payload in (
        (EVENT, {"type": "event_callback", "event": found | {"type": event}}),
        (INTERACTIVE, found | {"type": form}),
        (COMMAND, found),
    ):
        for one in asyncio.run(told(kind, payload)):
            checked(one)


PIECES = st.sampled_from(["<", "!", "channel", "here", "|x", ">", "@", "everyone", "subteam^S1", " ", "`", "a", "&lt;"])


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_text_pings_a_crowd(text: str) -> None:
    said = blocks(
        [{"type": "section", "text": {"type": "mrkdwn", "text": text}}, {"type": "markdown", "text": text}], loud=False
    )
    crowd = [one for one in pings_of(mrkdwn(text), said, [], link_names=True) if one.startswith("<!")]
    assert not crowd


def test_what_was_chosen_is_text_or_a_list() -> None:
    option = {"text": {"type": "plain_text", "text": "One"}, "value": "1"}
    rich = {"type": "rich_text", "elements": []}
    for element, expected in (
        ({"type": "button", "value": "7"}, "7"),
        ({"type": "button"}, None),
        ({"type": "static_select", "selected_option": option}, "1"),
        ({"type": "static_select", "selected_option": None}, None),
        ({"type": "checkboxes", "selected_options": [option, option]}, ["1", "1"]),
        ({"type": "multi_users_select", "selected_users": ["U1", "U2"]}, ["U1", "U2"]),
        ({"type": "datepicker", "selected_date": "2024-01-31"}, "2024-01-31"),
        ({"type": "datetimepicker", "selected_date_time": 1700000000}, "1700000000"),
        ({"type": "file_input", "files": [{"id": "F1"}]}, ["F1"]),
        ({"type": "rich_text_input", "rich_text_value": rich}, rich),
    ):
        assert chosen(element) == expected


def test_an_interactions_id_is_the_same_for_a_redelivery_and_tells_nothing() -> None:
    assert identity("key") == identity("key") != identity("other")
    assert identity("key", 1) == f"{identity('key')}-1"
    assert "key" not in identity("key")
