"""What every route asks first: does it exist, does the bot see it, may the bot do this? Raises Discord's own errors."""

from __future__ import annotations

from phantom.testing.fake_discord.calls import Call, refused
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import FakeChannel, FakeGuild, FakeMember, FakeUser
from phantom.testing.fake_discord.permissions import bits, in_guild


def channel_of(call: Call, *permissions: str) -> FakeChannel:
    """The channel of the path. Raises 10003, 50001 when the bot does not see it, 50013 without `permissions`."""
    world = call.core.world
    channel = world.channels.get(call.params["channel_id"])
    if channel is None:
        raise refused(10003)
    guild = world.guild_of(channel)
    if guild is not None and (world.bot.id not in guild.members or guild.unavailable):
        raise refused(50001)
    if not world.bot_sees(channel):
        raise refused(50001)
    allowed = world.permissions(channel, world.bot.id)
    if bits(*permissions) & ~allowed:
        raise refused(50013)
    return channel


def may(call: Call, channel: FakeChannel, *permissions: str) -> None:
    """Raises 50013 unless the bot has these permissions in the channel."""
    if bits(*permissions) & ~call.core.world.permissions(channel, call.core.world.bot.id):
        raise refused(50013)


def message_of(call: Call, channel: FakeChannel, name: str = "message_id") -> FakeMessage:
    """The message of the path. Raises 10008."""
    message = channel.messages.get(call.params[name])
    if message is None:
        raise refused(10008)
    return message


def guild_of(call: Call, *permissions: str) -> FakeGuild:
    """The guild of the path. Raises 10004 when the bot is not in it, 50013 without `permissions`."""
    world = call.core.world
    guild = world.guilds.get(call.params["guild_id"])
    if guild is None or world.bot.id not in guild.members:
        raise refused(10004)
    lost = world.withdrawn.get(None, 0) | world.withdrawn.get(guild.id, 0)
    if bits(*permissions) & ~(in_guild(guild, world.bot.id) & ~lost):
        raise refused(50013)
    return guild


def member_of(call: Call, guild: FakeGuild) -> FakeMember:
    """The member of the path. Raises 10007."""
    number = call.params.get("user_id", call.core.world.bot.id)
    member = guild.members.get(number)
    if member is None:
        raise refused(10007)
    return member


def user_of(call: Call, number: str) -> FakeUser:
    """A user by id. Raises 10013."""
    user = call.core.world.users.get(number)
    if user is None:
        raise refused(10013)
    return user
