"""What administrators and people in voice do: names, webhooks, reactions taken away, permissions; joining and leaving.

What does *not* live here: who and where (`places.py`), messages (`people.py`), the app's own calls (`routes_*.py`).
"""

from __future__ import annotations

from phantom.testing.fake_discord import voice
from phantom.testing.fake_discord.changes import GuildChanged
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import FakeGuild
from phantom.testing.fake_discord.permissions import ALL, bits
from phantom.testing.fake_discord.places import ChannelLike, Places, UserLike


class Administration(Places):
    """The administrator's side of a FakeDiscord."""

    async def rename_guild(self, name: str, guild: FakeGuild | None = None) -> None:
        """The guild gets another name; the app gets `GUILD_UPDATE`."""
        place = guild or self.guild
        place.name = name
        self.core.gateway.dispatch("GUILD_UPDATE", place.to_discord(), guild_id=place.id, channel=None)
        self.core.feed.publish(GuildChanged(what="changed", guild=place))

    async def rename(self, channel: ChannelLike, name: str) -> None:
        """A channel or thread gets another name."""
        self.core.happenings.change_channel(self.channel(channel), name=name)

    async def set_nick(self, user: UserLike, nick: str | None, guild: FakeGuild | None = None) -> None:
        """A member gets another name in the guild."""
        place = guild or self.guild
        member = place.members[self.user(user).id]
        member.nick = nick
        self.core.happenings.change_member(place, member)

    async def clear_reactions(self, message: FakeMessage, emoji: str | None = None) -> None:
        """A moderator takes all reactions away, or all of one emoji."""
        self.core.happenings.clear_reactions(message, emoji)

    async def change_webhooks(self, channel: ChannelLike) -> None:
        """A webhook of the channel is made, changed or deleted: Discord tells no more than that."""
        place = self.channel(channel)
        data = {"guild_id": place.guild_id, "channel_id": place.id}
        self.core.gateway.dispatch("WEBHOOKS_UPDATE", data, guild_id=place.guild_id, channel=place)

    async def empower_bot(self, *permissions: str, guild: FakeGuild | None = None) -> None:
        """The bot's own role gets these permissions, or every one."""
        place = guild or self.guild
        for role in place.roles.values():
            if role.managed:
                role.permissions |= bits(*permissions) if permissions else ALL

    async def join_voice(self, user: UserLike, channel: ChannelLike) -> None:
        """Join a voice channel, or go to another one."""
        place = self.channel(channel)
        guild = self.core.world.guilds[place.guild_id or ""]
        voice.move(self.core, guild, guild.members[self.user(user).id], place)

    async def leave_voice(self, user: UserLike, guild: FakeGuild | None = None) -> None:
        """Hang up."""
        place = guild or self.guild
        voice.move(self.core, place, place.members[self.user(user).id], None)

    async def set_voice(self, user: UserLike, guild: FakeGuild | None = None, **changes: bool) -> None:
        """Mute oneself, show one's camera, …: `self_mute self_deaf self_video self_stream`."""
        place = guild or self.guild
        state = place.voice[self.user(user).id]
        for name, value in changes.items():
            setattr(state, name, value)
        voice.tell(self.core, place, state)
