"""Callbacks: signed, one after another attempt, until one is taken or the attempts are used up. Durable over restarts.

A callback is not sent inside a turn: a receiver that is away for an hour would hold the turn's place all that time. The
answer is kept first, then called back from here, at least once: a crash between the receiver's answer and our note of
it means one more attempt, under the same `webhook-id`, which is how Standard Webhooks tells receivers to know it. What
does *not* live here: where it may go (`pinned.py`), what it says (`sayings.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import structlog

from channels.webhook import callback_urls
from channels.webhook.endpoints import Endpoint
from channels.webhook.normalise import CHANNEL
from channels.webhook.pinned import NotReached, Poster
from channels.webhook.task_records import DELIVERED, GIVEN_UP, PENDING, Callback
from channels.webhook.tasks import TaskStore
from channels.webhook.verify import signed_headers
from phantom.channel import Meter
from phantom.clock import Clock, sleep_or
from phantom.errors import MetadataError, SecretError, StorageError

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Attempts under way for one endpoint: a receiver that hangs holds up its own endpoint's callbacks, no other's."""
ATTEMPT_SECONDS = 60.0
"""An attempt whose end could not be noted is taken up again after that long."""
LONGEST_WAIT = 3600.0
IDLE_SECONDS = 60.0
_GONE = 410
"""Standard Webhooks: the receiver wants no more."""


class Callbacks:
    """One for the channel. `run` serves until cancelled; `wake` after something was kept."""

    def __init__(
        self,
        *,
        store: TaskStore,
        poster: Poster,
        endpoints: dict[str, Endpoint],
        clock: Clock,
        meter: Meter,
        attempts: int,
        retry_seconds: float,
        insecure: bool,
    ) -> None:
        self._store = store
        self._poster = poster
        self._endpoints = endpoints
        self._clock = clock
        self._meter = meter
        self._attempts = attempts
        self._retry_seconds = retry_seconds
        self._insecure = insecure
        self._news = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], str] = {}
        self.counts: dict[str, int] = {}
        """How many callbacks are in each state, as of a moment ago."""

    def wake(self) -> None:
        """Something may be due."""
        self._news.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        resumed = False
        try:
            while True:
                self._news.clear()
                try:
                    if not resumed:
                        await self._store.resume_callbacks()
                        resumed = True
                    wait = await self._serve()
                except StorageError as error:
                    log.warning("webhook_callbacks_wait_for_disk", what=error.message, cure=error.hint)
                    wait = 5.0
                await sleep_or(self._clock, wait, self._news)
        finally:
            for task in tuple(self._under_way):
                task.cancel()
            if self._under_way:
                await asyncio.wait(tuple(self._under_way))

    async def _serve(self) -> float:
        """Begin what is due; returns after how many seconds to look again."""
        for one in await self._store.take_due(AT_ONCE, Counter(self._under_way.values()), ATTEMPT_SECONDS):
            task = asyncio.create_task(self._attempt(one), name="webhook-callback")
            self._under_way[task] = one.endpoint
            task.add_done_callback(self._ended)
        self.counts = await self._store.callback_counts()
        # The end of an attempt is news, so endpoints that have no room need no look before that.
        full = {name for name, count in Counter(self._under_way.values()).items() if count >= AT_ONCE}
        due = await self._store.next_due(full)
        return IDLE_SECONDS if due is None else min(due, IDLE_SECONDS)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._news.set()
        error = None if task.cancelled() else task.exception()
        if error is not None:  # the disk: the attempt is taken up again
            log.warning("webhook_callback_not_noted", error=type(error).__name__)

    async def _attempt(self, one: Callback) -> None:
        endpoint = self._endpoints.get(one.endpoint)
        if endpoint is None:
            return await self._give_up(one, "endpoint_gone")
        if callback_urls.why_refused(one.url, hosts=endpoint.callback_hosts, insecure=self._insecure):
            return await self._give_up(one, "address_refused")  # the settings were narrowed meanwhile
        try:
            headers = signed_headers(one.id, self._clock.now(), one.body, endpoint.keys.signing())
            status, retry_after = await self._poster.post(one.url, headers, one.body)
        except (SecretError, MetadataError) as error:
            return await self._again(one, error.code)
        except NotReached as error:
            if error.refused:
                return await self._give_up(one, error.reason)
            return await self._again(one, error.reason)
        if 200 <= status < 300:
            self._count("delivered")
            return await self._store.settle_callback(one.id, DELIVERED, str(status))
        if status == _GONE:
            return await self._give_up(one, str(status))
        return await self._again(one, str(status), retry_after if status in (429, 503) else "")

    async def _again(self, one: Callback, why: str, retry_after: str = "") -> None:
        if one.attempts >= self._attempts:
            return await self._give_up(one, why)
        self._count("failed")
        wait = min(LONGEST_WAIT, self._retry_seconds * 4.0 ** min(one.attempts - 1, 12))
        wait *= random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
        if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6:
            wait = max(wait, min(float(retry_after), LONGEST_WAIT))
        log.info("webhook_callback_failed", endpoint=one.endpoint, id=one.id, why=why, next_in=round(wait, 1))
        return await self._store.settle_callback(one.id, PENDING, why, wait)

    async def _give_up(self, one: Callback, why: str) -> None:
        self._count("given_up")
        log.warning(
            "webhook_callback_given_up",
            endpoint=one.endpoint,
            id=one.id,
            why=why,
            attempts=one.attempts,
            cure="the answer can still be fetched by its task id",
        )
        await self._store.settle_callback(one.id, GIVEN_UP, why)

    def _count(self, outcome: str) -> None:
        self._meter.count("phantom_api_requests_total", channel=CHANNEL, method="callback", outcome=outcome)
