"""Which intents bridge apps need beyond the agent's own, and which of them the application may have.

What does *not* live here: opening the connection (`gateway_client.py`). A privileged intent that is asked for without
being switched on would close the whole connection (4014), so the application's flags are looked at first.
https://docs.discord.com/developers/events/gateway#gateway-intents
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from channels.discord.gateway_errors import PORTAL
from channels.discord.place import CHANNEL

log = structlog.get_logger(__name__)

GUILD_MEMBERS = "GuildMembers"
OWN = frozenset({"Guilds", "GuildMessages", "GuildMessageReactions"})
"""What the agent has in any case."""
NEEDED = {
    "guildMemberAdd": GUILD_MEMBERS,
    "guildMemberRemove": GUILD_MEMBERS,
    "guildMemberUpdate": GUILD_MEMBERS,
    "typingStart": "GuildMessageTyping",
    "webhooksUpdate": "GuildWebhooks",
    "voiceStateUpdate": "GuildVoiceStates",
}
FLAGS = {
    GUILD_MEMBERS: ("members",),
    "GuildMessageTyping": ("guild_typing", "dm_typing"),
    "GuildWebhooks": ("webhooks",),
    "GuildVoiceStates": ("voice_states",),
}
"""What discord.py calls them."""
MAY_SEE_MEMBERS = (1 << 14) | (1 << 15)
"""Application flags: granted, or switched on in an app of fewer than a hundred servers."""


def wanted(events: Iterable[str]) -> frozenset[str]:
    """The further intents that these events need."""
    return frozenset(NEEDED[event] for event in events if event in NEEDED)


def granted(names: frozenset[str], flags: int) -> frozenset[str]:
    """Those of them that the application may have, by its flags; of the others the log says how to get them."""
    if GUILD_MEMBERS not in names or flags & MAY_SEE_MEMBERS:
        return names
    log.warning(
        "intent_not_asked_for",
        channel=CHANNEL,
        intent=GUILD_MEMBERS,
        cure=f"switch on Server Members Intent under Bot → Privileged Gateway Intents at {PORTAL}, then start Phantom"
        " again; until then apps get no guildMemberAdd, guildMemberRemove and guildMemberUpdate",
    )
    return names - {GUILD_MEMBERS}
