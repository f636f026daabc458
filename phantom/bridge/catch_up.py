"""Going on after an absence: one app's way from where it was to now, in pieces that it can take.

While an app catches up, live events reach it through the log that they are kept in anyway, so order holds and nothing
piles up for an app that comes back after megabytes. What does *not* live here: live delivery (`fanout.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phantom.bridge.replay import Kept
from phantom.bridge.subscriptions import Filter, Index

if TYPE_CHECKING:
    from phantom.bridge.connection import AppConnection

PIECE = 512 * 1024
"""Bytes in one go; the next piece is made when no more than this waits to leave."""
PIECE_EVENTS = 2000
"""Kept events looked at in one go."""
PAUSE_SECONDS = 0.01

Answer = Callable[[int], None]
"""Told how many events were sent again."""


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """What one `subscribe` wants again: events after `begin` up to `end` that are for `wanted`."""

    begin: int
    end: int
    wanted: Index[AppConnection]
    answer: Answer
    sent: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class CatchUp:
    """Where an app is. Up to `cursor` everything was looked at; after `live_after` all its subscriptions count."""

    connection: AppConnection
    cursor: int
    live_after: int
    parts: list[Part] = field(default_factory=list)

    def add(self, begin: int, end: int, fresh: Sequence[tuple[str, Filter]], answer: Answer) -> None:
        """One more `subscribe` that goes back to `begin`; what was sent before is not sent again for the others."""
        for part in self.parts:
            part.begin = max(part.begin, self.cursor)
        self.live_after = max(self.live_after, self.cursor)
        self.cursor = min(self.cursor, begin)
        wanted: Index[AppConnection] = Index()
        for name, filters in fresh:
            wanted.add(self.connection, name, filters)
        self.parts.append(Part(begin=begin, end=end, wanted=wanted, answer=answer))

    def forget(self, pairs: Iterable[tuple[str, Filter]]) -> None:
        """The app wants no more of these: nothing of them follows the answer to its `unsubscribe`."""
        for name, filters in pairs:
            for part in self.parts:
                part.wanted.remove(self.connection, name, filters)

    def wants(self, kept: Kept, live: Index[AppConnection]) -> bool:
        """Whether this one is to be sent."""
        for part in self.parts:
            if part.begin < kept.seq <= part.end and self.connection in part.wanted.match(kept.name, kept.facts):
                part.sent += 1
                return True
        return kept.seq > self.live_after and self.connection in live.match(kept.name, kept.facts)

    def passed(self, seq: int) -> None:
        """Everything up to `seq` was looked at: answer the subscribes that end there."""
        self.cursor = seq
        over = [part for part in self.parts if part.end <= seq]
        if over:
            self.parts = [part for part in self.parts if part.end > seq]
            for part in over:
                part.answer(part.sent)
