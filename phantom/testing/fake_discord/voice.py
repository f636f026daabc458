"""Who is in which voice channel, and how; what the app is told of it. No sound.

Facts: docs.discord.com, "Voice Resource" and the gateway event "Voice State Update".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phantom.testing.fake_discord.changes import GuildChanged
from phantom.testing.fake_discord.model import JSON, STAGE, FakeChannel, FakeGuild, FakeMember
from phantom.testing.fake_discord.snowflakes import timestamp

if TYPE_CHECKING:
    from phantom.testing.fake_discord.core import Core


@dataclass(slots=True, kw_only=True)
class FakeVoiceState:
    """One member in voice. `suppress`: in the audience of a stage; `asked_at`: when they asked to speak."""

    guild_id: str
    member: FakeMember
    channel_id: str | None
    session_id: str = field(default_factory=lambda: secrets.token_hex(16))
    self_mute: bool = False
    self_deaf: bool = False
    self_video: bool = False
    self_stream: bool = False
    suppress: bool = False
    asked_at: float | None = None

    def to_discord(self) -> JSON:
        """The voice state object."""
        shape: JSON = {
            "guild_id": self.guild_id,
            "channel_id": self.channel_id,
            "user_id": self.member.user.id,
            "member": self.member.to_discord(),
            "session_id": self.session_id,
            "deaf": self.member.deaf,
            "mute": self.member.mute,
            "self_deaf": self.self_deaf,
            "self_mute": self.self_mute,
            "self_video": self.self_video,
            "suppress": self.suppress,
            "request_to_speak_timestamp": None if self.asked_at is None else timestamp(self.asked_at),
        }
        return shape | {"self_stream": True} if self.self_stream else shape


def move(core: Core, guild: FakeGuild, member: FakeMember, channel: FakeChannel | None) -> None:
    """A member joins a voice channel, goes to another one, or (None) leaves voice."""
    state = guild.voice.get(member.user.id)
    if state is None:
        if channel is None:
            return
        state = guild.voice[member.user.id] = FakeVoiceState(guild_id=guild.id, member=member, channel_id=None)
    state.channel_id = None if channel is None else channel.id
    state.suppress = channel is not None and channel.type == STAGE
    if channel is None:
        del guild.voice[member.user.id]
    tell(core, guild, state)


def tell(core: Core, guild: FakeGuild, state: FakeVoiceState) -> None:
    """The app is told of a state as it is now."""
    core.gateway.dispatch("VOICE_STATE_UPDATE", state.to_discord(), guild_id=guild.id, channel=None)
    core.feed.publish(GuildChanged(what="changed", guild=guild, user=state.member.user))
