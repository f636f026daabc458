"""A `Clock` that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_TURNS = 20
"""How often the event loop goes round after each step, so that woken tasks get to their next wait."""


class ManualClock:
    """Time that a test owns. `advance` is immediate; `run_for` goes step by step and lets tasks sleep again between.

    Sleepers wake in the order of their deadlines, and where those are the same in the order in which they lay down.
    """

    def __init__(self, *, now: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._watchers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds since the Unix epoch, as this clock has it."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only `advance` and `run_for` move on."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved on by `seconds`; zero or less lets other tasks run once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._monotonic + seconds, next(self._order), woken))
        for count, watcher in self._watchers:
            if not watcher.done() and self.sleeping >= count:
                watcher.set_result(None)
        await woken

    @property
    def sleeping(self) -> int:
        """How many tasks wait for this clock now."""
        return len(self._live())

    async def wait_for_sleepers(self, count: int = 1, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Return once `count` tasks or more wait for this clock. Raises `TimeoutError` after `timeout` real seconds."""
        async with asyncio.timeout(timeout):
            await self._sleepers_seen(count)

    async def _sleepers_seen(self, count: int) -> None:
        if self.sleeping >= count:
            return
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (count, watcher)
        self._watchers.append(entry)
        try:
            await watcher
        finally:
            self._watchers.remove(entry)

    def advance(self, seconds: float) -> None:
        """Move the clock on at once and wake everybody whose time has come."""
        self._move_to(self._monotonic + _not_negative(seconds))

    def set_now(self, now: float) -> None:
        """Set the wall clock alone, as a time server would: monotonic time and sleepers do not notice."""
        self._now = now

    async def run_for(self, seconds: float) -> None:
        """Move on by `seconds`, stopping at each deadline so that whoever wakes may go on and sleep again."""
        end = self._monotonic + _not_negative(seconds)
        await self._settle()
        while (live := self._live()) and live[0][0] <= end:
            self._move_to(live[0][0])
            await self._settle()
        self._move_to(end)
        await self._settle()

    async def run(self, work: Coroutine[Any, Any, T], *, timeout: float = 30.0) -> T:  # noqa: ASYNC109
        """The result of `work`, moving the clock on to the next deadline whenever a task waits for it.

        For code that waits for the network and for this clock by turns. Bounded by `timeout` real seconds.
        """
        async with asyncio.timeout(timeout):
            task = asyncio.ensure_future(work)
            try:
                while not task.done():
                    waiting = asyncio.ensure_future(self._sleepers_seen(1))
                    try:
                        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        waiting.cancel()
                    if not task.done() and (live := self._live()):
                        self._move_to(live[0][0])
                    await asyncio.sleep(0)
                return await task
            finally:
                task.cancel()

    def _live(self) -> list[tuple[float, int, asyncio.Future[None]]]:
        """The sleepers, the next one first, without those whose task was cancelled."""
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[2].done()]
        self._sleepers.sort()
        return self._sleepers

    def _move_to(self, moment: float) -> None:
        moment = max(moment, self._monotonic)
        self._now += moment - self._monotonic
        self._monotonic = moment
        for deadline, _, woken in self._live():
            if deadline <= moment:
                woken.set_result(None)

    async def _settle(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)


def _not_negative(seconds: float) -> float:
    if seconds < 0:
        raise ValueError("time does not go back")
    return seconds
