"""REST routes of voice: where a member is, and being moved, muted, deafened or sent into a stage's audience."""

from __future__ import annotations

from phantom.testing.fake_discord import voice
from phantom.testing.fake_discord.access import guild_of, may
from phantom.testing.fake_discord.calls import Call, invalid_form, refused, route
from phantom.testing.fake_discord.model import JSON, STAGE, VOICE, FakeGuild, FakeMember
from phantom.testing.fake_discord.voice import FakeVoiceState


@route("get_self_voice_state", "GET", "/guilds/{guild_id}/voice-states/@me")
@route("get_voice_state", "GET", "/guilds/{guild_id}/voice-states/{user_id}")
def get_voice_state(call: Call) -> JSON:
    """10065 for who is not in voice."""
    return _state(call, guild_of(call)).to_discord()


@route("update_voice_state", "PATCH", "/guilds/{guild_id}/voice-states/{user_id}")
def update_voice_state(call: Call) -> None:
    """Suppress somebody on a stage, or let them speak: MUTE_MEMBERS there; `channel_id` must be where they are."""
    guild = guild_of(call)
    state = _state(call, guild)
    channel = call.core.world.channels[state.channel_id or ""]
    if channel.type != STAGE or call.form.get("channel_id", channel.id) != channel.id:
        raise invalid_form("channel_id", "CHANNEL_TYPE_INVALID", "Must be the stage that the user is in.")
    may(call, channel, "MUTE_MEMBERS")
    if "suppress" in call.form:
        state.suppress, state.asked_at = bool(call.form["suppress"]), None
    voice.tell(call.core, guild, state)


def change_voice(call: Call, guild: FakeGuild, member: FakeMember) -> None:
    """What `PATCH` on a member says of voice. 40032 for who is not in voice."""
    form = call.form
    asked = form.keys() & {"mute", "deaf", "channel_id"}
    if not asked:
        return
    state = guild.voice.get(member.user.id)
    if state is None:
        raise refused(40032)
    if "channel_id" in form:
        target = None if form["channel_id"] is None else call.core.world.channels.get(str(form["channel_id"]))
        if form["channel_id"] is not None and (target is None or target.type not in (VOICE, STAGE)):
            raise refused(10003)
        voice.move(call.core, guild, member, target)
    member.mute = bool(form.get("mute", member.mute))
    member.deaf = bool(form.get("deaf", member.deaf))
    if asked != {"channel_id"}:
        voice.tell(call.core, guild, state)


def _state(call: Call, guild: FakeGuild) -> FakeVoiceState:
    state = guild.voice.get(call.params.get("user_id", call.core.world.bot.id))
    if state is None:
        raise refused(10065)
    return state
