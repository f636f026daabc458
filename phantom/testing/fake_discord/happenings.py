"""Everything that can happen: each changes the world, publishes it to the feed and sends the app its gateway event.

Used by people's actions and by REST routes alike, as Discord tells the app of what it did itself too. Nothing here
checks whether it is allowed.
"""

from __future__ import annotations

from phantom.testing.fake_discord.changes import ChannelChanged, Feed, GuildChanged, MessageChanged, TypingStarted
from phantom.testing.fake_discord.gateway import Gateway
from phantom.testing.fake_discord.message import HAS_THREAD, THREAD_CREATED, FakeMessage, emoji_of
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeGuild, FakeMember, FakeUser
from phantom.testing.fake_discord.payloads import guild_create, member_event, message_event, placed
from phantom.testing.fake_discord.snowflakes import timestamp
from phantom.testing.fake_discord.world import World


class Happenings:
    """`by` is the id of the user who did it."""

    def __init__(self, world: World, feed: Feed, gateway: Gateway) -> None:
        self.world = world
        self.feed = feed
        self.gateway = gateway

    def _tell(self, event: str, data: JSON, channel: FakeChannel) -> None:
        self.gateway.dispatch(event, data, guild_id=channel.guild_id, channel=channel)

    # messages

    def post(self, message: FakeMessage) -> FakeMessage:
        """A message appears. Ephemeral ones are in no history and in no event."""
        if message.ephemeral_for is not None:
            self.world.ephemerals.append(message)
        else:
            channel = self.world.channels[message.channel_id]
            if channel.is_thread and message.author.id not in channel.members:
                channel.members.append(message.author.id)
            if channel.is_thread and channel.archived and not channel.locked:
                self.change_channel(channel, archived=False)
            channel.messages[message.id] = message
            self._tell("MESSAGE_CREATE", message_event(self.world, message), channel)
        self._changed("posted", message, message.author.id)
        return message

    def edited(self, message: FakeMessage) -> None:
        """A message was changed in place."""
        message.edited_at = self.world.clock.now()
        if message.contents[-1] != message.content:
            message.contents.append(message.content)
        self.updated(message, "edited", message.author.id)

    def updated(self, message: FakeMessage, what: str, by: str) -> None:
        """`MESSAGE_UPDATE` for whatever changed on it."""
        if message.ephemeral_for is None:
            self._tell("MESSAGE_UPDATE", message_event(self.world, message), self.world.channels[message.channel_id])
        self._changed(what, message, by)

    def delete(self, messages: list[FakeMessage], by: str) -> None:
        """Messages go; several at once are one `MESSAGE_DELETE_BULK`."""
        for message in messages:
            message.deleted = True
            self.world.deleted.append(message)
            if message.ephemeral_for is not None:
                self.world.ephemerals.remove(message)
            else:
                self.world.channels[message.channel_id].messages.pop(message.id, None)
            self._changed("deleted", message, by)
        shown = [message.id for message in messages if message.ephemeral_for is None]
        if not shown:
            return
        channel = self.world.channels[messages[0].channel_id]
        if len(shown) == 1:
            self._tell("MESSAGE_DELETE", placed(channel, {"id": shown[0]}), channel)
        else:
            self._tell("MESSAGE_DELETE_BULK", placed(channel, {"ids": shown}), channel)

    def react(self, user: FakeUser, message: FakeMessage, emoji: str) -> None:
        """A reaction is added; a second one of the same emoji by the same user does nothing."""
        users = message.reactions.setdefault(emoji, [])
        if user.id not in users:
            users.append(user.id)
            self._reaction("MESSAGE_REACTION_ADD", "reacted", user, message, emoji)

    def unreact(self, user: FakeUser, message: FakeMessage, emoji: str) -> None:
        """A reaction is taken back."""
        users = message.reactions.get(emoji, [])
        if user.id in users:
            users.remove(user.id)
            if not users:
                del message.reactions[emoji]
            self._reaction("MESSAGE_REACTION_REMOVE", "unreacted", user, message, emoji)

    def clear_reactions(self, message: FakeMessage, emoji: str | None = None) -> None:
        """All reactions go, or all of one emoji."""
        channel = self.world.channels[message.channel_id]
        data = placed(channel, {"message_id": message.id})
        if emoji is None:
            message.reactions.clear()
            self._tell("MESSAGE_REACTION_REMOVE_ALL", data, channel)
        else:
            message.reactions.pop(emoji, None)
            self._tell("MESSAGE_REACTION_REMOVE_EMOJI", data | {"emoji": emoji_of(emoji)}, channel)
        self._changed("unreacted", message, self.world.bot.id)

    def pin(self, message: FakeMessage, by: str, *, pinned: bool) -> None:
        """A message is pinned or unpinned."""
        message.pinned_at = self.world.clock.now() if pinned else None
        self.updated(message, "pinned" if pinned else "unpinned", by)
        channel = self.world.channels[message.channel_id]
        at = None if message.pinned_at is None else timestamp(message.pinned_at)
        self._tell("CHANNEL_PINS_UPDATE", placed(channel, {"last_pin_timestamp": at}), channel)

    def typing(self, user: FakeUser, channel: FakeChannel) -> None:
        """Somebody types, for ten seconds."""
        data = placed(channel, {"user_id": user.id, "timestamp": int(self.world.clock.now())})
        guild = self.world.guild_of(channel)
        if guild is not None and (member := guild.members.get(user.id)):
            data["member"] = member.to_discord()
        self._tell("TYPING_START", data, channel)
        self.feed.publish(TypingStarted(channel=channel, user=user.id))

    # places

    def create_channel(self, channel: FakeChannel) -> FakeChannel:
        """A channel or a thread appears (a DM appears to nobody)."""
        self.world.add_channel(channel)
        if not channel.is_dm:
            event = "THREAD_CREATE" if channel.is_thread else "CHANNEL_CREATE"
            new = {"newly_created": True} if channel.is_thread else {}
            self._tell(event, channel.to_discord() | new, channel)
        self.feed.publish(ChannelChanged(what="created", channel=channel))
        return channel

    def change_channel(self, channel: FakeChannel, **changes: object) -> None:
        """Attributes of a channel or thread change."""
        for name, value in changes.items():
            setattr(channel, name, value)
        if "archived" in changes:
            channel.archived_at = self.world.clock.now()
        if not channel.is_dm:
            self._tell("THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE", channel.to_discord(), channel)
        self.feed.publish(ChannelChanged(what="changed", channel=channel))

    def delete_channel(self, channel: FakeChannel) -> None:
        """A channel goes, with its threads and messages. A DM is only closed, and opened again by the next message."""
        if channel.is_dm:
            return
        for thread in [one for one in self.world.channels.values() if one.parent_id == channel.id and one.is_thread]:
            self.delete_channel(thread)
        shape = channel.to_discord()
        if channel.is_thread:  # Discord tells no more than where it was
            shape = {name: shape[name] for name in ("id", "guild_id", "parent_id", "type")}
        self._tell("THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE", shape, channel)
        del self.world.channels[channel.id]
        self.feed.publish(ChannelChanged(what="deleted", channel=channel))

    def start_thread(self, thread: FakeChannel, by: FakeUser, source: FakeMessage | None = None) -> FakeChannel:
        """A thread appears; on a message, that message shows it, else its channel gets a notice."""
        self.create_channel(thread)
        parent = self.world.channels[thread.parent_id or ""]
        if source is not None:
            source.thread, source.flags = thread.to_discord(), source.flags | HAS_THREAD
            self.updated(source, "edited", by.id)
        elif parent.type in (0, 5):
            notice = FakeMessage(
                id=self.world.ids.next(),
                channel_id=parent.id,
                guild_id=parent.guild_id,
                author=by,
                content=thread.name,
                type=THREAD_CREATED,
                reference={"channel_id": thread.id, "guild_id": thread.guild_id},
            )
            self.post(notice)
        return thread

    # guilds and members

    def join_guild(self, guild: FakeGuild) -> None:
        """The bot is added to a guild, or the guild is available again."""
        if self.world.bot.id not in guild.members:
            self.world.add_member(guild, self.world.bot)
        guild.unavailable = False
        self.gateway.dispatch(
            "GUILD_CREATE", guild_create(self.world, guild, everybody=False), guild_id=guild.id, channel=None
        )
        self.feed.publish(GuildChanged(what="available", guild=guild))

    def leave_guild(self, guild: FakeGuild, *, outage: bool = False) -> None:
        """The bot is removed from a guild, or (`outage`) the guild becomes unavailable."""
        data: JSON = {"id": guild.id} | ({"unavailable": True} if outage else {})
        self.gateway.dispatch("GUILD_DELETE", data, guild_id=guild.id, channel=None)
        if outage:
            guild.unavailable = True
        else:
            guild.members.pop(self.world.bot.id, None)
        self.feed.publish(GuildChanged(what="unavailable" if outage else "left", guild=guild))

    def add_member(self, guild: FakeGuild, user: FakeUser, roles: list[str]) -> FakeMember:
        """A person joins a guild."""
        member = self.world.add_member(guild, user, roles)
        self._guild_event("GUILD_MEMBER_ADD", guild, member_event(guild, member), user)
        return member

    def change_member(self, guild: FakeGuild, member: FakeMember) -> None:
        """A member's nick, roles or timeout changed."""
        self._guild_event("GUILD_MEMBER_UPDATE", guild, member_event(guild, member), member.user)

    def remove_member(self, guild: FakeGuild, user: FakeUser) -> None:
        """A person leaves or is removed."""
        guild.members.pop(user.id, None)
        self._guild_event("GUILD_MEMBER_REMOVE", guild, {"guild_id": guild.id, "user": user.to_discord()}, user)

    def ban(self, guild: FakeGuild, user: FakeUser, reason: str | None) -> None:
        """A person is banned, and removed if a member."""
        guild.bans[user.id] = reason
        if user.id in guild.members:
            self.remove_member(guild, user)
        self._guild_event("GUILD_BAN_ADD", guild, {"guild_id": guild.id, "user": user.to_discord()}, user)

    def unban(self, guild: FakeGuild, user: FakeUser) -> None:
        """A ban is lifted."""
        del guild.bans[user.id]
        self._guild_event("GUILD_BAN_REMOVE", guild, {"guild_id": guild.id, "user": user.to_discord()}, user)

    def _guild_event(self, event: str, guild: FakeGuild, data: JSON, user: FakeUser) -> None:
        self.gateway.dispatch(event, data, guild_id=guild.id, channel=None)
        self.feed.publish(GuildChanged(what="changed", guild=guild, user=user))

    def _reaction(self, event: str, what: str, user: FakeUser, message: FakeMessage, emoji: str) -> None:
        channel = self.world.channels[message.channel_id]
        data: JSON = {
            "user_id": user.id,
            "message_id": message.id,
            "emoji": emoji_of(emoji),
            "burst": False,
            "type": 0,
        }
        if event == "MESSAGE_REACTION_ADD":
            data["message_author_id"] = message.author.id
            guild = self.world.guild_of(channel)
            if guild is not None and (member := guild.members.get(user.id)):
                data["member"] = member.to_discord()
        self._tell(event, placed(channel, data), channel)
        self._changed(what, message, user.id)

    def _changed(self, what: str, message: FakeMessage, by: str) -> None:
        self.feed.publish(MessageChanged(what=what, message=message, by=by))
