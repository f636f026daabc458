"""REST routes on messages: create, read, edit, delete, pins, typing."""

from __future__ import annotations

from phantom.testing.fake_discord.access import channel_of, may, message_of
from phantom.testing.fake_discord.calls import Call, invalid_form, refused, route
from phantom.testing.fake_discord.compose import apply_edit, compose, uploads
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import CATEGORY, FORUM, JSON, FakeChannel
from phantom.testing.fake_discord.snowflakes import made_at, timestamp

_NONCE_REMEMBERED = 300.0
_BULK_AGE = 14 * 86400.0


@route("create_message", "POST", "/channels/{channel_id}/messages")
def create_message(call: Call) -> JSON:
    """With `enforce_nonce`, a message of the bot with the same nonce a few minutes ago is returned instead."""
    world, body = call.core.world, call.form
    channel = channel_of(call)
    may(call, channel, "SEND_MESSAGES_IN_THREADS" if channel.is_thread else "SEND_MESSAGES")
    check_place(call, channel)
    if body.get("enforce_nonce") and (earlier := _same_nonce(call, channel, body)):
        return earlier.to_discord(me=world.bot.id)
    if call.files:
        may(call, channel, "ATTACH_FILES")
    if body.get("embeds"):
        may(call, channel, "EMBED_LINKS")
    message = compose(
        world,
        channel,
        world.bot,
        body,
        files=uploads(world, channel, call.files, body.get("attachments")),
        replied_to=_replied_to(call, channel),
    )
    return call.core.happenings.post(message).to_discord(me=world.bot.id)


def check_place(call: Call, channel: FakeChannel) -> None:
    """Raises 50008 where no message can be, 50083 in a locked thread, 50007 where the person takes no DMs."""
    if channel.type in (CATEGORY, FORUM):
        raise refused(50008)
    if channel.is_thread and channel.archived and channel.locked:
        raise refused(50083)
    if channel.recipient is not None and not channel.recipient.dms_open:
        raise refused(50007)


def _same_nonce(call: Call, channel: FakeChannel, body: JSON) -> FakeMessage | None:
    nonce, world = body.get("nonce"), call.core.world
    if nonce is None:
        raise invalid_form("nonce", "BASE_TYPE_REQUIRED", "This field is required")
    since = call.core.clock.now() - _NONCE_REMEMBERED
    for message in reversed(channel.messages.values()):
        if message.sent_at < since:
            return None
        if message.author is world.bot and message.nonce is not None and str(message.nonce) == str(nonce):
            return message
    return None


def _replied_to(call: Call, channel: FakeChannel) -> FakeMessage | None:
    reference = call.form.get("message_reference")
    if not reference or reference.get("type", 0) != 0:
        return None
    message = channel.messages.get(str(reference.get("message_id")))
    if message is not None:
        may(call, channel, "READ_MESSAGE_HISTORY")
        return message
    if reference.get("fail_if_not_exists", True):
        raise invalid_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None


@route("list_messages", "GET", "/channels/{channel_id}/messages")
def list_messages(call: Call) -> list[JSON]:
    """Newest first; at most one of `around`, `before`, `after`."""
    channel = channel_of(call)
    limit = call.number("limit", 50, low=1, high=100)
    if not call.core.world.permissions(channel, call.core.world.bot.id) & (1 << 16):
        return []
    ordered = list(channel.messages.values())
    if "around" in call.query:
        middle = int(call.query["around"])
        older = [one for one in ordered if int(one.id) < middle][-(limit // 2) :]
        newer = [one for one in ordered if int(one.id) >= middle][: limit - len(older)]
        chosen = older + newer
    elif "after" in call.query:
        chosen = [one for one in ordered if int(one.id) > int(call.query["after"])][:limit]
    elif "before" in call.query:
        chosen = [one for one in ordered if int(one.id) < int(call.query["before"])][-limit:]
    else:
        chosen = ordered[-limit:]
    return [one.to_discord(me=call.core.world.bot.id) for one in reversed(chosen)]


@route("get_message", "GET", "/channels/{channel_id}/messages/{message_id}")
def get_message(call: Call) -> JSON:
    """Needs READ_MESSAGE_HISTORY."""
    return message_of(call, channel_of(call, "READ_MESSAGE_HISTORY")).to_discord(me=call.core.world.bot.id)


@route("update_message", "PATCH", "/channels/{channel_id}/messages/{message_id}")
def update_message(call: Call) -> JSON:
    """Only the bot's own."""
    message = message_of(call, channel_of(call))
    if message.author is not call.core.world.bot:
        raise refused(50005)
    if call.form.get("embeds"):
        may(call, channel_of(call), "EMBED_LINKS")
    apply_edit(call, message)
    call.core.happenings.edited(message)
    return message.to_discord(me=call.core.world.bot.id)


@route("delete_message", "DELETE", "/channels/{channel_id}/messages/{message_id}")
def delete_message(call: Call) -> None:
    """Others' need MANAGE_MESSAGES."""
    channel = channel_of(call)
    message = message_of(call, channel)
    if message.author is not call.core.world.bot:
        may(call, channel, "MANAGE_MESSAGES")
    call.core.happenings.delete([message], call.core.world.bot.id)


@route("bulk_delete_messages", "POST", "/channels/{channel_id}/messages/bulk-delete")
def bulk_delete_messages(call: Call) -> None:
    """2 to 100 messages, none older than two weeks; unknown ones are passed over."""
    channel = channel_of(call, "MANAGE_MESSAGES")
    numbers = [str(one) for one in call.form.get("messages") or []]
    if not 2 <= len(numbers) <= 100:
        raise invalid_form("messages", "BASE_TYPE_BAD_LENGTH", "Must be between 2 and 100 in length.")
    if any(made_at(number) < call.core.clock.now() - _BULK_AGE for number in numbers):
        raise refused(50034)
    found = [channel.messages[number] for number in numbers if number in channel.messages]
    call.core.happenings.delete(found, call.core.world.bot.id)


@route("trigger_typing_indicator", "POST", "/channels/{channel_id}/typing")
def trigger_typing_indicator(call: Call) -> None:
    """The bot shows as typing."""
    call.core.happenings.typing(call.core.world.bot, channel_of(call, "SEND_MESSAGES"))


@route("list_pins", "GET", "/channels/{channel_id}/messages/pins")
def list_pins(call: Call) -> JSON:
    """Newest pin first."""
    return {"items": [_pin(call, one) for one in _pinned(channel_of(call))], "has_more": False}


@route("deprecated_list_pins", "GET", "/channels/{channel_id}/pins")
def deprecated_list_pins(call: Call) -> list[JSON]:
    """The same as bare messages."""
    return [one.to_discord(me=call.core.world.bot.id) for one in _pinned(channel_of(call))]


@route("create_pin", "PUT", "/channels/{channel_id}/messages/pins/{message_id}")
@route("deprecated_create_pin", "PUT", "/channels/{channel_id}/pins/{message_id}")
def create_pin(call: Call) -> None:
    """Needs PIN_MESSAGES."""
    message = message_of(call, channel_of(call, "PIN_MESSAGES"))
    call.core.happenings.pin(message, call.core.world.bot.id, pinned=True)


@route("delete_pin", "DELETE", "/channels/{channel_id}/messages/pins/{message_id}")
@route("deprecated_delete_pin", "DELETE", "/channels/{channel_id}/pins/{message_id}")
def delete_pin(call: Call) -> None:
    """Needs PIN_MESSAGES."""
    message = message_of(call, channel_of(call, "PIN_MESSAGES"))
    call.core.happenings.pin(message, call.core.world.bot.id, pinned=False)


def _pinned(channel: FakeChannel) -> list[FakeMessage]:
    found = [(one.pinned_at, one) for one in channel.messages.values() if one.pinned_at is not None]
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _pin(call: Call, message: FakeMessage) -> JSON:
    at = timestamp(message.pinned_at or 0.0)
    return {"pinned_at": at, "message": message.to_discord(me=call.core.world.bot.id)}
