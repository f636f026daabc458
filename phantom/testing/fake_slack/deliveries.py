"""What Slack sends to the app, one `Delivery` a payload, whatever the transport, and what became of it.

What does *not* live here: how it travels (`socket_mode.py`, `events_sender.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from phantom.clock import Clock
from phantom.testing.fake_slack.changes import DeliveryChanged, Feed
from phantom.testing.fake_slack.model import JSON


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Seconds to wait before the second, third, … attempt. `forever` repeats the last delay without end.

    Slack's own is at once, after one minute, after five minutes, then it gives up.
    """

    delays: tuple[float, ...] = (0.0, 60.0, 300.0)
    forever: bool = False

    def delay(self, retry: int) -> float | None:
        """Seconds before retry number `retry` (from 1); None: no more."""
        if retry <= len(self.delays):
            return self.delays[retry - 1]
        return self.delays[-1] if self.forever and self.delays else None


SLACK_SCHEDULE = RetrySchedule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try. `outcome` is `acked` or why not: `http_error`, `http_timeout`, `connection_failed`, `timeout`,
    `connection_lost`, `no_connection`. `status` is the HTTP status; times are seconds (`at` by the clock's wall time).
    """

    at: float
    outcome: str
    latency: float
    retry: int
    status: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One payload on its way. `kind`: `events_api`, `interactive` or `slash_commands`.

    `response` is the synchronous answer's JSON, `response_text` its plain text, if there was one.
    """

    id: str
    kind: str
    payload: JSON
    event_id: str
    retried: bool
    created: float
    redelivery: bool = False
    acked: bool = False
    gave_up: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    response: JSON | None = None
    response_text: str = ""
    last_request: tuple[dict[str, str], bytes] | None = field(default=None, repr=False)
    settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def type(self) -> str:
        """Inner event type, interaction type or the command."""
        if self.kind == "events_api":
            return str(self.payload.get("event", {}).get("type", self.payload.get("type", "")))
        return str(self.payload.get("type") or self.payload.get("command", ""))

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return max(0, len(self.attempts) - 1)

    @property
    def latency(self) -> float | None:
        """Seconds that the acked attempt took; None while there is none."""
        return next((attempt.latency for attempt in self.attempts if attempt.outcome == "acked"), None)


class Transport(Protocol):
    """Carries deliveries to the app and settles them through `Deliveries`."""

    name: str

    def submit(self, delivery: Delivery) -> None:
        """Take charge of one delivery; never blocks."""
        ...

    async def close(self) -> None:
        """Stop; whatever is unsettled stays so."""
        ...


class Deliveries:
    """Every delivery there ever was, newest last, and the door that they leave by."""

    def __init__(self, clock: Clock, feed: Feed) -> None:
        self.clock = clock
        self.feed = feed
        self.transport: Transport | None = None
        self.all: list[Delivery] = []
        self._number = 0
        self._retired: list[Transport] = []
        self._unsettled: set[Delivery] = set()
        self._parked: list[Delivery] = []
        self._held: list[Delivery] | None = None
        self._delays: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, index: int) -> Delivery:
        return self.all[index]

    @property
    def idle(self) -> bool:
        """Everything is acked or given up."""
        return not self._unsettled

    @property
    def pending(self) -> list[Delivery]:
        """Neither acked nor given up, oldest first."""
        return sorted(self._unsettled, key=lambda one: int(one.id))

    def of(self, kind: str) -> list[Delivery]:
        """Deliveries whose `type` (for example `app_mention`) or `kind` is `kind`."""
        return [one for one in self.all if kind in (one.type, one.kind)]

    def by_event(self, event_id: str) -> list[Delivery]:
        """The delivery of an event and its commanded redeliveries."""
        return [one for one in self.all if one.event_id == event_id]

    # sending

    def send(self, kind: str, payload: JSON, *, event_id: str, retried: bool, redelivery: bool = False) -> Delivery:
        """Record a delivery and let it go, unless deliveries are held or delayed."""
        self._number += 1
        delivery = Delivery(
            id=str(self._number),
            kind=kind,
            payload=payload,
            event_id=event_id,
            retried=retried,
            redelivery=redelivery,
            created=self.clock.now(),
        )
        self.all.append(delivery)
        self._unsettled.add(delivery)
        self.feed.publish(DeliveryChanged(what="created", delivery=delivery))
        if self._held is not None:
            self._held.append(delivery)
        elif self._delays:
            self._later(delivery, self._delays.pop(0))
        else:
            self._dispatch(delivery)
        return delivery

    def redeliver(self, delivery: Delivery) -> Delivery:
        """The same payload and event id once more, as Slack does when it believes that it was lost."""
        return self.send(
            delivery.kind, delivery.payload, event_id=delivery.event_id, retried=delivery.retried, redelivery=True
        )

    def use(self, transport: Transport) -> None:
        """Send by `transport` from now on, beginning with what was waiting for one. The old one keeps what it has."""
        if self.transport is not None and self.transport is not transport:
            self._retired.append(self.transport)
        self.transport = transport
        parked, self._parked = self._parked, []
        for delivery in parked:
            transport.submit(delivery)

    def hold(self) -> None:
        """Keep new deliveries back until `release`."""
        if self._held is None:
            self._held = []

    @property
    def holding(self) -> bool:
        """Whether new deliveries are kept back."""
        return self._held is not None

    @property
    def held(self) -> list[Delivery]:
        """What is kept back now, oldest first."""
        return list(self._held or [])

    def release(self, order: str = "fifo") -> None:
        """Let the held ones go: `fifo`, `reversed` or `shuffled`."""
        held, self._held = self._held or [], None
        if order == "reversed":
            held.reverse()
        elif order == "shuffled":
            random.Random(len(held)).shuffle(held)
        elif order != "fifo":
            raise ValueError(f"order is fifo, reversed or shuffled, not {order!r}")
        for delivery in held:
            self._dispatch(delivery)

    def delay_next(self, seconds: float, times: int = 1) -> None:
        """Send each of the next `times` deliveries `seconds` late."""
        self._delays += [seconds] * times

    @property
    def delays_waiting(self) -> int:
        """How many deliveries to come will be late."""
        return len(self._delays)

    def forget_delays(self) -> None:
        """Undo `delay_next` for what has not come yet."""
        self._delays.clear()

    # settling, called by transports

    def attempted(self, delivery: Delivery, attempt: Attempt) -> None:
        """Record one try; an acked one settles the delivery."""
        delivery.attempts.append(attempt)
        if attempt.outcome == "acked":
            delivery.acked = True
            self._settle(delivery, "acked")
        else:
            self.feed.publish(DeliveryChanged(what="failed", delivery=delivery))

    def give_up(self, delivery: Delivery) -> None:
        """No further tries."""
        delivery.gave_up = True
        self._settle(delivery, "gave_up")

    def _settle(self, delivery: Delivery, what: str) -> None:
        self._unsettled.discard(delivery)
        delivery.settled.set()
        self.feed.publish(DeliveryChanged(what=what, delivery=delivery))

    def _dispatch(self, delivery: Delivery) -> None:
        if self.transport is None:
            self._parked.append(delivery)
        else:
            self.transport.submit(delivery)

    def _later(self, delivery: Delivery, seconds: float) -> None:
        async def wait() -> None:
            await self.clock.sleep(seconds)
            self._dispatch(delivery)

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop delayed deliveries and the transport."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in [*self._retired, *([self.transport] if self.transport else [])]:
            await transport.close()
