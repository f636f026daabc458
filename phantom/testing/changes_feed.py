"""The feed of a fake platform: hands every change to every subscriber, and wakes those who wait for a condition.

What does *not* live here: what the changes are (`fake_slack/changes.py`, `fake_discord/changes.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
C = TypeVar("C")


class Subscription(Generic[C]):
    """Changes from the moment of `subscribe()` on. Iterate it, or use it as `async with`; `close()` ends it."""

    def __init__(self, leave: Callable[[Subscription[C]], None]) -> None:
        self._leave = leave
        self._waiting: deque[C] = deque()
        self._woken = asyncio.Event()
        self._closed = False

    def put(self, change: C) -> None:
        """Called by the feed."""
        self._waiting.append(change)
        self._woken.set()

    def close(self) -> None:
        """End the iteration after what is already waiting."""
        self._closed = True
        self._woken.set()
        self._leave(self)

    def __aiter__(self) -> Subscription[C]:
        return self

    async def __anext__(self) -> C:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Subscription[C]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


class Feed(Generic[C]):
    """Hands every change to every subscriber, and wakes those who wait for a condition."""

    def __init__(self) -> None:
        self._subscribers: list[Subscription[C]] = []
        self._waiters: set[asyncio.Event] = set()

    def publish(self, change: C) -> None:
        """Never blocks and never fails."""
        for subscriber in self._subscribers:
            subscriber.put(change)
        for waiter in self._waiters:
            waiter.set()

    def subscribe(self) -> Subscription[C]:
        """A new subscription; it holds every change from now on until it is read or closed."""
        subscription: Subscription[C] = Subscription(self._remove)
        self._subscribers.append(subscription)
        return subscription

    async def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:  # noqa: ASYNC109
        """Evaluate `predicate` now and after changes until it is truthy; TimeoutError after `timeout` seconds."""
        woken = asyncio.Event()
        self._waiters.add(woken)
        try:
            async with asyncio.timeout(timeout):
                while not (value := predicate()):
                    await woken.wait()
                    woken.clear()
                return value
        finally:
            self._waiters.discard(woken)

    def close(self) -> None:
        """End every subscription."""
        for subscriber in list(self._subscribers):
            subscriber.close()

    def _remove(self, subscription: Subscription[C]) -> None:
        if subscription in self._subscribers:
            self._subscribers.remove(subscription)
