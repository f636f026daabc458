"""Messages, edits, deletions and reactions to the vocabulary. Pure.

What does *not* live here: commands, buttons and forms (`interactions_in.py`). Fields:
https://docs.discord.com/developers/resources/message#message-object and
https://docs.discord.com/developers/events/gateway-events#messages. Many fields may be missing: an edit is partial, and
what Discord gives about a message that nobody remembers is only its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from channels.discord import beside_text, text_in
from channels.discord.decode import Notes, iso_time, items, mapping, needed, number, snowflake_time, strings, text
from channels.discord.place import author, conversation, is_chain
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import FeedbackGiven, Ignored, InboundEvent, MessageDeleted, MessageEdited, Rating
from phantom.messages import Attachment, ConversationRef, InboundMessage, MessageRef

SPOKEN = frozenset({0, 19})
"""Message types that people write: a plain message and a reply. The rest is Discord's own (joins, pins, boosts)."""

_HELPFUL = frozenset("👍✅❤🎉💯🙌👏🥇⭐🔥😀😃😄🙂😍")
_NOT_HELPFUL = frozenset("👎❌⛔🚫😞😠🙅😕☹")
_PARTLY = frozenset("😐🤔🤷")


def rating_of(emoji: str) -> Rating | None:
    """What a reaction on an answer says of it; skin tones and variants make no difference."""
    first = emoji[:1]
    if first in _HELPFUL:
        return Rating.HELPFUL
    if first in _NOT_HELPFUL:
        return Rating.NOT_HELPFUL
    return Rating.PARTLY if first in _PARTLY else None


def message(envelope: Envelope, payload: Mapping[str, Any], notes: Notes) -> InboundEvent:
    """What a new message means."""
    if number(payload, "type") not in (None, *SPOKEN):
        return Ignored(event_id=envelope.event_id, reason="system_message")
    message_id, channel = needed(payload, "id"), needed(payload, "channel_id")
    if not text(mapping(payload, "author"), "id"):
        raise MalformedEvent("the message has no author")
    where = conversation(envelope.tenant, channel, notes.parent, root_of(payload, notes))
    replied = _replied_to(payload)
    answers_us = _answers_us(replied, notes)
    mentioned = text_in.mentions(payload, notes.me) or (notes.role != "" and notes.role in _roles(payload))
    return InboundMessage(
        event_id=envelope.event_id,
        logical_id=logical_id(channel, message_id),
        conversation=where,
        message_id=message_id,
        author=author(payload, notes, webhook=text(payload, "webhook_id")),
        text=_text(payload, notes, where, replied, answers_us=answers_us),
        sent_at=snowflake_time(message_id) or envelope.received_at,
        mentions_me=mentioned or answers_us,
        mentions_others=_names_others(payload, notes.me),
        attachments=_files(payload, {} if answers_us else replied),
        reply_to=text(replied, "id") or None,
        raw=payload,
    )


def edited(envelope: Envelope, payload: Mapping[str, Any], notes: Notes) -> InboundEvent:
    """What a changed message means. Discord also tells of link previews that way: those are no edits."""
    if iso_time(text(payload, "edited_timestamp")) is None or type(payload.get("content")) is not str:
        return Ignored(event_id=envelope.event_id, reason="not_an_edit")
    message_id, channel = needed(payload, "id"), needed(payload, "channel_id")
    who = author(payload, notes, webhook=text(payload, "webhook_id"))
    if who.is_self:
        return Ignored(event_id=envelope.event_id, reason="own_edit")
    where = conversation(envelope.tenant, channel, notes.parent, root_of(payload, notes))
    replied = _replied_to(payload)
    answers_us = _answers_us(replied, notes)
    return MessageEdited(
        event_id=envelope.event_id,
        logical_id=logical_id(channel, message_id),
        conversation=where,
        author=who,
        text=_text(payload, notes, where, replied, answers_us=answers_us),
    )


def deleted(envelope: Envelope, payload: Mapping[str, Any], notes: Notes) -> Sequence[InboundEvent]:
    """What the removal of one message, or of many at once, means."""
    channel = needed(payload, "channel_id")
    gone = strings(payload, "ids") or (needed(payload, "id"),)
    return [
        MessageDeleted(
            event_id=envelope.event_id if len(gone) == 1 else f"{envelope.event_id}#{message_id}",
            logical_id=logical_id(channel, message_id),
            conversation=conversation(envelope.tenant, channel, notes.parent, notes.root or message_id),
        )
        for message_id in gone
    ]


def reaction(envelope: Envelope, payload: Mapping[str, Any], notes: Notes, *, withdrawn: bool) -> InboundEvent:
    """What a reaction means: a rating when it is on a message of ours, which only the engine's record knows."""
    user = needed(payload, "user_id")
    if user == notes.me:
        return Ignored(event_id=envelope.event_id, reason="own_reaction")
    written_by = text(payload, "message_author_id")
    if written_by and written_by != notes.me:
        return Ignored(event_id=envelope.event_id, reason="reaction_elsewhere")
    rating = rating_of(text(mapping(payload, "emoji"), "name"))
    if rating is None:
        return Ignored(event_id=envelope.event_id, reason="reaction_without_rating")
    message_id, channel = needed(payload, "message_id"), needed(payload, "channel_id")
    who = author({"member": mapping(payload, "member"), "user": {"id": user}}, notes)
    return FeedbackGiven(
        event_id=envelope.event_id,
        message=MessageRef(
            conversation=conversation(envelope.tenant, channel, notes.parent, notes.root or message_id),
            message_id=message_id,
        ),
        author=who,
        rating=rating,
        withdrawn=withdrawn,
    )


def root_of(payload: Mapping[str, Any], notes: Notes) -> str:
    """The message that begins the chain of replies: what we noted, else what our answer was a reply to, else itself."""
    if notes.root:
        return notes.root
    replied = _replied_to(payload)
    if notes.me and text(mapping(replied, "author"), "id") == notes.me:
        return text(mapping(replied, "message_reference"), "message_id") or text(replied, "id")
    return text(payload, "id")


def logical_id(channel: str, message_id: str) -> str:
    """Equal for all events of one message."""
    return f"{channel}:{message_id}"


def _answers_us(replied: Mapping[str, Any], notes: Notes) -> bool:
    """Whether it is a reply to a message of ours. A chain is noted for those alone, so it tells where Discord does not
    show what is answered.
    """
    return bool(notes.root) or (bool(notes.me) and text(mapping(replied, "author"), "id") == notes.me)


def _replied_to(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message that this one answers; a forward has a reference too, of type 1, and answers nothing."""
    if (number(mapping(payload, "message_reference"), "type") or 0) != 0:
        return {}
    return mapping(payload, "referenced_message")


def _text(
    payload: Mapping[str, Any],
    notes: Notes,
    where: ConversationRef,
    replied: Mapping[str, Any],
    *,
    answers_us: bool,
) -> str:
    """What was said, with what it refers to and an agent cannot see: a quoted message, a forward, a sticker."""
    parts = []
    known = answers_us and (notes.root or not is_chain(where))
    if replied and not known:
        parts.append(beside_text.quoted(replied, notes.me))
    parts.append(text_in.read(payload, notes.me, notes.role))
    parts += beside_text.forwarded(payload, notes.me)
    parts += beside_text.beside(payload)
    return "\n\n".join(part for part in parts if part)


def _names_others(payload: Mapping[str, Any], me: str) -> bool:
    ids = [text(user, "id") for user in items(payload, "mentions")]
    return bool(ids) and me not in ids


def _roles(payload: Mapping[str, Any]) -> tuple[str, ...]:
    return strings(payload, "mention_roles")


def _files(payload: Mapping[str, Any], replied: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """The files of a message, of those that it forwards, and of somebody else's that it answers."""
    shown = [payload, *(mapping(one, "message") for one in items(payload, "message_snapshots")), replied]
    return tuple(_attachment(file) for one in shown for file in items(one, "attachments"))


def _attachment(file: Mapping[str, Any]) -> Attachment:
    return Attachment(
        id=text(file, "id"),
        name=text(file, "filename") or "file",
        media_type=text(file, "content_type") or "application/octet-stream",
        size=number(file, "size"),
        url=text(file, "url"),
    )
