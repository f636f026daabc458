"""The state of this Discord: users, guilds, channels, DMs, commands, files; made and found here, told to nobody.

What does *not* live here: what happens (`happenings.py`), and checks of REST calls (`routes_*.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from phantom.clock import Clock
from phantom.testing.fake_discord.application import FakeApplication
from phantom.testing.fake_discord.message import FakeAttachment, FakeMessage
from phantom.testing.fake_discord.model import (
    DM,
    PRIVATE_THREAD,
    FakeChannel,
    FakeGuild,
    FakeMember,
    FakeRole,
    FakeUser,
)
from phantom.testing.fake_discord.permissions import ALL, BITS, EVERYONE, in_channel, in_guild
from phantom.testing.fake_discord.snowflakes import Snowflakes


class World:
    """Everything that there is. Ids are decimal text."""

    def __init__(self, clock: Clock, app: FakeApplication, founded: float | None = None) -> None:
        self.clock = clock
        self.app = app
        self.ids = Snowflakes(clock, founded)
        self.cdn_url = ""
        self.users: dict[str, FakeUser] = {}
        self.guilds: dict[str, FakeGuild] = {}
        self.channels: dict[str, FakeChannel] = {}
        self.attachments: dict[str, FakeAttachment] = {}
        self.ephemerals: list[FakeMessage] = []
        self.deleted: list[FakeMessage] = []
        self.withdrawn: dict[str | None, int] = {}
        self.bot = FakeUser(id=app.bot_id, name=app.name, is_bot=True)
        self.users[self.bot.id] = self.bot

    def add_user(self, name: str, *, is_bot: bool = False, dms_open: bool = True) -> FakeUser:
        """A new account, in no guild yet."""
        user = FakeUser(
            id=self.ids.next(),
            name=name,
            global_name=None if is_bot else name.title(),
            is_bot=is_bot,
            dms_open=dms_open,
        )
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, owner: FakeUser, *, bot_permissions: int | None = None) -> FakeGuild:
        """A new guild with its owner, its `@everyone` and no channel. The bot joins by `add_member`."""
        guild = FakeGuild(id=self.ids.next_guild(), name=name, owner_id=owner.id)
        guild.roles[guild.id] = FakeRole(id=guild.id, name="@everyone", permissions=EVERYONE)
        managed = EVERYONE if bot_permissions is None else bot_permissions
        role = FakeRole(id=self.ids.next(), name=self.app.name, permissions=managed, position=1, managed=True)
        guild.roles[role.id] = role
        self.guilds[guild.id] = guild
        self.add_member(guild, owner)
        return guild

    def add_member(self, guild: FakeGuild, user: FakeUser, roles: list[str] | None = None) -> FakeMember:
        """Put a user into a guild; the bot gets its managed role."""
        own = [role.id for role in guild.roles.values() if role.managed] if user.id == self.bot.id else []
        member = FakeMember(user=user, joined_at=self.clock.now(), roles=own + (roles or []))
        guild.members[user.id] = member
        return member

    def add_channel(self, channel: FakeChannel) -> FakeChannel:
        """Register a channel."""
        self.channels[channel.id] = channel
        return channel

    def direct(self, user: FakeUser) -> FakeChannel:
        """The DM between the bot and `user`, opened when there is none."""
        for channel in self.channels.values():
            if channel.type == DM and channel.recipient is user:
                return channel
        return self.add_channel(FakeChannel(id=self.ids.next(), type=DM, recipient=user))

    def channels_of(self, guild: FakeGuild, *, threads: bool = False) -> Iterator[FakeChannel]:
        """A guild's channels, or its threads that are not archived."""
        for channel in self.channels.values():
            if channel.guild_id == guild.id and channel.is_thread == threads and not channel.archived:
                yield channel

    def guild_of(self, channel: FakeChannel) -> FakeGuild | None:
        """The guild that a channel is in; None for a DM."""
        return self.guilds.get(channel.guild_id) if channel.guild_id else None

    def parent_of(self, channel: FakeChannel) -> FakeChannel:
        """The channel whose permissions count: a thread's parent, else the channel itself."""
        if channel.is_thread and channel.parent_id in self.channels:
            return self.channels[channel.parent_id]
        return channel

    def permissions(self, channel: FakeChannel, user: str) -> int:
        """What `user` may do here, in a thread with its parent's permissions; in a DM everything."""
        guild = self.guild_of(channel)
        if guild is None:
            return ALL
        allowed = in_channel(guild, self.parent_of(channel), user)
        if user == self.bot.id:
            for place in (None, guild.id, channel.id, channel.parent_id if channel.is_thread else ""):
                allowed &= ~self.withdrawn.get(place, 0)
        return allowed

    def guild_permissions(self, guild: FakeGuild) -> int:
        """What the bot may do in a guild, before any channel's overwrites."""
        allowed = in_guild(guild, self.bot.id)
        return allowed & ~self.withdrawn.get(None, 0) & ~self.withdrawn.get(guild.id, 0)

    def bot_sees(self, channel: FakeChannel) -> bool:
        """Whether the bot gets events of a channel; of a private thread only as its member or moderator."""
        guild = self.guild_of(channel)
        if guild is None:
            return True
        allowed = self.permissions(channel, self.bot.id)
        invited = self.bot.id in channel.members or allowed & BITS["MANAGE_THREADS"]
        if channel.type == PRIVATE_THREAD and not invited:
            return False
        return self.bot.id in guild.members and bool(allowed & BITS["VIEW_CHANNEL"])

    def message(self, channel_id: str, message_id: str) -> FakeMessage | None:
        """A message that is still there and not ephemeral."""
        channel = self.channels.get(channel_id)
        return channel.messages.get(message_id) if channel else None

    def attach(self, channel_id: str, filename: str, data: bytes, content_type: str) -> FakeAttachment:
        """Put a file on the CDN."""
        number = self.ids.next()
        attachment = FakeAttachment(
            id=number,
            filename=filename,
            content_type=content_type,
            data=data,
            url=f"{self.cdn_url}/attachments/{channel_id}/{number}/{filename}",
            size=len(data),
        )
        self.attachments[number] = attachment
        return attachment
