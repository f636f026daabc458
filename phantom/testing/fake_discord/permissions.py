"""Permission bits by Discord's names, and what a member may do in a channel.

Facts: docs.discord.com, "Permissions": the owner and ADMINISTRATOR may everything; then `@everyone`, then roles, then
the channel's overwrites for `@everyone`, for roles and for the member. A thread takes its parent's.
"""

from __future__ import annotations

from phantom.testing.fake_discord.model import FakeChannel, FakeGuild

BITS = {
    "KICK_MEMBERS": 1 << 1,
    "BAN_MEMBERS": 1 << 2,
    "ADMINISTRATOR": 1 << 3,
    "MANAGE_CHANNELS": 1 << 4,
    "MANAGE_GUILD": 1 << 5,
    "ADD_REACTIONS": 1 << 6,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MENTION_EVERYONE": 1 << 17,
    "USE_EXTERNAL_EMOJIS": 1 << 18,
    "CONNECT": 1 << 20,
    "SPEAK": 1 << 21,
    "MUTE_MEMBERS": 1 << 22,
    "DEAFEN_MEMBERS": 1 << 23,
    "MOVE_MEMBERS": 1 << 24,
    "CHANGE_NICKNAME": 1 << 26,
    "MANAGE_NICKNAMES": 1 << 27,
    "MANAGE_ROLES": 1 << 28,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "CREATE_PRIVATE_THREADS": 1 << 36,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
    "MODERATE_MEMBERS": 1 << 40,
    "PIN_MESSAGES": 1 << 51,
}
ALL = sum(BITS.values())
EVERYONE = sum(
    BITS[name]
    for name in (
        "ADD_REACTIONS",
        "VIEW_CHANNEL",
        "SEND_MESSAGES",
        "EMBED_LINKS",
        "ATTACH_FILES",
        "READ_MESSAGE_HISTORY",
        "CONNECT",
        "SPEAK",
        "CHANGE_NICKNAME",
        "USE_EXTERNAL_EMOJIS",
        "USE_APPLICATION_COMMANDS",
        "CREATE_PUBLIC_THREADS",
        "SEND_MESSAGES_IN_THREADS",
    )
)
"""What `@everyone` may in a new guild: talk, not mention everyone."""


def bits(*names: str) -> int:
    """The bit field of these names."""
    return sum(BITS[name] for name in set(names))


def in_guild(guild: FakeGuild, user: str) -> int:
    """What the member's roles allow, before any channel's overwrites."""
    if guild.owner_id == user:
        return ALL
    member = guild.members.get(user)
    allowed = guild.roles[guild.id].permissions
    for role in member.roles if member else ():
        allowed |= guild.roles[role].permissions if role in guild.roles else 0
    return ALL if allowed & BITS["ADMINISTRATOR"] else allowed


def in_channel(guild: FakeGuild, channel: FakeChannel, user: str) -> int:
    """What the member may do in a channel (for a thread, pass the channel that it belongs to)."""
    allowed = in_guild(guild, user)
    if allowed == ALL:
        return ALL
    member = guild.members.get(user)
    if member is None:
        return 0
    everyone = channel.overwrites.get(guild.id)
    if everyone:
        allowed = allowed & ~everyone.deny | everyone.allow
    deny = allow = 0
    for role in member.roles:
        if overwrite := channel.overwrites.get(role):
            deny, allow = deny | overwrite.deny, allow | overwrite.allow
    allowed = allowed & ~deny | allow
    if own := channel.overwrites.get(user):
        allowed = allowed & ~own.deny | own.allow
    return allowed
