"""What just happened in the workspace, as values, and the feed that hands them out. Used by tests and the dev page."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from phantom.testing.fake_slack.calls import ApiCall
    from phantom.testing.fake_slack.deliveries import Delivery
    from phantom.testing.fake_slack.message import FakeMessage
    from phantom.testing.fake_slack.model import FakeChannel, FakeUser, FakeView

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChanged:
    """`what` is posted, edited, deleted, reacted, unreacted or ephemeral; `message` is its state now."""

    what: str
    message: FakeMessage
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged:
    """`what` is created, archived, joined or left."""

    what: str
    channel: FakeChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged:
    """A user was added or altered."""

    user: FakeUser


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewChanged:
    """`what` is opened, updated, pushed, published, errors or closed."""

    what: str
    view: FakeView


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantChanged:
    """`what` is status, title or prompts, in one thread of a channel."""

    what: str
    channel: FakeChannel
    thread_ts: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """The app called a Web API method (or a response URL)."""

    call: ApiCall


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChanged:
    """`what` is created, attempted, acked, failed (one attempt) or gave_up."""

    what: str
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketChanged:
    """`what` is connected, disconnected or asked_to_leave; `open` is how many sockets are connected now."""

    what: str
    connection: str
    open: int


Change = (
    MessageChanged
    | ChannelChanged
    | UserChanged
    | ViewChanged
    | AssistantChanged
    | CallMade
    | DeliveryChanged
    | SocketChanged
)


class Subscription:
    """Changes from the moment of `subscribe()` on. Iterate it, or use it as `async with`; `close()` ends it."""

    def __init__(self, leave: Callable[[Subscription], None]) -> None:
        self._leave = leave
        self._waiting: deque[Change] = deque()
        self._woken = asyncio.Event()
        self._closed = False

    def put(self, change: Change) -> None:
        """Called by the feed."""
        self._waiting.append(change)
        self._woken.set()

    def close(self) -> None:
        """End the iteration after what is already waiting."""
        self._closed = True
        self._woken.set()
        self._leave(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Change:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._woken.clear()
            await self._woken.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


class Feed:
    """Hands every change to every subscriber, and wakes those who wait for a condition."""

    def __init__(self) -> None:
        self._subscribers: list[Subscription] = []
        self._waiters: set[asyncio.Event] = set()

    def publish(self, change: Change) -> None:
        """Never blocks and never fails."""
        for subscriber in self._subscribers:
            subscriber.put(change)
        for waiter in self._waiters:
            waiter.set()

    def subscribe(self) -> Subscription:
        """A new subscription; it holds every change from now on until it is read or closed."""
        subscription = Subscription(self._remove)
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

    def _remove(self, subscription: Subscription) -> None:
        if subscription in self._subscribers:
            self._subscribers.remove(subscription)
