"""What every event for bridge apps has in common: whether it is wanted, where it happened, what was there before.

What does *not* live here: what each event says (`apps_events_messages.py`, `apps_events_guilds.py`) and which dispatch
becomes which event (`apps_events.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Protocol

from channels.discord.apps_channel_map import ChannelMap
from channels.discord.apps_recent import Latest, Seen
from channels.discord.decode import JSON, text
from channels.discord.place import THREADS
from phantom.apps import AppEvent, AppSink, Facts
from phantom.clock import Clock

Raw = Mapping[str, Any]
Placed = dict[str, str | tuple[str, ...]]

ODD = (LookupError, TypeError, ValueError, AttributeError)
"""What building something from a payload raises that is not what it should be."""
MAX_SEEN = 10_000
MAX_LATEST = 2_000


class Whereabouts(Protocol):
    """Who knows the parent of every live thread."""

    def whereabouts(self, guild: str, channel: str) -> str | None: ...


class Telling:
    """One for the life of the channel: what was told once is not told again by another session.

    The state before a change is told where it is at hand: the last shape of each channel, thread, guild, member and
    voice state is kept, of so many of each. Messages are not kept.
    """

    def __init__(self, sink: AppSink, wanted: frozenset[str], guilds: Container[str], clock: Clock) -> None:
        self.clock = clock
        self.channels = ChannelMap()
        self.atlas: Whereabouts | None = None
        self.shards = 1
        self.posted = Seen(MAX_SEEN)
        self.deleted = Seen(MAX_SEEN)
        self.interactions = Seen(MAX_SEEN)
        self.members_of: set[str] = set()
        """The servers that we are known to be in: that they show themselves is no news."""
        self.latest: dict[str, Latest[JSON]] = {
            name: Latest(MAX_LATEST) for name in ("guild", "channel", "thread", "member", "state")
        }
        self._sink = sink
        self._wanted = wanted
        self._guilds = guilds

    def wants(self, name: str, guild: str) -> bool:
        """Whether to build it: somebody listens, and the server is one that we serve."""
        return self._sink.wants(name) and (not guild or guild in self._guilds)

    def follows(self, name: str) -> bool:
        """Whether some app may get this event at all, so that the state before it is worth keeping."""
        return name in self._wanted or self._sink.wants(name)

    def tell(self, name: str, data: JSON, facts: Facts, guild: str) -> None:
        """Publish `data`, with what every event carries put into it."""
        data["receivedAt"] = int(self.clock.now() * 1000)
        if self.shards > 1:
            data["shardId"] = (int(guild) >> 22) % self.shards if guild else 0
        self._sink.publish(AppEvent(name, data, facts))

    def gap(self, reason: str, channel: str) -> None:
        """Something may have been missed."""
        self._sink.gap(channel, reason)

    def changed(self, name: str, thing: str, key: str, shown: JSON, facts: Facts, guild: str) -> None:
        """Publish a change of a `thing`, with the state before it where that is known."""
        before = self.latest[thing].swap(key, shown)
        if self.wants(name, guild):
            data: JSON = {thing: shown}
            if before is not None:
                data[f"old{thing.title()}"] = before
            self.tell(name, data, facts, guild)

    def spot(self, guild: str, channel: str) -> tuple[int | None, str]:
        """The type of a channel (None: not known) and its parent ("": none or not known)."""
        spot = self.channels.get(channel)
        if spot is not None:
            return spot.kind, spot.parent
        if guild and self.atlas is not None:
            return None, self.atlas.whereabouts(guild, channel) or ""
        return None, ""

    def facts(self, guild: str, channel: str, kind: int | None, parent: str) -> Placed:
        """The facts of something in a channel."""
        found: Placed = {"channelId": channel}
        if guild:
            found["guildId"] = guild
        if parent:
            found["parentChannelId"] = parent
        if kind is not None:
            found["channelType"] = str(kind)
            if kind in THREADS:
                found["threadId"] = channel
        return found


Teller = Callable[[Telling, Raw], None]
"""Builds and tells one event. An odd payload raises one of `ODD`."""


def guild_of(raw: Raw) -> str:
    """The server of a payload, "" for direct messages."""
    return text(raw, "guild_id")
