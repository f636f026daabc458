"""Which permissions Phantom uses in a server, and the address that invites it with them. Pure.

https://docs.discord.com/developers/topics/permissions#permissions-bitwise-permission-flags
"""

from __future__ import annotations

USED = {
    "View Channels": 1 << 10,
    "Send Messages": 1 << 11,
    "Send Messages in Threads": 1 << 38,
    "Embed Links": 1 << 14,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,
    "Add Reactions": 1 << 6,
}
ESSENTIAL = frozenset({"View Channels", "Send Messages"})
"""Without these it cannot answer at all."""
ADMINISTRATOR = 1 << 3
NEEDED = sum(USED.values())


def missing(held: int) -> list[str]:
    """The names of permissions that are not among `held`."""
    if held & ADMINISTRATOR:
        return []
    return [name for name, bit in USED.items() if not held & bit]


def invitation(application: str) -> str:
    """The address at which somebody adds the bot to a server."""
    return (
        f"https://discord.com/oauth2/authorize?client_id={application}"
        f"&scope=bot%20applications.commands&permissions={NEEDED}"
    )
