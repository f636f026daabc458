"""What becomes of an action request: allowed, checked, once under its key, in its fair turn, within its deadline.

    submit ─▶ scope ─▶ parameters ─▶ rate ─▶ key ─▶ fair queue ─▶ place within limits? ─▶ intent committed ─▶ act

Each request is answered exactly once and leaves exactly one row in the audit. What does *not* live here: what an action
does (the channel), frames (`connection.py`), keys (`idempotency.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import structlog

from phantom.apps import ActionRefused, SupportsApps
from phantom.bridge import protocol
from phantom.bridge.action_outcome import (
    Caller,
    Outcome,
    Reply,
    busy,
    crashed,
    not_known,
    place_of,
    refuse,
    refused,
    timed_out,
)
from phantom.bridge.action_record import Record
from phantom.bridge.action_request import Asker, Request
from phantom.bridge.audit import Audit
from phantom.bridge.catalogue import Catalogue
from phantom.bridge.fair_queue import FairQueue
from phantom.bridge.grants import Grant
from phantom.bridge.idempotency import Call, Ledger, call_key, params_digest
from phantom.bridge.pace import Pace
from phantom.bridge.scopes import reaches_place
from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import PhantomError, RateLimited
from phantom.outgoing import Outgoing

log = structlog.get_logger("phantom.bridge")

CONCURRENT = 32
QUEUE_SECONDS = 5.0
LINE_LENGTH = 256
"""Requests of one secret that may wait; also repeats that wait for one request."""
CUT_SECONDS = 1.0
"""How long an action that was cut short may take to end."""
ACT_SECONDS = 30.0
"""How long an action may take when the caller set no deadline."""


class ActionDesk:
    """Takes requests. `submit` answers through `reply`, at once or later, exactly once."""

    def __init__(
        self,
        catalogue: Catalogue,
        channels: Mapping[str, SupportsApps],
        ledger: Ledger,
        audit: Audit,
        clock: Clock,
        meter: Meter,
        *,
        concurrent: int = CONCURRENT,
        queue_seconds: float = QUEUE_SECONDS,
        raw_methods: frozenset[str] = frozenset(),
        outgoing: Outgoing | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._channels = channels
        self._ledger = ledger
        self._record = Record(catalogue, audit, clock, meter)
        self._clock = clock
        self._queue_seconds = queue_seconds
        self._raw_methods = raw_methods
        self._outgoing = outgoing
        self._queue = FairQueue(concurrent, LINE_LENGTH)
        self._pace = Pace(clock)
        self._under_way: dict[str, Request] = {}
        """Requests under a key, by ledger key."""
        self._requests: dict[Request, None] = {}
        """All that are not answered yet."""
        self._by_id: dict[tuple[str, str], Request] = {}
        """The same by connection and request id, which apps choose: one that is used twice means its last request."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    @property
    def running(self) -> int:
        return self._queue.running

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    # --- in ---

    def submit(self, caller: Caller, request: protocol.ActionRequest, request_id: str, reply: Reply) -> None:
        """One request. Whatever is wrong with it is its answer."""
        began = self._clock.monotonic()
        try:
            made = self._admit(caller, request, request_id, reply, began)
        except ActionRefused as error:
            self._record.refuse(caller, request.name, request_id, began, refused(error), reply)
            return
        if made is not None and not self._queue.put(made):
            self._settle(made, busy("too many actions of this secret wait", 1000))

    def cancel(self, caller: Caller, request_id: str) -> None:
        """The caller no longer waits. What has not begun is not done; what runs under no key is cut short."""
        found = self._by_id.get((caller.connection_id, request_id))
        if found is None or found.askers:
            return
        outcome = Outcome(ok=False, code=protocol.TIMEOUT, message="The caller cancelled the action.")
        if self._queue.take_out(found):
            self._settle(found, outcome)
        elif found.call is None and found.task is not None:
            found.task.cancel()

    def gone(self, caller: Caller) -> None:
        """The connection is closed: what waits without a key is not done; what runs goes on to its end."""
        left = self._queue.take_out_all(
            lambda job: (
                isinstance(job, Request) and job.caller.connection_id == caller.connection_id and job.call is None
            )
        )
        for job in left:
            if isinstance(job, Request):
                self._settle(job, Outcome(ok=False, code=protocol.DISCONNECTED, message="The app has left."))

    async def drain(self, seconds: float) -> bool:
        """Begin nothing new; give what runs `seconds` to end. False when something had to be cut short."""
        self._draining = True
        for job in self._queue.take_out_all(lambda _: True):
            if isinstance(job, Request):
                self._settle(job, busy("the bridge restarts", 1000))
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("bridge_drain_cut_short", running=self._queue.running)
            await self.cut()
            return False
        return True

    async def cut(self) -> None:
        """End what runs, now: while the journal can still note how."""
        running = [request.task for request in self._requests if request.task is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=CUT_SECONDS)

    # --- checks before the queue ---

    def _admit(
        self, caller: Caller, request: protocol.ActionRequest, request_id: str, reply: Reply, began: float
    ) -> Request | None:
        """The request ready for the queue; None when it was answered, or waits for the same one under way."""
        grant, params = self._checked(caller, request)
        made = Request(
            desk=self,
            caller=caller,
            request_id=request_id,
            spec=self._catalogue.actions[request.name],
            params=params,
            reply=reply,
            began=began,
            deadline=began + (ACT_SECONDS if request.timeoutMs is None else request.timeoutMs / 1000),
            line_limit=grant.limits.concurrent_actions,
        )
        if request.idempotencyKey is not None and not self._first(made, request.idempotencyKey):
            return None
        self._requests[made] = None
        self._by_id[caller.connection_id, request_id] = made
        self._idle.clear()
        made.expiry = asyncio.get_running_loop().call_later(
            min(self._queue_seconds, max(0.0, made.deadline - self._clock.monotonic())), self._expired, made
        )
        return made

    def _checked(self, caller: Caller, request: protocol.ActionRequest) -> tuple[Grant, dict[str, Any]]:
        """What the caller may, and the parameters. Raises `ActionRefused`."""
        if self._draining:
            raise refuse(protocol.SERVICE_UNAVAILABLE, "the bridge restarts", retryable=True, retry_after=1.0)
        grant = caller.grant()
        if grant is None:
            raise refuse(protocol.UNAUTHORIZED, "The secret is no longer valid.")
        if request.idempotencyKey is not None and not 0 < len(request.idempotencyKey) <= protocol.MAX_KEY:
            raise refuse(
                protocol.INVALID_REQUEST,
                f"an idempotency key has 1 to {protocol.MAX_KEY} characters",
                details={"reason": "bad_idempotency_key"},
            )
        spec = self._catalogue.actions.get(request.name)
        if spec is None or request.name not in grant.actions:
            raise refuse(protocol.FORBIDDEN, f'Action "{request.name}" is not allowed for this app.')
        if self._catalogue.channel_of(request.name) not in self._channels:
            raise refuse(protocol.SERVICE_UNAVAILABLE, f"no channel of this bot does {request.name}")
        params = self._catalogue.decode_params(request.name, request.data)
        if spec.opt_in and params.get("method") not in self._raw_methods:
            raise refuse(
                protocol.FORBIDDEN, f"{request.name} may not call that method; the bridge's settings list which"
            )
        wait = self._pace.take(caller.secret_id, grant.limits.actions_per_minute)
        if wait:
            raise refuse(
                protocol.SERVICE_UNAVAILABLE,
                "this secret's actions a minute are used up",
                retryable=True,
                retry_after=wait,
            )
        return grant, params

    def _first(self, made: Request, key: str) -> bool:
        """Bind the request to its key. False when another one answers it. Raises `ActionRefused`."""
        name, digest = made.spec.name, params_digest(made.spec.name, made.params)
        whole = call_key(made.secret_id, key)
        running = self._under_way.get(whole)
        known = running.call if running is not None else self._ledger.look(whole)
        if known is not None:
            if known.action != name or known.digest != digest:
                raise refuse(
                    protocol.INVALID_REQUEST,
                    "this idempotency key was used for another request",
                    details={"reason": "idempotency_key_reused"},
                )
            if running is not None:
                self._join(made, running)
                return False
            if known.result is not None:
                outcome = Outcome(ok=True, data=orjson.loads(known.result))
                self._record.answer(made, outcome, repeat=True)
                return False
            if known.interrupted and not made.spec.repeatable:
                raise not_known(f"{name} was begun under this key when the bridge stopped; look before asking again")
        made.call = Call(key=whole, action=name, digest=digest, at=self._clock.now())
        self._ledger.note(made.call)
        self._under_way[whole] = made
        return True

    def _join(self, made: Request, running: Request) -> None:
        """Let a repeat wait for the answer to the first, within its own deadline."""
        if len(running.askers) >= LINE_LENGTH:
            raise refuse(
                protocol.SERVICE_UNAVAILABLE, "too many repeats of this request wait", retryable=True, retry_after=1.0
            )
        asker = Asker(caller=made.caller, request_id=made.request_id, began=made.began, reply=made.reply)
        left = max(0.0, made.deadline - self._clock.monotonic())
        asker.expiry = asyncio.get_running_loop().call_later(left, self._gave_up, running, asker)
        running.askers.append(asker)

    def _gave_up(self, running: Request, asker: Asker) -> None:
        running.askers.remove(asker)
        self._record.answer_asker(running, asker, timed_out("The deadline passed.", unknown=running.acting))

    # --- the action itself ---

    def begin(self, request: Request) -> None:
        """Called by the queue, once."""
        if request.expiry is not None:
            request.expiry.cancel()
        request.task = asyncio.create_task(self._run(request), name="bridge-action")
        request.task.add_done_callback(lambda task: self._ended(request, task))

    async def _run(self, request: Request) -> Outcome:
        try:
            outcome = await self._perform(request)
        except asyncio.CancelledError:
            outcome = timed_out("The action was cancelled.", unknown=request.acting)
        await self._remember(request, outcome)
        return outcome

    def _ended(self, request: Request, task: asyncio.Task[Outcome]) -> None:
        """However it ended, even before its first step: the slot is free again and the request answered."""
        self._queue.finished(request.secret_id)
        if not task.cancelled() and task.exception() is None:
            self._settle(request, task.result())
            return
        if request.call is not None and request.acting and not request.spec.repeatable:
            request.call.interrupted = True
        if task.cancelled():
            self._settle(request, timed_out("The action was cancelled.", unknown=request.acting))
            return
        error = task.exception()
        log.error("bridge_action_crashed", action=request.spec.name, error=type(error).__name__, where=place_of(error))
        self._settle(request, crashed(request.spec.name, unknown=request.acting))

    async def _perform(self, request: Request) -> Outcome:
        left = request.deadline - self._clock.monotonic()
        if left <= 0:
            return timed_out("The deadline passed before the action began.")
        channel = self._channels[self._catalogue.channel_of(request.spec.name)]
        try:
            async with asyncio.timeout(left):
                grant = request.caller.grant()
                if grant is None:
                    raise refuse(protocol.UNAUTHORIZED, "The secret is no longer valid.")
                await self._check_place(request, grant, channel)
                if request.call is not None:
                    request.committed = True
                    await self._ledger.begin(request.call)
                request.acting = True
                key = request.call.key if request.call is not None else ""
                data = await channel.act(request.spec.name, self._fit_to_say(request), key=key)
        except TimeoutError:
            return timed_out("The deadline passed.", unknown=request.acting)
        except ActionRefused as error:
            return refused(error)
        except RateLimited as error:
            return refused(
                refuse(protocol.SERVICE_UNAVAILABLE, error.message, retryable=True, retry_after=error.retry_after)
            )
        except PhantomError as error:
            log.warning("bridge_action_failed", action=request.spec.name, what=error.message, cure=error.hint)
            return refused(refuse(protocol.SERVICE_UNAVAILABLE, error.message, retryable=error.retryable))
        return Outcome(ok=True, data=data)

    def _fit_to_say(self, request: Request) -> Mapping[str, Any]:
        """The bot says it in front of everybody: no secret of the daemon's, whatever an app asks for."""
        if self._outgoing is None:
            return request.params
        return self._outgoing.params(request.params, app=request.caller.app_name or request.secret_id)

    async def _check_place(self, request: Request, grant: Grant, channel: SupportsApps) -> None:
        if not grant.within.limited:
            return
        if request.spec.global_read or not reaches_place(
            grant, await channel.app_place(request.spec.name, request.params)
        ):
            raise refuse(protocol.FORBIDDEN, "that place is outside of this secret's limits")

    async def _remember(self, request: Request, outcome: Outcome) -> None:
        """Keep a success under its key; free the key of a failure that surely did nothing."""
        call = request.call
        if call is None or not request.committed:
            return
        try:
            if outcome.ok:
                await self._ledger.done(call, protocol.to_json(outcome.data))
            elif outcome.details.get("unknown") and not request.spec.repeatable:
                call.interrupted = True
            else:
                await self._ledger.forget(call)
        except PhantomError as error:
            log.error("bridge_key_not_kept", action=request.spec.name, what=error.message, cure=error.hint)

    # --- out ---

    def _expired(self, request: Request) -> None:
        """It waited too long for its turn."""
        if not self._queue.take_out(request):
            return
        if self._clock.monotonic() >= request.deadline:
            self._settle(request, timed_out("The deadline passed before the action began."))
        else:
            self._settle(request, busy("the action waited too long for its turn", 1000))

    def _settle(self, request: Request, outcome: Outcome) -> None:
        """Answer the request and everybody who asked the same."""
        if not outcome.ok and self._outgoing is not None:  # a platform's complaint may repeat what it got
            message = self._outgoing.redactor.clean_known(outcome.message)
            outcome = replace(outcome, message=message)
        if request.expiry is not None:
            request.expiry.cancel()
        self._requests.pop(request, None)
        named = request.caller.connection_id, request.request_id
        if self._by_id.get(named) is request:
            del self._by_id[named]
        if request.call is not None:
            self._under_way.pop(request.call.key, None)
            if not request.committed:
                self._ledger.drop(request.call)
        self._record.answer(request, outcome)
        for asker in request.askers:
            self._record.answer_asker(request, asker, outcome)
        if not self._requests:
            self._idle.set()
