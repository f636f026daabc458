"""Delivery: in order a place, paced, once, and truthful about the outcome.

The outbox row is committed before the platform is called. A send whose outcome is unknown is looked for before it is
sent again; one that surely did not happen (rate limit, no connection, refused credentials) waits and goes on. What
does *not* live here: markup (the channels) and what to say (`turns.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiolimiter import AsyncLimiter

from phantom.capabilities import Capability
from phantom.channel import Channel, Meter, SupportsEdit, SupportsLookup
from phantom.clock import Clock
from phantom.errors import (
    AuthError,
    ConnectError,
    DeliveryError,
    DeliveryUnknown,
    MetadataError,
    PhantomError,
    RateLimited,
    SecretError,
)
from phantom.messages import MessageRef, OutboundMessage, Outcome, Receipt
from phantom.outgoing import Outgoing
from phantom.storage.outbox import Outbox, OutboxRow
from phantom.storage.patience import patiently

log = structlog.get_logger("phantom.egress")

BURST = 40
PER_SECOND = 4.0
"""Messages a place: platforms allow about one a second with bursts; a 429 tells the rest and is obeyed exactly."""
PROGRESS_BURST, PROGRESS_SECONDS = 4, 5.0
"""Progress edits a place: platforms count edits by channel, and turns that show their progress side by side must not
use up what their answers need.
"""
PACED = "paced"
"""The receipt's detail of a progress edit that was left out for that."""
MAX_UNKNOWN = 3
"""How often a send may end unknown and, surely not found, be repeated."""
BACKOFF_CAP = 30.0
TELL_SECONDS = 5.0
"""A rate limit that makes a delivery wait for so long is worth a line in the log."""
SHORTEST_WAIT = 0.05
"""Seconds, whatever a rate limit says: one that is over already, or says nonsense, must not make a busy loop."""
MAX_LANES = 5_000


class Gate(Protocol):
    """What egress needs of the supervisor."""

    async def usable(self, channel: str) -> None:
        """Return once the named channel's credentials have been proven and not been refused since."""
        ...

    def refused(self, channel: str, error: PhantomError) -> None:
        """In the middle of a delivery the credentials were refused, or could not be had at all."""
        ...


@dataclass(slots=True)
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    pace: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(BURST, BURST / PER_SECOND))
    progress: AsyncLimiter = field(default_factory=lambda: AsyncLimiter(PROGRESS_BURST, PROGRESS_SECONDS))
    users: int = 0


class Egress:
    """One for all channels."""

    def __init__(self, outbox: Outbox, clock: Clock, meter: Meter, gate: Gate, outgoing: Outgoing) -> None:
        self._outbox = outbox
        self._clock = clock
        self._meter = meter
        self._gate = gate
        self._outgoing = outgoing
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()

    async def deliver(self, channel: Channel, message: OutboundMessage) -> Receipt:
        """Send `message` once for ever under its idempotency key. Never raises a `DeliveryError`: the receipt tells."""
        message = await self._outgoing.message(message)
        place = message.conversation.place_key
        lane = self._lane(place)
        lane.users += 1
        try:
            async with lane.lock:
                earlier = await patiently(self._clock, self._outbox.begin, message.idempotency_key, place)
                if earlier is not None and earlier.receipt is not None:
                    return earlier.receipt
                receipt = await self._send(channel, message, lane, earlier)
                await patiently(self._clock, self._outbox.settle, message.idempotency_key, receipt)
        finally:
            lane.users -= 1
        self._meter.count("phantom_deliveries_total", channel=channel.name, outcome=receipt.outcome.value)
        if receipt.outcome is not Outcome.SENT:
            log.warning(
                "delivery_not_sent",
                channel=channel.name,
                key=message.idempotency_key,
                outcome=receipt.outcome.value,
                detail=receipt.detail,
            )
        return receipt

    async def edit(self, channel: Channel, target: MessageRef, message: OutboundMessage, *, patient: bool) -> Receipt:
        """Replace a message of ours. `patient` waits through rate limits and outages (a final answer); otherwise one
        attempt is made, and none beyond the place's budget (a progress update that the next one replaces anyway).
        """
        if not isinstance(channel, SupportsEdit) or Capability.EDIT not in channel.capabilities:
            return Receipt(outcome=Outcome.FAILED, detail="edit_unsupported")
        if not patient:
            budget = self._lane(target.conversation.place_key).progress
            if not budget.has_capacity():
                return Receipt(outcome=Outcome.FAILED, detail=PACED)
            await budget.acquire()
        message = await self._outgoing.message(message)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._timed(channel, channel.edit(target, message))
            except PhantomError as error:
                if not patient or not await self._wait_out(channel, error, attempt, edit=True):
                    return Receipt(outcome=Outcome.FAILED, detail=error.code)

    async def known(self, channel: Channel, message: OutboundMessage) -> Receipt | None:
        """What became of an earlier send of this key, asking the platform when our own record does not say."""
        row = await patiently(self._clock, self._outbox.look, message.idempotency_key)
        if row is None:
            return None
        if row.receipt is not None:
            return row.receipt
        receipt = await self._find(channel, message, row.created_at)
        if receipt is not None:
            await patiently(self._clock, self._outbox.settle, message.idempotency_key, receipt)
        return receipt

    async def settled(self, key: str) -> bool:
        """Whether our own record says what became of `key`."""
        row = await patiently(self._clock, self._outbox.look, key)
        return row is not None and row.receipt is not None

    async def usable(self, channel: Channel) -> None:
        """Return once the channel's credentials have been proven and not been refused since."""
        await self._gate.usable(channel.name)

    def growing(self, draft: str, room: int) -> str:
        """The end of a text that still grows, as far as it may be shown by now: no secret, and no beginning of one."""
        return self._outgoing.growing(draft, room)

    async def note(self, key: str, place: str, receipt: Receipt) -> None:
        """Record that `key` was settled by other means (a progress message that became the answer)."""
        await patiently(self._clock, self._outbox.begin, key, place)
        await patiently(self._clock, self._outbox.settle, key, receipt)

    # --- one message ---

    async def _send(
        self, channel: Channel, message: OutboundMessage, lane: _Lane, earlier: OutboxRow | None
    ) -> Receipt:
        await self._gate.usable(channel.name)
        if earlier is not None:  # an earlier run of this process began it: look first
            found = await self._find(channel, message, earlier.created_at)
            if found is not None:
                return found
        attempt = unknown = 0
        began = self._clock.now()
        while True:
            attempt += 1
            await lane.pace.acquire()
            try:
                return await self._timed(channel, channel.send(message))
            except DeliveryUnknown as error:
                unknown += 1
                found = await self._find(channel, message, began)
                if found is not None:
                    return found
                if unknown >= MAX_UNKNOWN:
                    return Receipt(outcome=Outcome.UNKNOWN, detail=error.code)
                await self._pause(unknown)
            except PhantomError as error:
                if not await self._wait_out(channel, error, attempt, edit=False):
                    return Receipt(outcome=Outcome.FAILED, detail=error.code)

    async def _wait_out(self, channel: Channel, error: PhantomError, attempt: int, *, edit: bool) -> bool:
        """Wait for as long as the failure asks. False: it is final."""
        if isinstance(error, RateLimited):
            if (error.retry_after or 0.0) >= TELL_SECONDS:
                seconds = round(error.retry_after or 0.0, 1)
                log.warning("delivery_waits_for_rate_limit", channel=channel.name, seconds=seconds, cure=error.hint)
            wait = max(SHORTEST_WAIT, error.retry_after or 1.0)
            await self._clock.sleep(wait + random.uniform(0.0, 0.25))  # noqa: S311 - jitter
            return True
        if isinstance(error, AuthError | SecretError | MetadataError):
            log.warning("delivery_waits_for_credentials", channel=channel.name, cure=error.hint)
            self._gate.refused(channel.name, error)
            await self._pause(attempt)
            await self._gate.usable(channel.name)
            return True
        if isinstance(error, ConnectError) or (edit and isinstance(error, DeliveryUnknown)):
            await self._pause(attempt)
            return True
        if isinstance(error, DeliveryError) and not error.retryable:
            log.error("delivery_refused", channel=channel.name, code=error.code, what=error.message, cure=error.hint)
            return False
        if error.retryable and attempt < 10:
            await self._pause(attempt)
            return True
        return False

    async def _find(self, channel: Channel, message: OutboundMessage, since: float) -> Receipt | None:
        """Look for an earlier send until the platform can say. None: it surely never arrived.

        What cannot be told (platforms keep few records of private answers) stays unknown: never sent blindly again.
        """
        unknown = Receipt(outcome=Outcome.UNKNOWN, detail="cannot_be_looked_up")
        if not isinstance(channel, SupportsLookup) or Capability.LOOKUP not in channel.capabilities:
            return unknown
        attempt = 0
        while True:
            attempt += 1
            try:
                return await channel.find(message, since)
            except DeliveryUnknown as error:
                log.warning("delivery_not_found_out", channel=channel.name, what=error.message, cure=error.hint)
                return unknown
            except PhantomError as error:
                if not await self._wait_out(channel, error, attempt, edit=True):
                    return Receipt(outcome=Outcome.UNKNOWN, detail=error.code)

    async def _timed(self, channel: Channel, call: object) -> Receipt:
        started = self._clock.monotonic()
        try:
            return await call  # type: ignore[misc,no-any-return]
        finally:
            self._meter.observe("phantom_delivery_seconds", self._clock.monotonic() - started, channel=channel.name)

    async def _pause(self, attempt: int) -> None:
        ceiling = min(BACKOFF_CAP, 0.25 * 2.0 ** min(attempt, 10))
        await self._clock.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - jitter, not a secret

    def _lane(self, place: str) -> _Lane:
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane()
            while len(self._lanes) > MAX_LANES:
                oldest, value = next(iter(self._lanes.items()))
                if value.users or value.lock.locked():
                    self._lanes.move_to_end(oldest)
                    break
                del self._lanes[oldest]
        else:
            self._lanes.move_to_end(place)
        return lane
