"""One quick look at an event before it is stored: is it talk between people that cannot concern the agent?

Most of what a workspace sends is. The engine keeps only the key of such an event, so that it is still deduplicated and
acknowledged durably, and neither stores nor reads its text. Everything that might concern the agent is left to
`normalise`; policy is the core's. Pure, and on the way to the ack: a few dictionary look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.slack.place import CHANNEL

_PUBLIC = frozenset(("channel", "group"))
_NOTHING = (False, "")


def glance(payload: Mapping[str, Any], team: str, me: str) -> tuple[bool, str]:
    """(idle, session): whether a post is plain talk in a channel, and the key of the thread it is in or starts."""
    event = payload.get("event")
    if type(event) is not dict or not me:
        return _NOTHING
    kind = event.get("type")
    if kind == "app_mention":
        return False, _session(event, team)
    if kind != "message" or event.get("channel_type") not in _PUBLIC or "subtype" in event:
        return _NOTHING
    said = event.get("text")
    if type(said) is not str:
        return _NOTHING
    if event.get("user") == me:
        return True, ""
    if me in said:
        return False, _session(event, team)
    thread = event.get("thread_ts")
    return True, _session(event, team) if thread and thread != event.get("ts") else ""


def _session(event: Mapping[str, Any], team: str) -> str:
    """`ConversationRef.key` of the thread."""
    return f"{CHANNEL}/{team}/{event.get('channel')}/{event.get('thread_ts') or event.get('ts')}"
