"""Which type a channel has and what it belongs to, for as many channels as fit: what events are filtered by.

A parent is a thread's channel, or a plain channel's category. What does *not* live here: what the agent needs to know
of channels (`guild_map.py`), asking Discord (`apps_whereabouts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from channels.discord.apps_recent import Latest
from channels.discord.decode import items, number, text

MAX_CHANNELS = 20_000


class Spot(NamedTuple):
    """One channel. `parent` is "" for none; `kind` is Discord's channel type."""

    kind: int
    guild: str
    parent: str


class ChannelMap:
    """Fed by `take` with the gateway's own payloads."""

    def __init__(self, keep: int = MAX_CHANNELS) -> None:
        self._spots: Latest[Spot] = Latest(keep)
        self._shared: dict[Spot, Spot] = {}

    def get(self, channel: str) -> Spot | None:
        """What is known of a channel."""
        return self._spots.get(channel)

    def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Take one dispatch about channels; others are ignored."""
        if kind == "GUILD_CREATE":
            guild = text(payload, "id")
            for channel in (*items(payload, "channels"), *items(payload, "threads")):
                self._note(channel, guild)
        elif kind == "THREAD_LIST_SYNC":
            for thread in items(payload, "threads"):
                self._note(thread, text(payload, "guild_id"))
        elif kind in ("CHANNEL_DELETE", "THREAD_DELETE"):
            self._spots.take(text(payload, "id"))
        elif kind in ("CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE"):
            self._note(payload, text(payload, "guild_id"))

    def _note(self, channel: Mapping[str, Any], guild: str) -> None:
        channel_id, kind = text(channel, "id"), number(channel, "type")
        if not channel_id or kind is None or not guild:
            return
        spot = Spot(kind, guild, text(channel, "parent_id"))
        if len(self._shared) > MAX_CHANNELS:
            self._shared.clear()
        self._spots.swap(channel_id, self._shared.setdefault(spot, spot))
