"""Posts, edits and deletions: Slack's `message` and `app_mention` events to the vocabulary. Pure.

What does *not* live here: other events (`normalise.py`), buttons and forms (`interactions.py`). Subtypes:
https://docs.slack.dev/reference/events/message. `message` and `app_mention` of one post share their logical id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.slack import text_in
from channels.slack.decode import items, mapping, needed, seconds, text
from channels.slack.place import Reader, conversation, event_author, kind_of, logical_id
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.events import Ignored, InboundEvent, MessageDeleted, MessageEdited
from phantom.messages import Attachment, InboundMessage

SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
_UNSHOWN_FILES = frozenset({"tombstone", "hidden_by_limit"})


def message(envelope: Envelope, payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader) -> InboundEvent:
    """What a `message` event means."""
    subtype = text(event, "subtype")
    if subtype == "message_changed":
        return _edited(envelope, payload, event, reader)
    if subtype == "message_deleted":
        return _deleted(envelope, event, needed(event, "deleted_ts"), reader)
    if subtype not in SPOKEN:
        return Ignored(event_id=envelope.event_id, reason="message_subtype")
    if event.get("hidden") is True:
        return Ignored(event_id=envelope.event_id, reason="hidden_message")
    return spoken(envelope, payload, event, reader)


def spoken(
    envelope: Envelope,
    payload: Mapping[str, Any],
    event: Mapping[str, Any],
    reader: Reader,
    *,
    mentioned: bool = False,
) -> InboundMessage:
    """A post. `mentioned` is what the event's own type says (`app_mention`)."""
    team, place, ts = envelope.tenant, needed(event, "channel"), needed(event, "ts")
    author = event_author(payload, event, reader)
    if not author.id and not author.is_bot:
        raise MalformedEvent("the message has no author")
    thread = text(event, "thread_ts")
    read = text_in.read(text(event, "text"), reader.user_id)
    return InboundMessage(
        event_id=envelope.event_id,
        logical_id=logical_id(team, place, ts),
        conversation=conversation(team, place, kind_of(place, text(event, "channel_type")), thread=thread, ts=ts),
        message_id=ts,
        author=author,
        text=read.text,
        sent_at=seconds(ts),
        mentions_me=mentioned or read.mentions_me,
        mentions_others=read.mentions_others,
        attachments=attachments(event),
        reply_to=thread if thread and thread != ts else None,
        raw=event,
    )


def attachments(event: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """The files of a post. In Slack Connect channels `url` may be "" until `files.info` is asked."""
    return tuple(_attachment(entry) for entry in items(event, "files") if _is_shown(entry))


def _is_shown(entry: Mapping[str, Any]) -> bool:
    return text(entry, "id") != "" and text(entry, "mode") not in _UNSHOWN_FILES


def _attachment(entry: Mapping[str, Any]) -> Attachment:
    size = entry.get("size")
    return Attachment(
        id=text(entry, "id"),
        name=text(entry, "name") or text(entry, "title") or text(entry, "id"),
        media_type=text(entry, "mimetype") or "application/octet-stream",
        size=size if type(size) is int and size >= 0 else None,
        url=text(entry, "url_private_download") or text(entry, "url_private"),
    )


def _edited(envelope: Envelope, payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader) -> InboundEvent:
    changed, before = mapping(event, "message"), mapping(event, "previous_message")
    ts, place = needed(changed, "ts"), needed(event, "channel")
    if text(changed, "subtype") == "tombstone":
        return _deleted(envelope, event, ts, reader)
    author = event_author(payload, changed, reader)
    if author.is_self:
        return Ignored(event_id=envelope.event_id, reason="own_edit")
    if before and text(before, "text") == text(changed, "text"):
        # Link previews and pins arrive as edits too; the words are the same.
        return Ignored(event_id=envelope.event_id, reason="same_text")
    return MessageEdited(
        event_id=envelope.event_id,
        logical_id=logical_id(envelope.tenant, place, ts),
        conversation=conversation(
            envelope.tenant,
            place,
            kind_of(place, text(event, "channel_type")),
            thread=text(changed, "thread_ts"),
            ts=ts,
        ),
        author=author,
        text=text_in.read(text(changed, "text"), reader.user_id).text,
    )


def _deleted(envelope: Envelope, event: Mapping[str, Any], ts: str, reader: Reader) -> InboundEvent:
    before, place = mapping(event, "previous_message"), needed(event, "channel")
    if before and event_author({}, before, reader).is_self:
        return Ignored(event_id=envelope.event_id, reason="own_deletion")
    return MessageDeleted(
        event_id=envelope.event_id,
        logical_id=logical_id(envelope.tenant, place, ts),
        conversation=conversation(
            envelope.tenant,
            place,
            kind_of(place, text(event, "channel_type")),
            thread=text(before, "thread_ts"),
            ts=ts,
        ),
    )
