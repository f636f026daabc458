"""REST routes of channels and threads."""

from __future__ import annotations

from phantom.testing.fake_discord.access import channel_of, may, message_of
from phantom.testing.fake_discord.calls import Call, invalid_form, refused, route
from phantom.testing.fake_discord.compose import compose, uploads
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import FORUM, JSON, PRIVATE_THREAD, PUBLIC_THREAD, FakeChannel
from phantom.testing.fake_discord.snowflakes import made_at, timestamp

_THREAD_CHANGES = ("name", "archived", "locked")


@route("get_channel", "GET", "/channels/{channel_id}")
def get_channel(call: Call) -> JSON:
    """Any channel, thread or DM that the bot sees."""
    return channel_of(call).to_discord()


@route("update_channel", "PATCH", "/channels/{channel_id}")
def update_channel(call: Call) -> JSON:
    """A thread: name, archived, locked (its owner or MANAGE_THREADS). A channel: name, topic, parent_id
    (MANAGE_CHANNELS).
    """
    channel = channel_of(call)
    if not channel.is_thread:
        may(call, channel, "MANAGE_CHANNELS")
    elif channel.owner_id != call.core.world.bot.id and set(call.form) != {"archived"}:
        may(call, channel, "MANAGE_THREADS")
    names = _THREAD_CHANGES if channel.is_thread else ("name", "topic", "parent_id")
    changes = {name: call.form[name] for name in names if name in call.form}
    if "name" in changes and not 1 <= len(changes["name"] or "") <= 100:
        raise invalid_form("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    call.core.happenings.change_channel(channel, **changes)
    return channel.to_discord()


@route("delete_channel", "DELETE", "/channels/{channel_id}")
def delete_channel(call: Call) -> JSON:
    """Delete a channel or thread, or close a DM."""
    channel = channel_of(call)
    may(call, channel, "MANAGE_THREADS" if channel.is_thread else "MANAGE_CHANNELS")
    call.core.happenings.delete_channel(channel)
    return channel.to_discord()


@route("create_thread_from_message", "POST", "/channels/{channel_id}/messages/{message_id}/threads")
def create_thread_from_message(call: Call) -> JSON:
    """A thread on a message; it takes the message's id. 160004 when there is one."""
    channel = channel_of(call, "CREATE_PUBLIC_THREADS")
    message = message_of(call, channel)
    if message.id in call.core.world.channels:
        raise refused(160004)
    return _start(call, channel, PUBLIC_THREAD, message).to_discord()


@route("create_thread", "POST", "/channels/{channel_id}/threads")
def create_thread(call: Call) -> JSON:
    """A thread without a message, or a forum post with its first message."""
    channel = channel_of(call)
    if channel.type == FORUM:
        return _forum_post(call, channel)
    kind = int(call.form.get("type") or PRIVATE_THREAD)
    may(call, channel, "CREATE_PRIVATE_THREADS" if kind == PRIVATE_THREAD else "CREATE_PUBLIC_THREADS")
    return _start(call, channel, kind, None).to_discord()


def _forum_post(call: Call, forum: FakeChannel) -> JSON:
    core, world = call.core, call.core.world
    may(call, forum, "SEND_MESSAGES")
    thread = _thread(call, forum, PUBLIC_THREAD, None)
    body = call.form.get("message") or {}
    files = uploads(world, thread, call.files, body.get("attachments"))
    world.add_channel(thread)
    try:
        message = compose(world, thread, world.bot, body, files=files)
    finally:
        del world.channels[thread.id]
    message.id = thread.id
    core.happenings.create_channel(thread)
    core.happenings.post(message)
    return thread.to_discord() | {"message": message.to_discord(me=world.bot.id)}


def _start(call: Call, channel: FakeChannel, kind: int, message: FakeMessage | None) -> FakeChannel:
    if channel.is_thread or channel.is_dm:
        raise refused(50008 if channel.is_thread else 50003)
    world = call.core.world
    return call.core.happenings.start_thread(_thread(call, channel, kind, message), world.bot, message)


def _thread(call: Call, parent: FakeChannel, kind: int, message: FakeMessage | None) -> FakeChannel:
    name, world = str(call.form.get("name") or ""), call.core.world
    if not 1 <= len(name) <= 100:
        raise invalid_form("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return FakeChannel(
        id=message.id if message else world.ids.next(),
        type=kind,
        name=name,
        guild_id=parent.guild_id,
        parent_id=parent.id,
        owner_id=world.bot.id,
        members=[world.bot.id],
        auto_archive=int(call.form.get("auto_archive_duration") or 1440),
    )


@route("join_thread", "PUT", "/channels/{channel_id}/thread-members/@me")
def join_thread(call: Call) -> None:
    """The bot joins."""
    thread = channel_of(call)
    if call.core.world.bot.id not in thread.members:
        thread.members.append(call.core.world.bot.id)


@route("leave_thread", "DELETE", "/channels/{channel_id}/thread-members/@me")
def leave_thread(call: Call) -> None:
    """The bot leaves."""
    thread = channel_of(call)
    if call.core.world.bot.id in thread.members:
        thread.members.remove(call.core.world.bot.id)


@route("add_thread_member", "PUT", "/channels/{channel_id}/thread-members/{user_id}")
def add_thread_member(call: Call) -> None:
    """Somebody else is added."""
    thread = channel_of(call, "SEND_MESSAGES_IN_THREADS")
    if call.params["user_id"] not in thread.members:
        thread.members.append(call.params["user_id"])


@route("list_thread_members", "GET", "/channels/{channel_id}/thread-members")
def list_thread_members(call: Call) -> list[JSON]:
    """Who is in it."""
    thread = channel_of(call)
    at = timestamp(made_at(thread.id))
    return [{"id": thread.id, "user_id": one, "join_timestamp": at, "flags": 0} for one in thread.members]


@route("list_public_archived_threads", "GET", "/channels/{channel_id}/threads/archived/public")
def list_public_archived_threads(call: Call) -> JSON:
    """Newest first."""
    channel = channel_of(call, "READ_MESSAGE_HISTORY")
    return _listed(
        [
            one
            for one in call.core.world.channels.values()
            if one.parent_id == channel.id and one.archived and one.type == PUBLIC_THREAD
        ]
    )


@route("get_active_guild_threads", "GET", "/guilds/{guild_id}/threads/active")
def get_active_guild_threads(call: Call) -> JSON:
    """Those of the guild that are not archived."""
    guild = call.core.world.guilds.get(call.params["guild_id"])
    if guild is None or call.core.world.bot.id not in guild.members:
        raise refused(10004)
    return _listed(list(call.core.world.channels_of(guild, threads=True)))


def _listed(threads: list[FakeChannel]) -> JSON:
    return {"threads": [one.to_discord() for one in reversed(threads)], "members": [], "has_more": False}
