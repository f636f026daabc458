"""What a journaled Slack payload means: the one door from envelopes to `InboundEvent`s. Pure.

What does *not* live here: posts (`messages_in.py`), buttons, forms and commands (`interactions.py`), policy (the core).
A payload of an unknown type is `Ignored`; only one that contradicts its own type raises `MalformedEvent`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from channels.slack import interactions, messages_in
from channels.slack.decode import COMMAND, EVENT, INTERACTIVE, mapping, needed, payload_of, text
from channels.slack.place import Reader, conversation, event_author, kind_of
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import ChannelTask, FeedbackGiven, Ignored, InboundEvent, InstallChange, InstallChanged, Rating
from phantom.messages import MessageRef

_HELPFUL = frozenset(
    {"+1", "thumbsup", "heart", "tada", "white_check_mark", "heavy_check_mark", "raised_hands", "clap", "100", "star"}
)
_NOT_HELPFUL = frozenset({"-1", "thumbsdown", "x", "no_entry", "no_entry_sign", "disappointed", "no_good", "confused"})
_PARTLY = frozenset({"neutral_face", "thinking_face", "shrug"})

_Handler = Callable[[Envelope, Mapping[str, Any], Mapping[str, Any], Reader], InboundEvent]


def normalise(envelope: Envelope, reader: Reader) -> Sequence[InboundEvent]:
    """The events in one verified payload. Raises `MalformedEvent`, nothing else, whatever the bytes are."""
    payload = payload_of(envelope)
    if envelope.kind == COMMAND:
        return (interactions.command(envelope, payload, reader),)
    if envelope.kind == INTERACTIVE:
        return interactions.interactive(envelope, payload, reader)
    if envelope.kind != EVENT:
        raise MalformedEvent(f"unknown kind of envelope {envelope.kind[:20]!r}")
    return (_event(envelope, payload, reader.filled_from(payload)),)


def rating_of(reaction: str) -> Rating | None:
    """What an emoji on an answer says of it; skin tones make no difference."""
    name = reaction.partition("::")[0]
    if name in _HELPFUL:
        return Rating.HELPFUL
    if name in _NOT_HELPFUL:
        return Rating.NOT_HELPFUL
    return Rating.PARTLY if name in _PARTLY else None


def _event(envelope: Envelope, payload: Mapping[str, Any], reader: Reader) -> InboundEvent:
    if text(payload, "type") == "app_rate_limited":
        return _install_changed(envelope, InstallChange.RATE_LIMITED)
    event = mapping(payload, "event")
    handler = _HANDLERS.get(needed(event, "type"))
    if handler is None:
        return Ignored(event_id=envelope.event_id, reason="event_type")
    return handler(envelope, payload, event, reader)


def _app_mention(
    envelope: Envelope, payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader
) -> InboundEvent:
    return messages_in.spoken(envelope, payload, event, reader, mentioned=True)


def _reaction(envelope: Envelope, payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader) -> InboundEvent:
    item = mapping(event, "item")
    if text(item, "type") != "message":
        return Ignored(event_id=envelope.event_id, reason="reaction_elsewhere")
    author = event_author(payload, event, reader)
    if author.is_self:
        return Ignored(event_id=envelope.event_id, reason="own_reaction")
    if not reader.user_id or text(event, "item_user") != reader.user_id:
        return Ignored(event_id=envelope.event_id, reason="reaction_elsewhere")
    rating = rating_of(text(event, "reaction"))
    if rating is None:
        return Ignored(event_id=envelope.event_id, reason="reaction_without_rating")
    place, ts = needed(item, "channel"), needed(item, "ts")
    return FeedbackGiven(
        event_id=envelope.event_id,
        # The event does not say in which thread the answer stands; the message's own id is what identifies it.
        message=MessageRef(
            conversation=conversation(envelope.tenant, place, kind_of(place, ""), thread="", ts=ts), message_id=ts
        ),
        author=author,
        rating=rating,
        withdrawn=text(event, "type") == "reaction_removed",
    )


def _home_opened(
    envelope: Envelope, payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader
) -> InboundEvent:
    return ChannelTask(
        event_id=envelope.event_id,
        name="app_home_opened",
        author=event_author(payload, event, reader),
        payload={"user": needed(event, "user"), "channel": text(event, "channel"), "tab": text(event, "tab")},
    )


def _assistant_started(
    envelope: Envelope, payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader
) -> InboundEvent:
    thread = mapping(event, "assistant_thread")
    user = text(thread, "user_id")
    return ChannelTask(
        event_id=envelope.event_id,
        name="assistant_thread_started",
        author=event_author(payload, {"user": user}, reader),
        payload={
            "user": user,
            "channel": needed(thread, "channel_id"),
            "thread_ts": needed(thread, "thread_ts"),
            "context": mapping(thread, "context"),
        },
    )


def _uninstalled(envelope: Envelope, _: Mapping[str, Any], __: Mapping[str, Any], ___: Reader) -> InboundEvent:
    return _install_changed(envelope, InstallChange.UNINSTALLED)


def _tokens_revoked(envelope: Envelope, _: Mapping[str, Any], event: Mapping[str, Any], reader: Reader) -> InboundEvent:
    tokens = mapping(event, "tokens")
    if tokens and not tokens.get("bot"):
        return Ignored(event_id=envelope.event_id, reason="user_tokens_revoked")
    return _install_changed(envelope, InstallChange.TOKENS_REVOKED)


def _install_changed(envelope: Envelope, change: InstallChange) -> InboundEvent:
    return InstallChanged(event_id=envelope.event_id, tenant=envelope.tenant, change=change)


_HANDLERS: Mapping[str, _Handler] = {
    "message": messages_in.message,
    "app_mention": _app_mention,
    "reaction_added": _reaction,
    "reaction_removed": _reaction,
    "app_home_opened": _home_opened,
    "assistant_thread_started": _assistant_started,
    "app_uninstalled": _uninstalled,
    "tokens_revoked": _tokens_revoked,
}
