"""Buttons, forms, shortcuts and commands to the vocabulary."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
import pytest

from channels.slack.normalise import normalise
from channels.slack.place import Reader
from phantom.channel import Envelope
from phantom.events import ButtonPressed, ChannelTask, Command, CommandInvoked, FeedbackGiven, Ignored, InboundEvent
from phantom.events import Rating as Stars
from phantom.messages import ConversationKind, InboundMessage

T = TypeVar("T")
ME = Reader(team_id="T1", user_id="U0BOT", bot_id="B0BOT")


def a(kind: type[T], value: object) -> T:
    assert isinstance(value, kind), value
    return value


def interactive(payload: dict[str, Any], *, form: bool = True) -> list[InboundEvent]:
    base = {"user": {"id": "U1", "name": "olivia", "team_id": "T1"}, "team": {"id": "T1"}, "trigger_id": "t.1"}
    text = orjson.dumps({**base, **payload})
    body = urlencode({"payload": text}).encode() if form else text
    return list(
        normalise(
            Envelope(
                channel="slack",
                tenant="T1",
                event_id="e1",
                kind="interactive",
                body=body,
                received_at=5.0,
                encoding="form" if form else "json",
            ),
            ME,
        )
    )


def command(text: str, **fields: str) -> CommandInvoked:
    form = {
        "command": "/phantom",
        "text": text,
        "team_id": "T1",
        "channel_id": "C1",
        "channel_name": "general",
        "user_id": "U1",
        "user_name": "olivia",
        "response_url": "https://hooks.slack.com/commands/1",
        **fields,
    }
    envelope = Envelope(
        channel="slack",
        tenant="T1",
        event_id="e1",
        kind="command",
        body=urlencode(form).encode(),
        received_at=5.0,
        encoding="form",
    )
    (found,) = normalise(envelope, ME)
    return a(CommandInvoked, found)


def pressed(*actions: dict[str, str], **fields: object) -> list[InboundEvent]:
    return interactive(
        {
            "type": "block_actions",
            "actions": list(actions),
            "container": {"type": "message", "message_ts": "2.2", "channel_id": "C1", "thread_ts": "1.1"},
            "channel": {"id": "C1", "name": "general"},
            "message": {"ts": "2.2", "thread_ts": "1.1"},
            "response_url": "https://hooks.slack.com/actions/1",
            **fields,
        }
    )


@pytest.mark.parametrize("rating", list(Stars))
def test_a_feedback_button_rates_the_turn_that_it_names(rating: Stars) -> None:
    (found,) = pressed({"action_id": f"phantom_feedback:{rating.value}", "value": "slack:T1:Ev1"})
    feedback = a(FeedbackGiven, found)
    assert (feedback.rating, feedback.turn_id, feedback.author.id) == (rating, "slack:T1:Ev1", "U1")
    assert feedback.message.message_id == "2.2"
    assert feedback.message.conversation.thread == "1.1"
    assert feedback.respond_url == "https://hooks.slack.com/actions/1"
    assert "hooks.slack.com" not in repr(feedback)


def test_another_button_of_ours_is_a_press_and_a_foreign_one_is_ignored() -> None:
    ours, theirs, odd = pressed(
        {"action_id": "phantom_button:approval:yes", "value": "x"},
        {"action_id": "someone_elses", "value": "y"},
        {"action_id": "phantom_feedback:splendid", "value": "z"},
    )
    press = a(ButtonPressed, ours)
    assert (press.action, press.value, press.event_id) == ("approval:yes", "x", "e1")
    assert (a(Ignored, theirs).reason, theirs.event_id) == ("foreign_action", "e1#1")
    assert a(Ignored, odd).reason == "unknown_rating"


def test_a_button_in_a_direct_message_belongs_to_no_thread() -> None:
    (found,) = pressed(
        {"action_id": "phantom_button:x", "value": ""},
        container={"message_ts": "2.2", "channel_id": "D1"},
        channel={"id": "D1", "name": "directmessage"},
        message={"ts": "2.2"},
    )
    where = a(ButtonPressed, found).message.conversation
    assert (where.kind, where.thread, where.place) == (ConversationKind.DIRECT, None, "D1")


def test_a_foreign_persons_press_is_external() -> None:
    (found,) = pressed({"action_id": "phantom_button:x", "value": ""}, user={"id": "U2", "team_id": "T2"})
    assert a(ButtonPressed, found).author.is_external


def asked(text: str | None, where: dict[str, Any] | None = None, metadata: str = "") -> list[InboundEvent]:
    values: dict[str, Any] = {"ask_text": {"phantom_ask_text": {"type": "plain_text_input", "value": text}}}
    if where is not None:
        values["ask_where"] = {"phantom_ask_where": where}
    view = {
        "id": "V1",
        "callback_id": "phantom_ask_modal",
        "private_metadata": metadata,
        "state": {"values": values},
    }
    return interactive({"type": "view_submission", "view": view})


def test_the_ask_form_is_a_message_to_the_chosen_conversation() -> None:
    (found,) = asked("what *is* this?", {"selected_option": {"value": "C7"}})
    message = a(InboundMessage, found)
    assert (message.text, message.mentions_me, message.author.id) == ("what *is* this?", True, "U1")
    assert (message.conversation.place, message.conversation.kind) == ("C7", ConversationKind.PUBLIC)
    assert message.message_id == ""
    assert message.sent_at == 5.0


@pytest.mark.parametrize(
    ("where", "metadata", "place", "thread"),
    [
        (None, "", "U1", None),
        ({"selected_option": None}, '{"channel":"C2","thread_ts":"1.1"}', "C2", "1.1"),
        ({"selected_option": {"value": "slack/T1/C3/9.9"}}, '{"channel":"C2"}', "C3", "9.9"),
        ({"selected_option": {"value": "slack/T1/D3/"}}, "", "D3", None),
        ({"selected_option": {"value": "slack/T2/C3/9.9"}}, "", "U1", None),
        ({"selected_conversation": "C5"}, "", "C5", None),
    ],
)
def test_where_the_answer_goes(where: dict[str, Any] | None, metadata: str, place: str, thread: str | None) -> None:
    (found,) = asked("hi", where, metadata)
    conversation = a(InboundMessage, found).conversation
    assert (conversation.place, conversation.thread) == (place, thread)


def test_an_empty_or_foreign_form_is_ignored() -> None:
    assert a(Ignored, asked("  ")[0]).reason == "empty_ask"
    assert a(Ignored, asked(None)[0]).reason == "empty_ask"
    (found,) = interactive({"type": "view_submission", "view": {"callback_id": "other"}})
    assert a(Ignored, found).reason == "foreign_view"
    (found,) = interactive({"type": "view_closed", "view": {"callback_id": "phantom_ask_modal"}})
    assert a(Ignored, found).reason == "view_closed"


def test_shortcuts_are_tasks_with_what_a_form_needs() -> None:
    (found,) = interactive({"type": "shortcut", "callback_id": "phantom_ask"}, form=False)
    assert (a(ChannelTask, found).name, found.payload["trigger_id"]) == ("phantom_ask", "t.1")  # type: ignore[union-attr]
    about = {"ts": "3.3", "thread_ts": "1.1", "text": "see <https://e.com|this>", "user": "U2"}
    (found,) = interactive(
        {
            "type": "message_action",
            "callback_id": "phantom_ask_about",
            "channel": {"id": "C1"},
            "message_ts": "3.3",
            "message": about,
        }
    )
    payload = a(ChannelTask, found).payload
    assert (payload["channel"], payload["message_ts"], payload["thread_ts"]) == ("C1", "3.3", "1.1")
    assert payload["text"] == "see [this](https://e.com)"
    (found,) = interactive({"type": "shortcut", "callback_id": "another_apps"})
    assert a(Ignored, found).reason == "foreign_shortcut"


def test_legacy_interactions_are_ignored() -> None:
    (found,) = interactive({"type": "dialog_submission"})
    assert a(Ignored, found).reason == "interaction_type"


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("", Command.HELP, ""),
        ("   ", Command.HELP, ""),
        ("help", Command.HELP, ""),
        ("Status", Command.STATUS, ""),
        ("new  topic please", Command.NEW, "topic please"),
        ("stop", Command.STOP, ""),
        ("ask why?", Command.ASK, "why?"),
        ("why is the sky blue?", Command.ASK, "why is the sky blue?"),
        ("a &lt; b", Command.ASK, "a < b"),
    ],
)
def test_the_words_of_the_command(text: str, word: Command, rest: str) -> None:
    found = command(text)
    assert (found.command, found.text) == (word, rest)
    assert found.respond_url == "https://hooks.slack.com/commands/1"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, ConversationKind.PUBLIC),
        ({"channel_id": "D1", "channel_name": "directmessage"}, ConversationKind.DIRECT),
        ({"channel_id": "C9", "channel_name": "mpdm-a--b--c-1"}, ConversationKind.GROUP),
        ({"channel_id": "C8", "channel_name": "privategroup"}, ConversationKind.PUBLIC),
    ],
)
def test_where_a_command_was_given(fields: dict[str, str], kind: ConversationKind) -> None:
    found = command("status", **fields)
    assert (found.conversation.kind, found.conversation.thread) == (kind, None)
