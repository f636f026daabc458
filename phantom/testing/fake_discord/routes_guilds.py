"""REST routes of guilds: the guild, its channels, roles, members, kicks and bans."""

from __future__ import annotations

from datetime import datetime

from phantom.testing.fake_discord.access import guild_of, member_of, user_of
from phantom.testing.fake_discord.calls import Call, invalid_form, refused, route
from phantom.testing.fake_discord.model import JSON, KINDS, FakeChannel, FakeGuild, FakeMember
from phantom.testing.fake_discord.routes_voice import change_voice

_NEEDED = {
    "nick": "MANAGE_NICKNAMES",
    "roles": "MANAGE_ROLES",
    "communication_disabled_until": "MODERATE_MEMBERS",
    "mute": "MUTE_MEMBERS",
    "deaf": "DEAFEN_MEMBERS",
    "channel_id": "MOVE_MEMBERS",
}


@route("get_guild", "GET", "/guilds/{guild_id}")
def get_guild(call: Call) -> JSON:
    """With `with_counts`, how many members there are."""
    guild = guild_of(call)
    counts = {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
    return guild.to_discord() | (counts if call.query.get("with_counts") in ("1", "true") else {})


@route("list_guild_channels", "GET", "/guilds/{guild_id}/channels")
def list_guild_channels(call: Call) -> list[JSON]:
    """Without threads."""
    return [channel.to_discord() for channel in call.core.world.channels_of(guild_of(call))]


@route("create_guild_channel", "POST", "/guilds/{guild_id}/channels")
def create_guild_channel(call: Call) -> JSON:
    """Needs MANAGE_CHANNELS."""
    guild = guild_of(call, "MANAGE_CHANNELS")
    kind = int(call.form.get("type") or 0)
    if kind not in KINDS.values():
        raise invalid_form("type", "BASE_TYPE_CHOICES", "Value is not a channel type.")
    channel = FakeChannel(
        id=call.core.world.ids.next(),
        type=kind,
        name=str(call.form.get("name") or ""),
        guild_id=guild.id,
        parent_id=None if call.form.get("parent_id") is None else str(call.form["parent_id"]),
        topic=call.form.get("topic"),
    )
    return call.core.happenings.create_channel(channel).to_discord()


@route("list_guild_roles", "GET", "/guilds/{guild_id}/roles")
def list_guild_roles(call: Call) -> list[JSON]:
    """All roles, `@everyone` too."""
    return [role.to_discord() for role in guild_of(call).roles.values()]


@route("list_guild_members", "GET", "/guilds/{guild_id}/members")
def list_guild_members(call: Call) -> list[JSON]:
    """By id; needs the members intent to be granted (50001)."""
    guild = guild_of(call)
    if not call.core.app.granted & (1 << 1):
        raise refused(50001)
    after, limit = int(call.query.get("after", "0")), call.number("limit", 1, low=1, high=1000)
    members = sorted(guild.members.values(), key=lambda one: int(one.user.id))
    return [one.to_discord() for one in members if int(one.user.id) > after][:limit]


@route("search_guild_members", "GET", "/guilds/{guild_id}/members/search")
def search_guild_members(call: Call) -> list[JSON]:
    """Whose name or nick begins with `query`."""
    prefix, limit = call.query.get("query", "").lower(), call.number("limit", 1, low=1, high=1000)
    members = guild_of(call).members.values()
    found = [one for one in members if f"{one.nick or one.user.name}".lower().startswith(prefix)]
    return [one.to_discord() for one in found[:limit]]


@route("get_guild_member", "GET", "/guilds/{guild_id}/members/{user_id}")
def get_guild_member(call: Call) -> JSON:
    """One member."""
    return member_of(call, guild_of(call)).to_discord()


@route("update_guild_member", "PATCH", "/guilds/{guild_id}/members/{user_id}")
def update_guild_member(call: Call) -> JSON:
    """Nick, roles, timeout, voice; each needs its permission."""
    guild = guild_of(call, *{_NEEDED[name] for name in call.form if name in _NEEDED})
    member = member_of(call, guild)
    change_voice(call, guild, member)
    return _changed(call, guild, member)


@route("update_my_guild_member", "PATCH", "/guilds/{guild_id}/members/@me")
def update_my_guild_member(call: Call) -> JSON:
    """The bot's own nick (CHANGE_NICKNAME)."""
    guild = guild_of(call, "CHANGE_NICKNAME")
    return _changed(call, guild, guild.members[call.core.world.bot.id])


def _changed(call: Call, guild: FakeGuild, member: FakeMember) -> JSON:
    form = call.form
    if "nick" in form:
        member.nick = form["nick"]
    if "roles" in form:
        member.roles = [str(one) for one in form["roles"] or []]
    if "communication_disabled_until" in form:
        until = form["communication_disabled_until"]
        member.timed_out_until = None if until is None else datetime.fromisoformat(until).timestamp()
    if form.keys() & {"nick", "roles", "communication_disabled_until"}:
        call.core.happenings.change_member(guild, member)
    return member.to_discord()


@route("add_guild_member_role", "PUT", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
def add_guild_member_role(call: Call) -> None:
    """Needs MANAGE_ROLES."""
    guild = guild_of(call, "MANAGE_ROLES")
    member = member_of(call, guild)
    if call.params["role_id"] not in guild.roles:
        raise refused(10011)
    if call.params["role_id"] not in member.roles:
        member.roles.append(call.params["role_id"])
    call.core.happenings.change_member(guild, member)


@route("delete_guild_member_role", "DELETE", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
def delete_guild_member_role(call: Call) -> None:
    """Needs MANAGE_ROLES."""
    guild = guild_of(call, "MANAGE_ROLES")
    member = member_of(call, guild)
    member.roles = [one for one in member.roles if one != call.params["role_id"]]
    call.core.happenings.change_member(guild, member)


@route("delete_guild_member", "DELETE", "/guilds/{guild_id}/members/{user_id}")
def delete_guild_member(call: Call) -> None:
    """Kick: KICK_MEMBERS."""
    guild = guild_of(call, "KICK_MEMBERS")
    call.core.happenings.remove_member(guild, member_of(call, guild).user)


@route("list_guild_bans", "GET", "/guilds/{guild_id}/bans")
def list_guild_bans(call: Call) -> list[JSON]:
    """BAN_MEMBERS."""
    guild = guild_of(call, "BAN_MEMBERS")
    return [{"reason": why, "user": user_of(call, who).to_discord()} for who, why in guild.bans.items()]


@route("get_guild_ban", "GET", "/guilds/{guild_id}/bans/{user_id}")
def get_guild_ban(call: Call) -> JSON:
    """BAN_MEMBERS; 10026 for who is not banned."""
    guild, who = guild_of(call, "BAN_MEMBERS"), call.params["user_id"]
    if who not in guild.bans:
        raise refused(10026)
    return {"reason": guild.bans[who], "user": user_of(call, who).to_discord()}


@route("ban_user_from_guild", "PUT", "/guilds/{guild_id}/bans/{user_id}")
def ban_user_from_guild(call: Call) -> None:
    """BAN_MEMBERS; what they wrote in the last `delete_message_seconds` goes."""
    guild, who = guild_of(call, "BAN_MEMBERS"), user_of(call, call.params["user_id"])
    call.core.happenings.ban(guild, who, None)
    since = call.core.clock.now() - int(call.form.get("delete_message_seconds") or 0)
    for channel in [one for one in call.core.world.channels.values() if one.guild_id == guild.id]:
        written = [one for one in channel.messages.values() if one.author is who and one.sent_at >= since]
        if written:
            call.core.happenings.delete(written, call.core.world.bot.id)


@route("unban_user_from_guild", "DELETE", "/guilds/{guild_id}/bans/{user_id}")
def unban_user_from_guild(call: Call) -> None:
    """BAN_MEMBERS; 10026 for who is not banned."""
    guild, who = guild_of(call, "BAN_MEMBERS"), call.params["user_id"]
    if who not in guild.bans:
        raise refused(10026)
    call.core.happenings.unban(guild, user_of(call, who))
