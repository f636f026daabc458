"""One quick look at a message before it is stored: is it talk between people that cannot concern the agent?

Most of what a server says is. The engine keeps only the key of such a message and neither stores nor reads its text.
Everything that might concern the agent is left to `normalise`; policy is the core's. Pure, and on every message's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord.place import session_key


def is_own(payload: Mapping[str, Any], me: str) -> bool:
    """Whether the message is an echo of ours."""
    writer = payload.get("author")
    return type(writer) is dict and bool(me) and writer.get("id") == me


def answers_us(payload: Mapping[str, Any], me: str) -> bool:
    """Whether it is a reply to a message of ours."""
    replied = payload.get("referenced_message")
    return type(replied) is dict and is_own(replied, me)


def addresses_us(payload: Mapping[str, Any], me: str, role: str) -> bool:
    """Whether it names us, by text, list or role, or answers us. A doubt counts as yes."""
    said = payload.get("content")
    if type(said) is str and me in said:
        return True
    named = payload.get("mentions")
    if named and type(named) is list and any(type(one) is dict and one.get("id") == me for one in named):
        return True
    roles = payload.get("mention_roles")
    if role and type(roles) is list and role in roles:
        return True
    return answers_us(payload, me)


def glance(payload: Mapping[str, Any], tenant: str, me: str, *, parent: str, root: str, role: str) -> tuple[bool, str]:
    """(idle, session): whether a message is plain talk, and the key of the conversation it is in or starts."""
    channel = payload.get("channel_id")
    if type(channel) is not str or not me:
        return False, ""
    if tenant.endswith(":dm") or addresses_us(payload, me, role):
        return False, session_key(tenant, channel, parent, root)
    return True, session_key(tenant, channel, parent, root) if parent else ""
