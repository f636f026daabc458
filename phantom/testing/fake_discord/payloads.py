"""What gateway events carry, built from the world. Who gets them is decided in `intents.py` and `gateway.py`."""

from __future__ import annotations

from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeGuild, FakeMember
from phantom.testing.fake_discord.snowflakes import timestamp
from phantom.testing.fake_discord.world import World


def guild_create(world: World, guild: FakeGuild, *, everybody: bool, large_threshold: int = 250) -> JSON:
    """`GUILD_CREATE`. Members are the bot alone, unless the session has the presence intent and the guild is small."""
    small = len(guild.members) <= large_threshold
    members = [one for one in guild.members.values() if (everybody and small) or one.user is world.bot]
    bot = guild.members.get(world.bot.id)
    joined = world.clock.now() if bot is None else bot.joined_at
    return guild.to_discord() | {
        "joined_at": timestamp(joined),
        "large": not small,
        "unavailable": False,
        "member_count": len(guild.members),
        "voice_states": [state.to_discord() for state in guild.voice.values()],
        "members": [member.to_discord() for member in members],
        "channels": [channel.to_discord() for channel in world.channels_of(guild)],
        "threads": [thread.to_discord() for thread in world.channels_of(guild, threads=True)],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def ready(world: World, guilds: list[FakeGuild], *, session_id: str, shard: list[int], resume_url: str) -> JSON:
    """`READY`: every guild is unavailable still; its `GUILD_CREATE` follows."""
    return {
        "v": 10,
        "user": world.bot.to_discord() | {"verified": True, "mfa_enabled": False, "email": None, "flags": 0},
        "guilds": [{"id": guild.id, "unavailable": True} for guild in guilds],
        "private_channels": [],
        "session_id": session_id,
        "session_type": "normal",
        "resume_gateway_url": resume_url,
        "shard": shard,
        "application": {"id": world.app.id, "flags": world.app.flags},
    }


def member_chunks(guild: FakeGuild, request: JSON) -> list[JSON]:
    """`GUILD_MEMBERS_CHUNK`s of at most 1000 members, for a request by `user_ids` or by `query` and `limit`."""
    ids = request.get("user_ids")
    asked = None if ids is None else {str(one) for one in (ids if isinstance(ids, list) else [ids])}
    if asked is None:
        prefix, limit = str(request.get("query") or "").lower(), int(request.get("limit") or 0)
        found = [one for one in guild.members.values() if one.user.name.lower().startswith(prefix)]
        found = found[:limit] if limit else found
    else:
        found = [one for number, one in guild.members.items() if number in asked]
    parts = [found[start : start + 1000] for start in range(0, len(found), 1000)] or [[]]
    nonce = {"nonce": request["nonce"]} if "nonce" in request else {}
    return [
        {
            "guild_id": guild.id,
            "members": [member.to_discord() for member in part],
            "chunk_index": index,
            "chunk_count": len(parts),
            "not_found": sorted(asked - set(guild.members)) if asked else [],
        }
        | nonce
        for index, part in enumerate(parts)
    ]


def message_event(world: World, message: FakeMessage) -> JSON:
    """`MESSAGE_CREATE` and `MESSAGE_UPDATE`: the message with its guild, and its author and mentions as members."""
    shape = message.to_discord(me=world.bot.id)
    channel = world.channels.get(message.channel_id)
    if channel is not None:
        shape["channel_type"] = channel.type
    guild = world.guilds.get(message.guild_id or "")
    if guild is None:
        return shape
    shape["guild_id"] = guild.id
    author = guild.members.get(message.author.id)
    if author is not None and message.webhook_id is None:
        shape["member"] = author.to_discord(user=False)
    for user in shape["mentions"]:
        if mentioned := guild.members.get(user["id"]):
            user["member"] = mentioned.to_discord(user=False)
    return shape


def placed(channel: FakeChannel, shape: JSON) -> JSON:
    """`shape` with `channel_id` and, in a guild, `guild_id`."""
    shape = {"channel_id": channel.id} | shape
    return shape | {"guild_id": channel.guild_id} if channel.guild_id else shape


def member_event(guild: FakeGuild, member: FakeMember) -> JSON:
    """`GUILD_MEMBER_ADD` and `GUILD_MEMBER_UPDATE`."""
    return member.to_discord() | {"guild_id": guild.id}
