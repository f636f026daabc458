"""Commands, buttons, menus and forms to the vocabulary. Pure; the same over the gateway and over HTTP.

What does *not* live here: answering within three seconds (`answers.py`). Payloads:
https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord import custom_ids
from channels.discord.decode import Notes, items, mapping, needed, number, snowflake_time, strings, text
from channels.discord.interaction_address import FOLLOWUP, ORIGINAL, InteractionAddress
from channels.discord.place import (
    CHANNEL,
    THREADS,
    application_of,
    aside,
    author,
    conversation,
)
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import (
    ButtonPressed,
    Command,
    CommandInvoked,
    FeedbackGiven,
    Ignored,
    InboundEvent,
    Rating,
)
from phantom.messages import Attachment, Author, ConversationKind, ConversationRef, InboundMessage, MessageRef

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 1, 2, 3, 4, 5
"""Interaction types."""
SLASH, CONTEXT = 1, 3
"""Command types: typed, and in the context menu of a message."""
_PRIVATE, _GROUP = 2, 3
"""The interaction context of other people's direct messages, and the channel type of a group of them."""
EPHEMERAL = 1 << 6
"""Flag of a message that one person alone sees."""

_WORDS = {command.value: command for command in Command}
_RATINGS = {rating.value: rating for rating in Rating}


def interaction(envelope: Envelope, payload: Mapping[str, Any], notes: Notes) -> InboundEvent:
    """What an interaction means."""
    who = author(payload, notes)
    if not who.id:
        raise MalformedEvent("the interaction has no user")
    kind = number(payload, "type")
    if kind == COMMAND:
        return _command(envelope, payload, notes, who)
    if kind == COMPONENT:
        return _component(envelope, payload, notes, who)
    if kind == MODAL:
        return _form(envelope, payload, who)
    return Ignored(event_id=envelope.event_id, reason="interaction_type")


def place_of(payload: Mapping[str, Any]) -> tuple[str, str]:
    """The channel of an interaction, and its parent when it is a thread."""
    channel = mapping(payload, "channel")
    here = text(payload, "channel_id") or text(channel, "id")
    return here, text(channel, "parent_id") if number(channel, "type") in THREADS else ""


def is_shared(payload: Mapping[str, Any]) -> bool:
    """Whether it happened in direct messages between people, where we are only because one of them brought us.
    https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object-interaction-context-types
    """
    return number(payload, "context") == _PRIVATE or number(mapping(payload, "channel"), "type") == _GROUP


def options_of(payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
    """The subcommand of a slash command, and its options by name."""
    given = items(mapping(payload, "data"), "options")
    if len(given) == 1 and number(given[0], "type") == 1:
        return text(given[0], "name"), {text(one, "name"): one for one in items(given[0], "options")}
    return "", {text(one, "name"): one for one in given}


def _command(envelope: Envelope, payload: Mapping[str, Any], notes: Notes, who: Author) -> InboundEvent:
    data = mapping(payload, "data")
    if text(data, "name") != custom_ids.COMMAND or number(data, "type") not in (None, SLASH):
        return Ignored(event_id=envelope.event_id, reason="foreign_command")
    word, options = options_of(payload)
    command = _WORDS.get(word, Command.HELP)
    channel, parent = place_of(payload)
    if command is Command.ASK:
        question = text(options.get(custom_ids.QUESTION, {}), "value").strip()
        if question:
            return _asked(envelope, payload, notes, who, question)
        command = Command.HELP
    return CommandInvoked(
        event_id=envelope.event_id,
        conversation=aside(envelope.tenant, channel, parent, who.id, shared=is_shared(payload)),
        author=who,
        command=command,
        text="",
        respond_url=_address(envelope, payload, ORIGINAL),
    )


def _asked(
    envelope: Envelope, payload: Mapping[str, Any], notes: Notes, who: Author, question: str, about: str = ""
) -> InboundMessage:
    """A question that is answered to the person alone. `notes.value` is the conversation that it goes on with."""
    channel, parent = place_of(payload)
    here = aside(envelope.tenant, channel, parent, who.id, shared=is_shared(payload))
    interaction_id = needed(payload, "id")
    quoted = "\n".join(f"> {line}" for line in about.strip().split("\n")) if about.strip() else ""
    return InboundMessage(
        event_id=envelope.event_id,
        logical_id=f"interaction:{interaction_id}",
        conversation=_chosen(notes.value, envelope.tenant) or here,
        message_id="",  # no post: nothing to react to
        author=who,
        text=f"[About this message:]\n{quoted}\n\n{question}" if quoted else question,
        sent_at=snowflake_time(interaction_id) or envelope.received_at,
        mentions_me=True,
        attachments=_files(payload),
        respond_url=_address(envelope, payload, ORIGINAL),
        raw=payload,
    )


def _chosen(key: str, tenant: str) -> ConversationRef | None:
    """The conversation behind a `ConversationRef.key` of ours."""
    parts = key.split("/")
    if len(parts) != 4 or parts[:2] != [CHANNEL, tenant]:
        return None
    kind = ConversationKind.DIRECT if tenant.endswith(":dm") else ConversationKind.PUBLIC
    return ConversationRef(channel=CHANNEL, tenant=tenant, place=parts[2], thread=parts[3] or None, kind=kind)


def _component(envelope: Envelope, payload: Mapping[str, Any], notes: Notes, who: Author) -> InboundEvent:
    data = mapping(payload, "data")
    pressed = custom_ids.pressed_in(data, envelope.tenant)
    if pressed is None:
        return Ignored(event_id=envelope.event_id, reason="foreign_component")
    value = notes.value or ("" if custom_ids.is_reference(pressed.value) else pressed.value)
    chosen = () if text(data, "custom_id").startswith(custom_ids.CHOICE) else strings(data, "values")
    respond_url = _address(envelope, payload, FOLLOWUP)
    if pressed.kind == custom_ids.FEEDBACK:
        rating = _RATINGS.get(pressed.word)
        if rating is None:
            return Ignored(event_id=envelope.event_id, reason="unknown_rating")
        return FeedbackGiven(
            event_id=envelope.event_id,
            message=_pressed_on(envelope, payload, notes),
            author=who,
            rating=rating,
            turn_id=value or None,
            respond_url=respond_url,
        )
    private = bool((number(mapping(payload, "message"), "flags") or 0) & EPHEMERAL)
    return ButtonPressed(
        event_id=envelope.event_id,
        message=_privately_on(envelope, payload, who) if private else _pressed_on(envelope, payload, notes),
        author=who,
        action=pressed.word,
        value=chosen[0] if chosen else value,
        respond_url=respond_url,
        private=private,
        pressed_at=snowflake_time(text(payload, "id")) or envelope.received_at,
    )


def _privately_on(envelope: Envelope, payload: Mapping[str, Any], who: Author) -> MessageRef:
    """The private answer under which a button was pressed: the person's own conversation goes on."""
    channel, parent = place_of(payload)
    where = aside(envelope.tenant, channel, parent, who.id, shared=is_shared(payload))
    return MessageRef(conversation=where, message_id=text(mapping(payload, "message"), "id"))


def _pressed_on(envelope: Envelope, payload: Mapping[str, Any], notes: Notes) -> MessageRef:
    shown = mapping(payload, "message")
    message_id = text(shown, "id")
    channel, parent = place_of(payload)
    root = notes.root or text(mapping(shown, "message_reference"), "message_id") or message_id
    return MessageRef(conversation=conversation(envelope.tenant, channel, parent, root), message_id=message_id)


def asked_in(data: Mapping[str, Any]) -> str:
    """The question in a form of ours, "" in any other."""
    ours = text(data, "custom_id") == custom_ids.ASK_MODAL
    return _fields(data).get(custom_ids.QUESTION, "").strip() if ours else ""


def _form(envelope: Envelope, payload: Mapping[str, Any], who: Author) -> InboundEvent:
    data = mapping(payload, "data")
    question = asked_in(data)
    if not question:
        return Ignored(event_id=envelope.event_id, reason="foreign_form")
    return _asked(envelope, payload, Notes(), who, question, _fields(data).get(custom_ids.ABOUT, ""))


def _fields(data: Mapping[str, Any]) -> dict[str, str]:
    """The inputs of a form by name; they stand in rows (type 1) or under labels (type 18)."""
    found: dict[str, str] = {}
    for row in items(data, "components"):
        for field in (*items(row, "components"), mapping(row, "component")):
            if text(field, "custom_id"):
                found[text(field, "custom_id")] = text(field, "value")
    return found


def _files(payload: Mapping[str, Any]) -> tuple[Attachment, ...]:
    files = mapping(mapping(mapping(payload, "data"), "resolved"), "attachments")
    return tuple(
        Attachment(
            id=text(file, "id"),
            name=text(file, "filename") or "file",
            media_type=text(file, "content_type") or "application/octet-stream",
            size=number(file, "size"),
            url=text(file, "url"),
        )
        for file in files.values()
        if type(file) is dict
    )


def _address(envelope: Envelope, payload: Mapping[str, Any], mode: str) -> str:
    application = text(payload, "application_id") or application_of(envelope.tenant)
    return str(
        InteractionAddress(
            application=application, interaction=needed(payload, "id"), mode=mode, token=needed(payload, "token")
        )
    )
