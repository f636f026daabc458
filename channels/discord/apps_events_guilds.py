"""Events of servers, members, channels, threads, webhooks and voice: from the gateway's payload to what apps get.

A server that shows itself as a session begins, or after an outage, is no `guildCreate`: the bot was in it before.
What does *not* live here: shapes (`apps_shapes.py`). https://docs.discord.com/developers/events/gateway-events#guilds
"""

from __future__ import annotations

from functools import partial

from channels.discord import apps_shapes as shapes
from channels.discord.apps_telling import Placed, Raw, Teller, Telling, guild_of
from channels.discord.decode import JSON, items, text


def _guild_shown(telling: Telling, raw: Raw) -> None:
    if raw.get("unavailable") is True:
        return  # it shows itself once its outage ends
    telling.channels.take("GUILD_CREATE", raw)
    guild, shown = raw["id"], shapes.guild(raw)
    telling.latest["guild"].swap(guild, shown)
    if telling.follows("voiceStateUpdate"):
        for state in items(raw, "voice_states"):
            telling.latest["state"].swap(f"{guild}:{text(state, 'user_id')}", shapes.voice_state(state, guild))
    if telling.follows("channelUpdate"):
        for channel in items(raw, "channels"):
            telling.latest["channel"].swap(text(channel, "id"), shapes.channel(channel, guild))
    if telling.follows("threadUpdate") or telling.follows("threadDelete"):
        for thread in items(raw, "threads"):
            telling.latest["thread"].swap(text(thread, "id"), shapes.thread(thread, guild))
    if guild in telling.members_of:
        return
    telling.members_of.add(guild)
    if telling.wants("guildCreate", guild):
        telling.tell("guildCreate", {"guild": shown}, {"guildId": guild}, guild)


def _guild_updated(telling: Telling, raw: Raw) -> None:
    guild = raw["id"]
    telling.changed("guildUpdate", "guild", guild, shapes.guild(raw), {"guildId": guild}, guild)


def _guild_left(telling: Telling, raw: Raw) -> None:
    if raw.get("unavailable") is True:
        return  # an outage: we are in it still
    guild = raw["id"]
    telling.members_of.discard(guild)
    shown = telling.latest["guild"].take(guild) or shapes.guild(raw)
    if telling.wants("guildDelete", guild):
        telling.tell("guildDelete", {"guild": shown}, {"guildId": guild}, guild)


def _member_joined(telling: Telling, raw: Raw) -> None:
    guild, user = raw["guild_id"], raw["user"]
    if telling.follows("guildMemberUpdate") or telling.wants("guildMemberAdd", guild):
        shown = shapes.member(raw, guild, shapes.user(user))
        telling.latest["member"].swap(f"{guild}:{user['id']}", shown)
        if telling.wants("guildMemberAdd", guild):
            telling.tell("guildMemberAdd", {"member": shown}, {"guildId": guild, "userId": user["id"]}, guild)


def _member_changed(telling: Telling, raw: Raw) -> None:
    guild, user = raw["guild_id"], raw["user"]
    if telling.follows("guildMemberUpdate"):
        shown = shapes.member(raw, guild, shapes.user(user))
        facts = {"guildId": guild, "userId": user["id"]}
        telling.changed("guildMemberUpdate", "member", f"{guild}:{user['id']}", shown, facts, guild)


def _member_left(telling: Telling, raw: Raw) -> None:
    guild, user = raw["guild_id"], raw["user"]
    known = telling.latest["member"].take(f"{guild}:{user['id']}")
    if telling.wants("guildMemberRemove", guild):
        shown = known or {"id": user["id"], "guildId": guild, "user": shapes.user(user), "roles": []}
        telling.tell("guildMemberRemove", {"member": shown}, {"guildId": guild, "userId": user["id"]}, guild)


def _channel(name: str, kind: str, telling: Telling, raw: Raw) -> None:
    telling.channels.take(kind, raw)
    guild = guild_of(raw)
    facts = telling.facts(guild, raw["id"], raw["type"], raw.get("parent_id") or "")
    _lived(telling, name, "channel", shapes.channel(raw), facts, guild)


def _thread(name: str, kind: str, telling: Telling, raw: Raw) -> None:
    telling.channels.take(kind, raw)
    guild, number, parent = raw["guild_id"], raw["id"], raw.get("parent_id") or ""
    known = telling.latest["thread"].get(number) if name == "threadDelete" else None
    facts = telling.facts(guild, number, raw["type"], parent)
    if parent:
        facts["channelId"] = (parent, number)  # it happens to the channel as much as to the thread
    # Of a thread that is gone Discord tells no more than where it was.
    _lived(telling, name, "thread", known or shapes.thread(raw), facts, guild)


def _lived(telling: Telling, name: str, thing: str, shown: JSON, facts: Placed, guild: str) -> None:
    if name.endswith("Update"):
        telling.changed(name, thing, shown["id"], shown, facts, guild)
        return
    if name.endswith("Delete"):
        telling.latest[thing].take(shown["id"])
    else:
        telling.latest[thing].swap(shown["id"], shown)
    if telling.wants(name, guild):
        telling.tell(name, {thing: shown}, facts, guild)


def _threads_listed(telling: Telling, raw: Raw) -> None:
    """No event: threads that we may see since a moment ago."""
    telling.channels.take("THREAD_LIST_SYNC", raw)


def _webhooks(telling: Telling, raw: Raw) -> None:
    guild, channel = raw["guild_id"], raw["channel_id"]
    if telling.wants("webhooksUpdate", guild):
        facts = telling.facts(guild, channel, *telling.spot(guild, channel))
        telling.tell("webhooksUpdate", {"channelId": channel, "guildId": guild}, facts, guild)


def _voice(telling: Telling, raw: Raw) -> None:
    guild, user = guild_of(raw), raw["user_id"]
    if not guild or not telling.follows("voiceStateUpdate"):
        return
    shown, key = shapes.voice_state(raw), f"{guild}:{user}"
    # Whoever leaves leaves a channel: that is where it happened.
    where = shown["channelId"] or (telling.latest["state"].get(key) or {}).get("channelId")
    facts: Placed = {"guildId": guild, "userId": user}
    if where:
        facts["channelId"] = facts["voiceChannelId"] = where
        if parent := telling.spot(guild, where)[1]:
            facts["parentChannelId"] = parent
    telling.changed("voiceStateUpdate", "state", key, shown, facts, guild)


TELLERS: dict[str, Teller] = {
    "GUILD_CREATE": _guild_shown,
    "GUILD_UPDATE": _guild_updated,
    "GUILD_DELETE": _guild_left,
    "GUILD_MEMBER_ADD": _member_joined,
    "GUILD_MEMBER_UPDATE": _member_changed,
    "GUILD_MEMBER_REMOVE": _member_left,
    "CHANNEL_CREATE": partial(_channel, "channelCreate", "CHANNEL_CREATE"),
    "CHANNEL_UPDATE": partial(_channel, "channelUpdate", "CHANNEL_UPDATE"),
    "CHANNEL_DELETE": partial(_channel, "channelDelete", "CHANNEL_DELETE"),
    "THREAD_CREATE": partial(_thread, "threadCreate", "THREAD_CREATE"),
    "THREAD_UPDATE": partial(_thread, "threadUpdate", "THREAD_UPDATE"),
    "THREAD_DELETE": partial(_thread, "threadDelete", "THREAD_DELETE"),
    "THREAD_LIST_SYNC": _threads_listed,
    "WEBHOOKS_UPDATE": _webhooks,
    "VOICE_STATE_UPDATE": _voice,
}
