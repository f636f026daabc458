"""Actions on members: bans, roles, timeouts, and where they are in voice.

What does *not* live here: messages to them (`apps_actions_messages.py`).
https://docs.discord.com/developers/resources/guild, https://docs.discord.com/developers/resources/voice
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.discord import apps_bodies as bodies
from channels.discord import apps_shapes as shapes
from channels.discord.apps_action import Action, Desk
from channels.discord.apps_bodies import Params
from channels.discord.apps_refusals import NOT_FOUND, invalid
from channels.discord.decode import JSON, text
from phantom.apps import ActionRefused

_MEMBER = "/guilds/{guild_id}/members/{user_id}"
_BAN = "/guilds/{guild_id}/bans/{user_id}"
_ROLE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
_VOICE = "/guilds/{guild_id}/voice-states/{user_id}"
_NOT_IN_VOICE = 10_065


async def fetch_member(desk: Desk, params: Params, _: str) -> JSON:
    """`fetchMember`."""
    return await desk.member(params["guildId"], params["userId"])


async def ban(desk: Desk, params: Params, _: str) -> JSON:
    """`banMember`, also of somebody who is no member."""
    body = {"delete_message_seconds": params["deleteMessageSeconds"]} if "deleteMessageSeconds" in params else {}
    await desk.line.call("PUT", _BAN, json=body, reason=bodies.reason(params), **_at(params))
    return _named(params)


async def unban(desk: Desk, params: Params, _: str) -> JSON:
    """`unbanMember`."""
    await desk.line.call("DELETE", _BAN, reason=bodies.reason(params), **_at(params))
    return _named(params)


async def kick(desk: Desk, params: Params, _: str) -> JSON:
    """`kickMember`."""
    await desk.line.call("DELETE", _MEMBER, reason=bodies.reason(params), **_at(params))
    return _named(params)


async def add_role(desk: Desk, params: Params, _: str) -> JSON:
    """`addMemberRole`; answers with the member as they are then."""
    await desk.line.call("PUT", _ROLE, reason=bodies.reason(params), role_id=params["roleId"], **_at(params))
    return await desk.member(params["guildId"], params["userId"])


async def remove_role(desk: Desk, params: Params, _: str) -> JSON:
    """`removeMemberRole`; answers with the member as they are then."""
    await desk.line.call(
        "DELETE", _ROLE, reason=bodies.reason(params), repeatable=True, role_id=params["roleId"], **_at(params)
    )
    return await desk.member(params["guildId"], params["userId"])


async def time_out(desk: Desk, params: Params, _: str) -> JSON:
    """`timeoutMember`."""
    until = datetime.fromtimestamp(desk.clock.now(), UTC) + timedelta(milliseconds=params["durationMs"])
    body = {"communication_disabled_until": until.isoformat(timespec="milliseconds")}
    await desk.change_member(params, body, bodies.reason(params))
    return _named(params)


async def end_time_out(desk: Desk, params: Params, _: str) -> JSON:
    """`removeMemberTimeout`; answers with the member as they are then."""
    raw = await desk.change_member(params, {"communication_disabled_until": None}, bodies.reason(params))
    return shapes.member(raw, params["guildId"], shapes.user(raw["user"]))


async def fetch_voice(desk: Desk, params: Params, _: str) -> JSON:
    """`fetchVoiceState`. Somebody who is not in voice is nowhere: `channelId` is null."""
    return await _voice(desk, params)


async def move(desk: Desk, params: Params, _: str) -> JSON:
    """`moveMemberVoice`: into another voice channel, or (null) out of voice."""
    return await _changed(desk, params, {"channel_id": params.get("channelId")})


async def mute(desk: Desk, params: Params, _: str) -> JSON:
    """`setMemberMute`."""
    return await _changed(desk, params, {"mute": params["mute"]})


async def deafen(desk: Desk, params: Params, _: str) -> JSON:
    """`setMemberDeaf`."""
    return await _changed(desk, params, {"deaf": params["deaf"]})


async def suppress(desk: Desk, params: Params, _: str) -> JSON:
    """`setMemberSuppressed`, on a stage."""
    state = await _voice(desk, params)
    if not state["channelId"]:
        raise invalid("the member is in no voice channel", "they must be on a stage")
    body = {"channel_id": state["channelId"], "suppress": params["suppressed"]}
    await desk.line.call("PATCH", _VOICE, json=body, **_at(params))
    return state | {"suppress": params["suppressed"]}


async def _voice(desk: Desk, params: Params) -> JSON:
    try:
        raw: Mapping[str, Any] = await desk.line.object("GET", _VOICE, **_at(params))
    except ActionRefused as error:
        if error.details.get("discordCode") != _NOT_IN_VOICE:
            raise
        raw = {"user_id": params["userId"]}
    return shapes.voice_state(raw, params["guildId"])


async def _changed(desk: Desk, params: Params, body: JSON) -> JSON:
    """Change a member in voice. What was asked for is done by then, whatever the look at it says."""
    raw = await desk.change_member(params, body, bodies.reason(params))
    bare: Mapping[str, Any] = {"user_id": params["userId"], "mute": raw.get("mute"), "deaf": raw.get("deaf")}
    if "channel_id" in body and body["channel_id"] is None:
        return shapes.voice_state(bare, params["guildId"])
    try:
        state = await _voice(desk, params)
        if state["channelId"]:
            return state
    except ActionRefused as error:
        if error.bridge_code == NOT_FOUND:
            raise
    return shapes.voice_state({**bare, "channel_id": text(body, "channel_id") or None}, params["guildId"])


def _at(params: Params) -> dict[str, Any]:
    return {"guild_id": params["guildId"], "user_id": params["userId"]}


def _named(params: Params) -> JSON:
    return {"guildId": params["guildId"], "userId": params["userId"]}


ACTIONS: dict[str, Action] = {
    "fetchMember": fetch_member,
    "banMember": ban,
    "unbanMember": unban,
    "kickMember": kick,
    "addMemberRole": add_role,
    "removeMemberRole": remove_role,
    "timeoutMember": time_out,
    "removeMemberTimeout": end_time_out,
    "fetchVoiceState": fetch_voice,
    "moveMemberVoice": move,
    "setMemberMute": mute,
    "setMemberDeaf": deafen,
    "setMemberSuppressed": suppress,
}
