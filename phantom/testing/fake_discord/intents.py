"""Which gateway events which intents buy, and what a message looks like without the right to its content.

Facts: docs.discord.com, "Gateway": list of intents, and "Message Content Intent": content, embeds, attachments,
components and polls are empty, except in DMs with the bot, in messages that mention it, and in its own.
"""

from __future__ import annotations

from phantom.testing.fake_discord.application import MESSAGE_CONTENT
from phantom.testing.fake_discord.model import JSON

GUILDS, GUILD_MEMBERS, GUILD_MODERATION = 1 << 0, 1 << 1, 1 << 2
GUILD_WEBHOOKS, GUILD_VOICE = 1 << 5, 1 << 7
GUILD_MESSAGES, GUILD_REACTIONS, GUILD_TYPING = 1 << 9, 1 << 10, 1 << 11
DM_MESSAGES, DM_REACTIONS, DM_TYPING = 1 << 12, 1 << 13, 1 << 14
KNOWN = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25

_PREFIXES: tuple[tuple[str, int, int], ...] = (
    # event name begins with, intent in a guild, intent in a DM (0: needs none)
    ("GUILD_MEMBERS_CHUNK", 0, 0),
    ("GUILD_MEMBER_", GUILD_MEMBERS, GUILD_MEMBERS),
    ("THREAD_MEMBERS_UPDATE", GUILDS, GUILDS),
    ("GUILD_BAN_", GUILD_MODERATION, GUILD_MODERATION),
    ("GUILD_", GUILDS, GUILDS),
    ("CHANNEL_PINS_UPDATE", GUILDS, DM_MESSAGES),
    ("CHANNEL_", GUILDS, GUILDS),
    ("THREAD_", GUILDS, GUILDS),
    ("MESSAGE_REACTION_", GUILD_REACTIONS, DM_REACTIONS),
    ("MESSAGE_", GUILD_MESSAGES, DM_MESSAGES),
    ("TYPING_START", GUILD_TYPING, DM_TYPING),
    ("WEBHOOKS_UPDATE", GUILD_WEBHOOKS, GUILD_WEBHOOKS),
    ("VOICE_STATE_UPDATE", GUILD_VOICE, GUILD_VOICE),
)


def wanted(event: str, data: JSON, intents: int, me: str) -> bool:
    """Whether a session with these intents gets the event."""
    if event == "GUILD_MEMBER_UPDATE" and data.get("user", {}).get("id") == me:
        return True
    for prefix, in_guild, in_dm in _PREFIXES:
        if event.startswith(prefix):
            needed = in_guild if data.get("guild_id") or event.startswith("GUILD_") else in_dm
            return needed == 0 or bool(intents & needed)
    return True


def seen(event: str, data: JSON, intents: int, me: str) -> JSON:
    """The event's data as a session with these intents sees it."""
    if event not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or intents & MESSAGE_CONTENT:
        return data
    shape = without_content(data, me)
    if isinstance(shape.get("referenced_message"), dict):
        shape = shape | {"referenced_message": without_content(shape["referenced_message"] | _place(data), me)}
    return shape


def without_content(message: JSON, me: str) -> JSON:
    """The message emptied, unless the bot may read it anyway."""
    own = message.get("author", {}).get("id") == me
    mentioned = any(user.get("id") == me for user in message.get("mentions", ()))
    if own or mentioned or "guild_id" not in message:
        return message
    hidden = {"content": "", "embeds": [], "attachments": [], "components": []}
    return {name: value for name, value in message.items() if name != "poll"} | hidden


def _place(message: JSON) -> JSON:
    return {"guild_id": message["guild_id"]} if "guild_id" in message else {}
