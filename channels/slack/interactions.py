"""Buttons, forms, shortcuts and `/phantom`: interactive payloads and commands to the vocabulary. Pure.

What does *not* live here: how modals are built (`modals.py`) and menus filled (`suggest.py`). Payloads:
https://docs.slack.dev/reference/interaction-payloads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from channels.slack import text_in
from channels.slack.decode import items, json_object, mapping, needed, text
from channels.slack.place import CHANNEL, Reader, actor, conversation, kind_of, logical_id
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import (
    ButtonPressed,
    ChannelTask,
    Command,
    CommandInvoked,
    FeedbackGiven,
    Ignored,
    InboundEvent,
    Rating,
)
from phantom.messages import Author, ConversationKind, ConversationRef, InboundMessage, MessageRef

FEEDBACK_PREFIX = "phantom_feedback:"
BUTTON_PREFIX = "phantom_button:"
ASK_MODAL = "phantom_ask_modal"
SHORTCUTS = frozenset({"phantom_ask", "phantom_ask_about"})
ASK_TEXT = ("ask_text", "phantom_ask_text")
ASK_WHERE = ("ask_where", "phantom_ask_where")

_WORDS = {command.value: command for command in Command}
_RATINGS = {rating.value: rating for rating in Rating}


def interactive(envelope: Envelope, payload: Mapping[str, Any], reader: Reader) -> Sequence[InboundEvent]:
    """What an interactive payload means; one event for each action in it."""
    kind = needed(payload, "type")
    author = actor(payload, reader)
    if kind == "block_actions":
        return _actions(envelope, payload, author)
    if kind == "view_submission":
        return (_submission(envelope, payload, author),)
    if kind in ("shortcut", "message_action"):
        return (_shortcut(envelope, payload, author),)
    return (Ignored(event_id=envelope.event_id, reason=kind if kind == "view_closed" else "interaction_type"),)


def command(envelope: Envelope, form: Mapping[str, Any], reader: Reader) -> InboundEvent:
    """What a slash command means. Alone it asks for help; a first word we do not know makes all of it a question."""
    needed(form, "command")
    place, user = needed(form, "channel_id"), needed(form, "user_id")
    said = text_in.read(text(form, "text"), reader.user_id).text
    first, _, rest = said.partition(" ")
    word = _WORDS.get(first.lower()) if said else Command.HELP
    kind = kind_of(place, "", text(form, "channel_name"))
    return CommandInvoked(
        event_id=envelope.event_id,
        conversation=conversation(envelope.tenant, place, kind, thread="", ts=""),
        author=actor({"user": {"id": user, "name": text(form, "user_name"), "team_id": text(form, "team_id")}}, reader),
        command=word or Command.ASK,
        text=said if word is None else rest.strip(),
        respond_url=text(form, "response_url") or None,
    )


def _actions(envelope: Envelope, payload: Mapping[str, Any], author: Author) -> Sequence[InboundEvent]:
    if not author.id:
        raise MalformedEvent("the action has no user")
    found: list[InboundEvent] = []
    for action in items(payload, "actions"):
        event_id = f"{envelope.event_id}#{len(found)}" if found else envelope.event_id
        found.append(_action(event_id, envelope, payload, action, author))
    return found or (Ignored(event_id=envelope.event_id, reason="no_action"),)


def _action(
    event_id: str, envelope: Envelope, payload: Mapping[str, Any], action: Mapping[str, Any], author: Author
) -> InboundEvent:
    name, respond_url = text(action, "action_id"), text(payload, "response_url") or None
    value = text(action, "value") or text(mapping(action, "selected_option"), "value")
    if name.startswith(FEEDBACK_PREFIX):
        rating = _RATINGS.get(name.removeprefix(FEEDBACK_PREFIX))
        if rating is None:
            return Ignored(event_id=event_id, reason="unknown_rating")
        return FeedbackGiven(
            event_id=event_id,
            message=_pressed_on(envelope, payload, author),
            author=author,
            rating=rating,
            turn_id=value or None,
            respond_url=respond_url,
        )
    if name.startswith(BUTTON_PREFIX):
        return ButtonPressed(
            event_id=event_id,
            message=_pressed_on(envelope, payload, author),
            author=author,
            action=name.removeprefix(BUTTON_PREFIX),
            value=value,
            respond_url=respond_url,
            private=mapping(payload, "container").get("is_ephemeral") is True,
            pressed_at=envelope.received_at,
        )
    return Ignored(event_id=event_id, reason="foreign_action")


def _pressed_on(envelope: Envelope, payload: Mapping[str, Any], author: Author) -> MessageRef:
    """The message under which the button stands; the person's direct messages where it stands under none."""
    container, message, channel = (
        mapping(payload, "container"),
        mapping(payload, "message"),
        mapping(payload, "channel"),
    )
    ts = text(container, "message_ts") or text(message, "ts")
    place = text(container, "channel_id") or text(channel, "id")
    if not place:
        return MessageRef(conversation=_direct(envelope.tenant, author.id), message_id=ts)
    thread = text(container, "thread_ts") or text(message, "thread_ts")
    kind = kind_of(place, "", text(channel, "name"))
    return MessageRef(
        conversation=conversation(envelope.tenant, place, kind, thread=thread, ts=ts),
        message_id=ts,
    )


def _submission(envelope: Envelope, payload: Mapping[str, Any], author: Author) -> InboundEvent:
    view = mapping(payload, "view")
    if text(view, "callback_id") != ASK_MODAL:
        return Ignored(event_id=envelope.event_id, reason="foreign_view")
    if not author.id:
        raise MalformedEvent("the submission has no user")
    said = text(_input(view, ASK_TEXT), "value").strip()
    if not said:
        return Ignored(event_id=envelope.event_id, reason="empty_ask")
    view_id = text(view, "id") or envelope.event_id
    return InboundMessage(
        event_id=envelope.event_id,
        logical_id=logical_id(envelope.tenant, author.id, view_id),
        conversation=_asked_where(envelope.tenant, view, author),
        message_id="",  # a form is no post: nothing to react to
        author=author,
        text=said,
        sent_at=envelope.received_at,
        mentions_me=True,
        raw=view,
    )


def _asked_where(team: str, view: Mapping[str, Any], author: Author) -> ConversationRef:
    """Where the answer goes: the chosen conversation, else where the form was opened, else a direct message."""
    where = _input(view, ASK_WHERE)
    chosen = text(mapping(where, "selected_option"), "value") or text(where, "selected_conversation")
    place, thread = _address(chosen, team)
    if not place:
        opened = _metadata(view)
        place, thread = text(opened, "channel"), text(opened, "thread_ts")
    if not place:
        return _direct(team, author.id)
    return conversation(team, place, kind_of(place, ""), thread=thread, ts="")


def _address(chosen: str, team: str) -> tuple[str, str]:
    """Place and thread of a menu value: a bare conversation id or a `ConversationRef.key` of ours."""
    if "/" not in chosen:
        return chosen, ""
    channel, _, rest = chosen.partition("/")
    tenant, _, address = rest.partition("/")
    place, _, thread = address.partition("/")
    return (place, thread) if (channel, tenant) == (CHANNEL, team) else ("", "")


def _metadata(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `modals.py` noted on the form when it was opened."""
    noted = text(view, "private_metadata")
    return json_object(noted) if noted.startswith("{") else {}


def _input(view: Mapping[str, Any], names: tuple[str, str]) -> Mapping[str, Any]:
    block, action = names
    return mapping(mapping(mapping(mapping(view, "state"), "values"), block), action)


def _shortcut(envelope: Envelope, payload: Mapping[str, Any], author: Author) -> InboundEvent:
    name = text(payload, "callback_id")
    if name not in SHORTCUTS:
        return Ignored(event_id=envelope.event_id, reason="foreign_shortcut")
    message = mapping(payload, "message")
    return ChannelTask(
        event_id=envelope.event_id,
        name=name,
        author=author,
        payload={
            "trigger_id": needed(payload, "trigger_id"),
            "user": author.id,
            "channel": text(mapping(payload, "channel"), "id"),
            "message_ts": text(payload, "message_ts") or text(message, "ts"),
            "thread_ts": text(message, "thread_ts"),
            "text": text_in.read(text(message, "text")).text,
            "response_url": text(payload, "response_url"),
        },
    )


def _direct(team: str, user: str) -> ConversationRef:
    """The direct messages with a person; Slack takes a user id as the place of a post."""
    return ConversationRef(channel=CHANNEL, tenant=team, place=user, thread=None, kind=ConversationKind.DIRECT)
