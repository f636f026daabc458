"""Discord's ids: 64 bits of milliseconds since 2015, a worker, a process and a counter. As decimal text on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

from phantom.clock import Clock

EPOCH = 1_420_070_400.0
"""Seconds since the Unix epoch at which Discord's ids begin."""


class Snowflakes:
    """Makes ids that grow strictly, whatever the clock does; two in one millisecond differ in the counter.

    `founded` (Unix seconds): ids made before `open` are those of that moment, the same each time.
    """

    def __init__(self, clock: Clock, founded: float | None = None) -> None:
        self._clock = clock
        self._founded = founded
        self._last = 0
        self._places = at((clock.now() if founded is None else founded) - 86400)

    def open(self) -> None:
        """From now on ids say the time of the clock."""
        self._founded = None

    def next(self) -> str:
        """A fresh id that says when it was made."""
        now = self._clock.now() if self._founded is None else self._founded
        self._last = max(at(now), self._last + 1)
        return str(self._last)

    def next_guild(self) -> str:
        """A fresh id for a guild: a millisecond after the one before, so that every shard gets its share."""
        self._places += 1 << 22
        return str(self._places)


def at(seconds: float) -> int:
    """The smallest id of a moment given in Unix seconds."""
    return max(0, int((seconds - EPOCH) * 1000)) << 22


def made_at(snowflake: str) -> float:
    """Unix seconds at which an id was made."""
    return (int(snowflake) >> 22) / 1000 + EPOCH


def timestamp(seconds: float) -> str:
    """Unix seconds as Discord writes times: ISO 8601 with microseconds and `+00:00`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
