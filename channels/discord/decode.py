"""Careful access to Discord's payloads, and the note that travels beside one in the journal. Pure.

What does *not* live here: what a payload means (`normalise.py`). Whatever a payload can get wrong raises
`MalformedEvent`; nothing else is raised.

A journaled body is `{"d": <Discord's payload>, …}` beside the few facts that the payload itself does not tell: who we
are, the parent of the thread, the beginning of a chain of replies. They are noted when the event is admitted, so that
its meaning is the same after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from phantom.channel import Envelope
from phantom.errors import MalformedEvent

MESSAGE = "MESSAGE_CREATE"
EDITED = "MESSAGE_UPDATE"
DELETED = "MESSAGE_DELETE"
DELETED_BULK = "MESSAGE_DELETE_BULK"
REACTION_ADDED = "MESSAGE_REACTION_ADD"
REACTION_REMOVED = "MESSAGE_REACTION_REMOVE"
INTERACTION = "INTERACTION_CREATE"
WEBHOOK_EVENT = "WEBHOOK_EVENT"

EPOCH = 1_420_070_400_000
"""Milliseconds: the first of January 2015 (https://docs.discord.com/developers/reference#snowflakes)."""

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What was known when the event was admitted. `me`: our user id. `parent`: the channel or forum of the thread in
    which it happened, "" for none. `root`: the message that began the chain of replies. `role`: our own role in the
    server. `value`: what a short button reference stands for.
    """

    me: str = ""
    parent: str = ""
    root: str = ""
    role: str = ""
    value: str = ""


def pack(payload: Mapping[str, Any] | bytes, notes: Notes) -> bytes:
    """The journal's body for a payload (as parsed, or as JSON bytes that are known to be an object)."""
    noted = {name: value for name in ("me", "parent", "root", "role", "value") if (value := getattr(notes, name))}
    data = orjson.Fragment(payload) if isinstance(payload, bytes) else payload
    return orjson.dumps({"d": data, **noted})


def unpack(envelope: Envelope) -> tuple[Mapping[str, Any], Notes]:
    """The inverse of `pack`."""
    body = json_object(envelope.body)
    payload = body.get("d")
    if type(payload) is not dict:
        raise MalformedEvent("the event has no payload")
    noted = {name: text(body, name) for name in ("me", "parent", "root", "role", "value")}
    return payload, Notes(**noted)


def json_object(body: bytes | str) -> JSON:
    """The JSON object in `body`. Raises `MalformedEvent` for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The decoder's message quotes the input's position only; the body itself stays out.
        raise MalformedEvent("the body is not JSON") from error
    if type(value) is not dict:
        raise MalformedEvent("the body is not a JSON object")
    return value


def text(source: Mapping[str, Any], name: str) -> str:
    """The string there, "" for anything else. Ids are strings in JSON; discord.py has made none of them a number."""
    value = source.get(name)
    return value if type(value) is str else ""


def needed(source: Mapping[str, Any], name: str) -> str:
    """The non-empty string there."""
    value = text(source, name)
    if not value:
        raise MalformedEvent(f"the event has no {name}")
    return value


def number(source: Mapping[str, Any], name: str) -> int | None:
    """The whole number there, None for anything else."""
    value = source.get(name)
    return value if type(value) is int else None


def mapping(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object there, an empty one for anything else."""
    value = source.get(name)
    return value if type(value) is dict else {}


def items(source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in the list there; whatever else is in it is left out."""
    value = source.get(name)
    return [one for one in value if type(one) is dict] if type(value) is list else []


def strings(source: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The strings in the list there."""
    value = source.get(name)
    return tuple(one for one in value if type(one) is str) if type(value) is list else ()


def snowflake_time(snowflake: str) -> float:
    """Seconds since the Unix epoch at which the id was made; 0 for what is no id."""
    if not snowflake.isascii() or not snowflake.isdigit() or len(snowflake) > 20:
        return 0.0
    return ((int(snowflake) >> 22) + EPOCH) / 1000.0


def snowflake_at(seconds: float) -> int:
    """The smallest id of that moment."""
    return max(0, int(seconds * 1000) - EPOCH) << 22


def iso_time(stamp: str) -> float | None:
    """Seconds since the Unix epoch of an ISO 8601 stamp with an offset, None for anything else."""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return when.timestamp() if when.tzinfo is not None else None
