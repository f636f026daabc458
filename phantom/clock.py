"""Time as a value that is passed in. Nothing else in Phantom reads the time, so tests can own it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time and sleeping."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def sleep_or(clock: Clock, seconds: float, event: asyncio.Event) -> None:
    """Sleep, but not past the moment `event` is set."""
    sleep = asyncio.ensure_future(clock.sleep(seconds))
    end = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((sleep, end), return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleep.cancel()
        end.cancel()
