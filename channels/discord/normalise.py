"""Discord payloads to the vocabulary: which module understands what. Pure, and the same after a restart.

What does *not* live here: policy. Whether an event is meant for the agent, and who may talk, the engine decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from channels.discord import messages_in
from channels.discord.decode import (
    DELETED,
    DELETED_BULK,
    EDITED,
    INTERACTION,
    MESSAGE,
    REACTION_ADDED,
    REACTION_REMOVED,
    WEBHOOK_EVENT,
    Notes,
    mapping,
    text,
    unpack,
)
from channels.discord.interactions_in import interaction
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import Ignored, InboundEvent


def normalise(envelope: Envelope) -> Sequence[InboundEvent]:
    """The events in one journaled payload. Raises `MalformedEvent`, nothing else, whatever the bytes are."""
    payload, notes = unpack(envelope)
    kind = envelope.kind
    if kind in (DELETED, DELETED_BULK):
        return messages_in.deleted(envelope, payload, notes)
    return (_one(envelope, kind, payload, notes),)


def _one(envelope: Envelope, kind: str, payload: Mapping[str, Any], notes: Notes) -> InboundEvent:
    if kind == MESSAGE:
        return messages_in.message(envelope, payload, notes)
    if kind == INTERACTION:
        return interaction(envelope, payload, notes)
    if kind == EDITED:
        return messages_in.edited(envelope, payload, notes)
    if kind in (REACTION_ADDED, REACTION_REMOVED):
        return messages_in.reaction(envelope, payload, notes, withdrawn=kind == REACTION_REMOVED)
    if kind == WEBHOOK_EVENT:
        return _webhook_event(envelope, payload)
    raise MalformedEvent(f"unknown kind of envelope {kind[:20]!r}")


def _webhook_event(envelope: Envelope, payload: Mapping[str, Any]) -> InboundEvent:
    """What Discord tells over HTTP about people who add or remove the app for themselves: good to have, no more."""
    event = text(mapping(payload, "event"), "type")
    known = {"APPLICATION_AUTHORIZED": "authorized", "APPLICATION_DEAUTHORIZED": "deauthorized"}
    return Ignored(event_id=envelope.event_id, reason=known.get(event, "webhook_event"))
