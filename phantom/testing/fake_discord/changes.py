"""What just happened, as values, and the feed that hands them out. Used by tests and by the development page."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from phantom.testing.fake_discord.calls import ApiCall
    from phantom.testing.fake_discord.interactions import FakeInteraction
    from phantom.testing.fake_discord.message import FakeMessage
    from phantom.testing.fake_discord.model import FakeChannel, FakeGuild, FakeUser

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChanged:
    """`what` is posted, edited, deleted, reacted, unreacted, pinned or unpinned; `message` is its state now."""

    what: str
    message: FakeMessage
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged:
    """`what` is created, changed or deleted; threads and DMs are channels too."""

    what: str
    channel: FakeChannel


@dataclass(frozen=True, slots=True, kw_only=True)
class GuildChanged:
    """`what` is created, changed, left, unavailable or available; `user` when it is about a member."""

    what: str
    guild: FakeGuild
    user: FakeUser | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanged:
    """A user was added."""

    user: FakeUser


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingStarted:
    """`user` (the bot too) shows as typing for ten seconds."""

    channel: FakeChannel
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionChanged:
    """`what` is sent, acknowledged, failed, followup or edited."""

    what: str
    interaction: FakeInteraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsChanged:
    """The commands of `guild_id` (None: the global ones) were written."""

    guild_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMade:
    """The app made a REST call. One that is delayed or hangs on command is told of before that too."""

    call: ApiCall


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayChanged:
    """`what` is connected, identified, resumed, disconnected or refused; `open` counts the open connections."""

    what: str
    shard: int
    open: int
    code: int | None = None


Change = (
    MessageChanged
    | ChannelChanged
    | GuildChanged
    | UserChanged
    | TypingStarted
    | InteractionChanged
    | CommandsChanged
    | CallMade
    | GatewayChanged
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
