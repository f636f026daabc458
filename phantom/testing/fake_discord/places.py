"""Who and where: users, guilds, roles, channels, threads and memberships of a FakeDiscord, created and found."""

from __future__ import annotations

from collections.abc import Sequence

from phantom.testing.fake_discord.changes import GuildChanged, UserChanged
from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import (
    FORUM,
    KINDS,
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    FakeChannel,
    FakeGuild,
    FakeRole,
    FakeUser,
    Overwrite,
)  # fmt: skip
from phantom.testing.fake_discord.permissions import bits

UserLike = FakeUser | str
ChannelLike = FakeChannel | str


class Places:
    """People and places. Users and channels may be given as objects or by id."""

    core: Core
    guild: FakeGuild

    def user(self, who: UserLike) -> FakeUser:
        """The user object; KeyError for an unknown id."""
        return who if isinstance(who, FakeUser) else self.core.world.users[who]

    def channel(self, where: ChannelLike) -> FakeChannel:
        """The channel object, by id or name; KeyError when there is none."""
        if isinstance(where, FakeChannel):
            return where
        channels = self.core.world.channels
        found = channels.get(where) or next((one for one in channels.values() if one.name == where), None)
        if found is None:
            raise KeyError(where)
        return found

    def add_user(
        self,
        name: str,
        *,
        guild: FakeGuild | None = None,
        member: bool = True,
        roles: Sequence[FakeRole] = (),
        is_bot: bool = False,
        dms_open: bool = True,
    ) -> FakeUser:
        """A new account, and (`member`) a member of `guild`, by default the first one. No event: see `join`."""
        user = self.core.world.add_user(name, is_bot=is_bot, dms_open=dms_open)
        if member:
            self.core.world.add_member(guild or self.guild, user, [role.id for role in roles])
        self.core.feed.publish(UserChanged(user=user))
        return user

    def add_guild(self, name: str, *, owner: UserLike | None = None, with_bot: bool = True) -> FakeGuild:
        """A new guild; with the bot in it, the app gets `GUILD_CREATE` (if it is connected)."""
        world = self.core.world
        holder = self.user(owner) if owner is not None else world.users[self.guild.owner_id]
        guild = world.add_guild(name, holder)
        if with_bot:
            self.core.happenings.join_guild(guild)
        self.core.feed.publish(GuildChanged(what="created", guild=guild))
        return guild

    def add_role(
        self, name: str, *, guild: FakeGuild | None = None, permissions: Sequence[str] = (), mentionable: bool = False
    ) -> FakeRole:
        """A new role."""
        place = guild or self.guild
        role = FakeRole(
            id=self.core.world.ids.next(),
            name=name,
            permissions=bits(*permissions),
            position=len(place.roles),
            mentionable=mentionable,
        )
        place.roles[role.id] = role
        data = {"guild_id": place.id, "role": role.to_discord()}
        self.core.gateway.dispatch("GUILD_ROLE_CREATE", data, guild_id=place.id, channel=None)
        return role

    async def set_roles(self, user: UserLike, roles: Sequence[FakeRole], *, guild: FakeGuild | None = None) -> None:
        """Give a member exactly these roles."""
        place, who = guild or self.guild, self.user(user)
        place.members[who.id].roles = [role.id for role in roles]
        self.core.happenings.change_member(place, place.members[who.id])

    def add_channel(
        self,
        name: str,
        *,
        kind: str = "text",
        guild: FakeGuild | None = None,
        parent: FakeChannel | None = None,
        hidden_from_bot: bool = False,
        topic: str | None = None,
    ) -> FakeChannel:
        """A new channel. `kind`: text, voice, news, forum or category."""
        place = guild or self.guild
        channel = FakeChannel(
            id=self.core.world.ids.next(),
            type=KINDS[kind],
            name=name,
            guild_id=place.id,
            parent_id=parent.id if parent else None,
            topic=topic,
            position=sum(1 for _ in self.core.world.channels_of(place)),
        )
        if hidden_from_bot:
            bot = self.core.world.bot.id
            channel.overwrites[bot] = Overwrite(id=bot, type=1, deny=bits("VIEW_CHANNEL"))
        return self.core.happenings.create_channel(channel)

    def deny(self, channel: FakeChannel, *permissions: str, to: FakeRole | FakeUser | None = None) -> None:
        """Overwrite permissions of a channel, for the bot unless said otherwise; the app gets `CHANNEL_UPDATE`."""
        target = to or self.core.world.bot
        kind = 0 if isinstance(target, FakeRole) else 1
        overwrite = channel.overwrites.setdefault(target.id, Overwrite(id=target.id, type=kind))
        overwrite.deny |= bits(*permissions)
        self.core.happenings.change_channel(channel)

    def dm(self, user: UserLike) -> FakeChannel:
        """The direct message between `user` and the bot."""
        return self.core.world.direct(self.user(user))

    async def create_thread(
        self,
        user: UserLike,
        channel: ChannelLike,
        name: str,
        *,
        message: FakeMessage | None = None,
        private: bool = False,
    ) -> FakeChannel:
        """Start a thread in a channel, or on a message (its id is the message's then)."""
        who, parent = self.user(user), self.channel(channel)
        thread = FakeChannel(
            id=message.id if message else self.core.world.ids.next(),
            type=PRIVATE_THREAD if private else PUBLIC_THREAD,
            name=name,
            guild_id=parent.guild_id,
            parent_id=parent.id,
            owner_id=who.id,
            members=[who.id],
        )
        return self.core.happenings.start_thread(thread, who, message)

    def new_forum_post(self, user: FakeUser, forum: FakeChannel, title: str) -> FakeChannel:
        """The thread of a forum post, without its first message. Raises ValueError elsewhere than in a forum."""
        if forum.type != FORUM:
            raise ValueError(f"{forum.name} is no forum")
        thread = FakeChannel(
            id=self.core.world.ids.next(),
            type=PUBLIC_THREAD,
            name=title,
            guild_id=forum.guild_id,
            parent_id=forum.id,
            owner_id=user.id,
            members=[user.id],
        )
        return self.core.happenings.create_channel(thread)

    async def archive(self, thread: FakeChannel, *, locked: bool = False) -> None:
        """Archive a thread; a message in it opens it again unless it is locked."""
        self.core.happenings.change_channel(thread, archived=True, locked=locked)

    async def delete_channel(self, channel: ChannelLike) -> None:
        """Somebody deletes a channel or thread."""
        self.core.happenings.delete_channel(self.channel(channel))

    async def join(self, user: UserLike, guild: FakeGuild | None = None, *, roles: Sequence[FakeRole] = ()) -> None:
        """A person joins a guild; the app gets `GUILD_MEMBER_ADD`."""
        place = guild or self.guild
        self.core.happenings.add_member(place, self.user(user), [role.id for role in roles])

    async def leave(self, user: UserLike, guild: FakeGuild | None = None) -> None:
        """A person leaves a guild."""
        self.core.happenings.remove_member(guild or self.guild, self.user(user))

    async def add_bot(self, guild: FakeGuild) -> None:
        """Somebody adds the app to a guild."""
        self.core.happenings.join_guild(guild)

    async def remove_bot(self, guild: FakeGuild | None = None) -> None:
        """Somebody removes the app from a guild."""
        self.core.happenings.leave_guild(guild or self.guild)

    async def outage(self, guild: FakeGuild | None = None) -> None:
        """A guild becomes unavailable; `add_bot` ends it."""
        self.core.happenings.leave_guild(guild or self.guild, outage=True)
