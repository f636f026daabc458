"""An app's handlers: which events they want, and each one's line, worked off in order.

What does *not* live here: the connection, which asks for no more while a line is `full` (`client_session.py`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog

from phantom.apps import Facts
from phantom.bridge.client_progress import Position, Progress, Step
from phantom.bridge.subscriptions import Filter, matches

log = structlog.get_logger("phantom.bridge.client")

LINE = 1000
"""Events that may wait for one handler; then no more are asked for until it has worked off half of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `data` is as the catalogue describes it; `seq` its number in the bridge's `stream`."""

    name: str
    data: Mapping[str, Any]
    stream: str
    seq: int
    facts: Facts
    """What filters look at, such as guildId and channelId."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Events may be missing up to number `seq`. `reason`: replay_exceeded (we were away too long), stream_changed (the
    bridge lost its memory), source_interrupted (`channel` could not say what happened meanwhile).
    """

    name: ClassVar[str] = "gap"
    reason: str
    seq: int
    channel: str = ""


Handler = Callable[[Event], Awaitable[None] | None]
GapHandler = Callable[[Gap], Awaitable[None] | None]


class _Line:
    """One subscription's handler and what waits for it."""

    def __init__(
        self,
        events: tuple[str, ...],
        handler: Callable[[Any], Awaitable[None] | None],
        wanted: Filter,
        done: Callable[[Step], None],
    ) -> None:
        self.events = events
        self.wanted = wanted
        self._handler = handler
        self._done = done
        self._waiting: asyncio.Queue[tuple[Event | Gap, Step]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._at_work: Step | None = None

    @property
    def length(self) -> int:
        """Events that wait."""
        return self._waiting.qsize()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return self._waiting.empty() and self._at_work is None

    def takes(self, event: Event) -> bool:
        """The bridge sends an event once, however many of our subscriptions it fits: each checks for itself."""
        return event.name in self.events and matches(self.wanted, event.facts)

    def put(self, event: Event | Gap, step: Step) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"bridge handler {event.name}")
        self._waiting.put_nowait((event, step))

    async def aclose(self, *, forget: bool = False) -> None:
        """Stop. With `forget`, what was left undone counts as handled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if forget:
            left = [self._at_work] if self._at_work is not None else []
            while not self._waiting.empty():
                left.append(self._waiting.get_nowait()[1])
            for step in left:
                self._done(step)

    async def _work(self) -> None:
        while True:
            event, self._at_work = await self._waiting.get()
            await call(self._handler, event, event.name)
            step, self._at_work = self._at_work, None
            self._done(step)


async def call(handler: Callable[[Any], Awaitable[None] | None], value: Any, name: str) -> None:
    """Run somebody's handler. What it raises is logged and ends nothing: it runs in a task of its own."""

    async def run() -> None:
        result = handler(value)
        if inspect.isawaitable(result):
            await result

    task = asyncio.create_task(run(), name=f"bridge handler {name}")
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("bridge_handler_failed", name=name, error=type(error).__name__, exc_info=error)


class HandlerTable:
    """All subscriptions of an app."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._gap_handlers: list[GapHandler] = []
        self._gaps = _Line((), self._tell_gap, (), self._done)
        self._ended: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self.progress = Progress()
        self.leaving = False
        """Set once the app is about to close: nothing more is given to handlers."""

    def add(
        self, events: str | Sequence[str], handler: Handler, filter_: Mapping[str, Any] | None
    ) -> Callable[[], None]:
        """Add a handler; the result takes it away."""
        names = (events,) if isinstance(events, str) else tuple(dict.fromkeys(events))
        line = _Line(names, handler, _as_filter(filter_), self._done)
        self._lines.append(line)

        def end() -> None:
            if line in self._lines:
                self._lines.remove(line)
                task = asyncio.ensure_future(line.aclose(forget=True))
                self._ended.add(task)
                task.add_done_callback(self._ended.discard)

        return end

    def on_gap(self, handler: GapHandler) -> None:
        self._gap_handlers.append(handler)

    def subscriptions(self) -> list[tuple[str, Filter]]:
        """What to subscribe to, each once."""
        return list(dict.fromkeys((event, line.wanted) for line in self._lines for event in line.events))

    def declared(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Event and filter keys of each handler, for the diagnosis."""
        for line in self._lines:
            for event in line.events:
                yield event, tuple(key for key, _ in line.wanted)

    def deliver(self, event: Event) -> None:
        """Give the event to each handler that wants it."""
        step = self.progress.begin((event.stream, event.seq))
        for line in self._lines:
            if line.takes(event):
                step.held += 1
                line.put(event, step)
        self.progress.done(step)

    def gap(self, gap: Gap, stream: str) -> None:
        """Give the note to each gap handler, beside the events: it may well act, and wait for the answer."""
        step = self.progress.begin((stream, gap.seq))
        self._gaps.put(gap, step)

    def passed(self, at: Position) -> None:
        """A number that is nobody's to handle."""
        self.progress.done(self.progress.begin(at))

    @property
    def full(self) -> bool:
        """Whether a handler is so far behind that no more should be asked for."""
        return any(line.length >= LINE for line in self._lines)

    async def room(self) -> None:
        """Wait until no line is more than half full."""
        await self._until(lambda: all(line.length <= LINE // 2 for line in self._lines))

    async def idle(self) -> None:
        """Wait until nothing is left to handle."""
        await self._until(lambda: all(line.idle for line in (*self._lines, self._gaps)))

    async def aclose(self) -> None:
        for line in (*self._lines, self._gaps):
            await line.aclose()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    async def _tell_gap(self, gap: Gap) -> None:
        for handler in self._gap_handlers:
            await call(handler, gap, gap.name)

    def _done(self, step: Step) -> None:
        self.progress.done(step)
        self._moved.set()


def _as_filter(written: Mapping[str, Any] | None) -> Filter:
    if written is None:
        return ()
    if not written:
        raise ValueError("an empty filter is refused: leave it out to get every event")
    return tuple((key, _values(key, value)) for key, value in sorted(written.items()))


def _values(key: str, value: Any) -> frozenset[str]:
    values = [value] if isinstance(value, str | int) else list(value)
    if not values:
        raise ValueError(f"filter {key} holds no value")
    return frozenset(str(one) for one in values)


def on_the_wire(name: str, wanted: Filter) -> dict[str, Any]:
    """A subscription as the wire has it: `channelType` is a number there."""
    if not wanted:
        return {"name": name}
    return {
        "name": name,
        "filter": {
            key: [int(value) if key == "channelType" else value for value in sorted(values)] for key, values in wanted
        },
    }
