"""The answer that an interaction gets within three seconds, whatever the agent does. Pure but for the look-ups.

A command or form is answered with a private "is thinking…" line, a button with nothing to be seen; both only once the
journal holds them. Menus that are filled while typing, the form behind the context menu, and whatever is none of ours
are answered at once and are not kept. https://docs.discord.com/developers/interactions/receiving-and-responding#responding-to-an-interaction
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from channels.discord import custom_ids
from channels.discord.decode import JSON, mapping, number, text
from channels.discord.dress import EPHEMERAL
from channels.discord.interactions_in import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    CONTEXT,
    MODAL,
    PING,
    SLASH,
    asked_in,
    options_of,
)
from channels.discord.memo import Memo
from channels.discord.place import CHANNEL
from phantom.channel import Inbox, Suggestion
from phantom.errors import StorageError

log = structlog.get_logger(__name__)

MAX_CHOICES = 25
MAX_CHOICE = 100
MAX_FIELD = 4000
_LOOKUP_SECONDS = 2.0

PONG: JSON = {"type": 1}


def said(content: str) -> JSON:
    """A private message as the whole answer."""
    return {"type": 4, "data": {"content": content, "flags": EPHEMERAL, "allowed_mentions": {"parse": []}}}


UNAVAILABLE = said("I cannot take that at the moment. Please try again in a minute.")
FOREIGN_GUILD = said("I am not set up for this server. Whoever runs me can allow it.")
UNKNOWN = said("I do not know what to do with that.")
EMPTY_QUESTION = said("There was no question in that. Please ask again.")


def is_kept(payload: Mapping[str, Any], tenant: str) -> bool:
    """Whether the interaction belongs into the journal; the others are answered at once by `immediate`."""
    kind, data = number(payload, "type"), mapping(payload, "data")
    if kind == COMMAND:
        return text(data, "name") == custom_ids.COMMAND and number(data, "type") in (None, SLASH)
    if kind == COMPONENT:
        return custom_ids.pressed_in(data, tenant) is not None
    return kind == MODAL and bool(asked_in(data))


def deferred(payload: Mapping[str, Any]) -> JSON:
    """The answer to an interaction that the journal holds."""
    if number(payload, "type") == COMPONENT:
        return {"type": 6}
    return {"type": 5, "data": {"flags": EPHEMERAL}}


async def immediate(payload: Mapping[str, Any], inbox: Inbox, tenant: str, author: str) -> JSON:
    """The answer to an interaction that is not kept."""
    kind = number(payload, "type")
    if kind == PING:
        return PONG
    if kind == AUTOCOMPLETE:
        return await _choices(payload, inbox, tenant, author)
    if _is_context_menu(payload):
        return _form(payload)
    ours = kind == MODAL and text(mapping(payload, "data"), "custom_id") == custom_ids.ASK_MODAL
    return EMPTY_QUESTION if ours else UNKNOWN


async def value_of(payload: Mapping[str, Any], memo: Memo, inbox: Inbox, tenant: str, author: str) -> str:
    """What is noted beside the interaction: what a short button reference stands for, or the conversation that the
    author chose to go on with, if it is one of theirs.
    """
    chosen = chosen_conversation(payload)
    if not chosen:
        return button_value(payload, memo, tenant)
    rows = await _conversations(inbox, tenant, author, "")
    return chosen if any(row.value == chosen for row in rows) else ""


def button_value(payload: Mapping[str, Any], memo: Memo, tenant: str) -> str:
    """What a short reference on a pressed button stands for; "" where there is none or it was forgotten."""
    pressed = custom_ids.pressed_in(mapping(payload, "data"), tenant)
    known = pressed is not None and custom_ids.is_reference(pressed.value)
    return memo.get(f"button:{pressed.value}") if pressed is not None and known else ""


def chosen_conversation(payload: Mapping[str, Any]) -> str:
    """The value of the option `conversation`: whatever the client sent, so it is checked."""
    if number(payload, "type") != COMMAND:
        return ""
    _, options = options_of(payload)
    return text(options.get(custom_ids.CONVERSATION, {}), "value")


async def _choices(payload: Mapping[str, Any], inbox: Inbox, tenant: str, author: str) -> JSON:
    _, options = options_of(payload)
    focused = next((one for one in options.values() if one.get("focused") is True), {})
    if text(focused, "name") != custom_ids.CONVERSATION or not author:
        return {"type": 8, "data": {"choices": []}}
    rows = await _conversations(inbox, tenant, author, text(focused, "value"))
    # A value cut short would name another conversation, so a row whose value is too long is left out.
    choices = [
        {"name": row.label[:MAX_CHOICE], "value": row.value}
        for row in rows
        if row.label and 0 < len(row.value) <= MAX_CHOICE
    ]
    return {"type": 8, "data": {"choices": choices[:MAX_CHOICES]}}


async def _conversations(inbox: Inbox, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
    """The author's conversations; none when they cannot be read in time, since Discord waits for three seconds."""
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            return await inbox.suggest(CHANNEL, tenant, author, typed)
    except (TimeoutError, StorageError) as error:
        log.warning("conversations_not_read", channel=CHANNEL, error=type(error).__name__)
        return ()


def _is_context_menu(payload: Mapping[str, Any]) -> bool:
    data = mapping(payload, "data")
    return (
        number(payload, "type") == COMMAND
        and number(data, "type") == CONTEXT
        and text(data, "name") == custom_ids.CONTEXT
    )


def _form(payload: Mapping[str, Any]) -> JSON:
    """The form of "Ask Phantom". It carries the message's text along, where the person sees and may change it."""
    data = mapping(payload, "data")
    messages = mapping(mapping(data, "resolved"), "messages")
    about = text(mapping(messages, text(data, "target_id")), "content").strip()[:MAX_FIELD]
    fields = [_field(custom_ids.QUESTION, "What do you want to know?", required=True)]
    if about:
        fields.append(_field(custom_ids.ABOUT, "About this message", required=False, value=about))
    return {
        "type": 9,
        "data": {"custom_id": custom_ids.ASK_MODAL, "title": custom_ids.CONTEXT, "components": fields},
    }


def _field(name: str, label: str, *, required: bool, value: str = "") -> JSON:
    field: JSON = {
        "type": 4,
        "custom_id": name,
        "style": 2,
        "label": label,
        "required": required,
        "max_length": MAX_FIELD,
    }
    return {"type": 1, "components": [field | ({"value": value} if value else {})]}


def author_of(payload: Mapping[str, Any]) -> str:
    """The id of whoever did it, "" when the payload does not say."""
    user = mapping(mapping(payload, "member"), "user") or mapping(payload, "user")
    return text(user, "id")


def component_message(payload: Mapping[str, Any]) -> str:
    """The message under which a button was pressed."""
    return text(mapping(payload, "message"), "id")
