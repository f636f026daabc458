"""One line a conversation, many side by side: a lane works in order, all lanes share a bounded number of places."""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

log = structlog.get_logger("phantom.lanes")

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Lane:
    waiting: deque[Work] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Lanes:
    """Lanes by key. A lane exists while it has work. Work is its own boundary; should it break all the same, that is
    logged and its lane goes on.
    """

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._owed: set[asyncio.Task[Any]] = set()
        self._lanes: dict[str, _Lane] = {}
        self._paused = False

    def push(self, key: str, work: Work) -> bool:
        """Queue work. True when it has to wait behind other work of its lane."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        behind = bool(lane.waiting) or lane.task is not None
        lane.waiting.append(work)
        if lane.task is None and not self._paused:
            lane.task = asyncio.create_task(self._drive(key, lane), name=f"lane {key}")
        return behind

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """For work that waits for a person or an outage: others have its place meanwhile. Its lane keeps waiting.

        Work that ends here, cancelled for example, does not wait for a place first: the one that its lane gives back
        without having it is taken as soon as there is one.
        """
        self._places.release()
        has_a_place = False
        try:
            yield
            has_a_place = await self._places.acquire()
        finally:
            if not has_a_place:
                owed = asyncio.create_task(self._places.acquire(), name="lane place owed")
                self._owed.add(owed)
                owed.add_done_callback(self._owed.discard)

    async def wait_aside(self, what: Coroutine[Any, Any, None]) -> None:
        """Wait for `what`; aside, unless it is there at once."""
        waiting = asyncio.ensure_future(what)
        try:
            await asyncio.wait((waiting,), timeout=0)
            if not waiting.done():
                async with self.aside():
                    await asyncio.wait((waiting,))
            waiting.result()
        finally:
            waiting.cancel()

    @property
    def busy(self) -> int:
        """Lanes with work under way or waiting."""
        return len(self._lanes)

    def pause(self) -> None:
        """Start nothing more; what runs goes on."""
        self._paused = True

    async def drain(self, seconds: float) -> bool:
        """Start nothing more and wait for what runs. False when some was still running after `seconds`."""
        self.pause()
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=seconds)
        return not late

    async def cancel(self) -> None:
        """End everything now."""
        self.pause()
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for owed in self._owed:
            owed.cancel()

    async def _drive(self, key: str, lane: _Lane) -> None:
        try:
            while lane.waiting and not self._paused:
                async with self._places:
                    if self._paused:
                        return  # a place came free only after the pause
                    await _alone(lane.waiting.popleft(), key)
        finally:
            lane.task = None
            if not lane.waiting or self._paused:
                self._lanes.pop(key, None)


async def _alone(work: Work, key: str) -> None:
    """Run one piece of work in a task of its own, so that its failure stays its own and cancelling reaches it."""
    job = asyncio.ensure_future(work())
    try:
        await asyncio.wait((job,))
    except asyncio.CancelledError:
        job.cancel()
        await asyncio.wait((job,))
        raise
    error = None if job.cancelled() else job.exception()
    if error is not None:
        log.error(
            "work_broke", lane=key, error=type(error).__name__, traceback="".join(traceback.format_exception(error))
        )
