"""Names of things, as strings of a known shape, and how they are made."""

from __future__ import annotations

import hashlib


def turn_id(channel: str, tenant: str, event_id: str) -> str:
    """The id of the turn that an event starts; also its workflow id, so one event is one turn for ever.

    Platform ids are short, but an event without an id is named by its MAC and a foreign sender may choose odd text:
    anything long or unusual is replaced by its SHA-256 prefix, so that the id stays printable and below 100 characters.
    """
    if len(event_id) > 48 or not event_id.isascii() or not event_id.isprintable() or " " in event_id:
        event_id = "h" + hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{channel}:{tenant}:{event_id}"


def part_key(turn: str, step: str, part: int = 0) -> str:
    """Idempotency key of one outbound message: turn, step and part. The same key never becomes two messages."""
    return f"{turn}/{step}/{part}"
