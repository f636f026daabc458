"""One connection of an app, from hello to its end: frames read, requests matched with answers, the line kept alive.

An app whose handlers cannot keep up asks for no more events and, once they have caught up, for those since: answers to
actions, which such a handler may be waiting for, still come. What does *not* live here: connecting again (`client.py`),
handlers' own lines (`client_handlers.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import orjson
import structlog

from phantom.apps import Facts
from phantom.bridge import protocol
from phantom.bridge.client_errors import ActionFailed, BridgeUnavailable, SecretRefused
from phantom.bridge.client_handlers import Event, Gap, HandlerTable, on_the_wire
from phantom.bridge.client_link import Link, LinkClosed
from phantom.bridge.protocol import Close
from phantom.bridge.scopes import Capabilities
from phantom.bridge.subscriptions import Filter
from phantom.clock import Clock

log = structlog.get_logger("phantom.bridge.client")

VERSION = 3
HEARTBEAT_SECONDS = 15.0
"""We ask this often, whatever the bridge does, so that a half-open line is noticed from our side too."""

Job = Callable[[], Awaitable[None]]


class SessionOver(Exception):
    """The connection ended while a request was under way. `sent`: it had left us."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the connection ended")
        self.sent = sent


class Session:
    """`log_in`, `subscribe`, then `serve` until the end; `call` in between."""

    def __init__(self, link: Link, handlers: HandlerTable, clock: Clock, moved: Callable[[str, int], None]) -> None:
        self._link = link
        self._handlers = handlers
        self._clock = clock
        self._moved = moved
        self._numbers = itertools.count(1)
        self._pending: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._subscribed: set[tuple[str, Filter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard_at = clock.monotonic()
        self._stream = ""
        self._at: tuple[str, int] | None = None
        self._paused = ""
        """The request that ended our subscriptions for now; what was sent before its answer comes again later."""
        self._paused_for_sure = asyncio.Event()
        self._over = False
        self.connection_id = ""
        self.capabilities = Capabilities()
        self.intents: frozenset[str] | None = None

    # --- life ---

    async def log_in(self, hello: Mapping[str, Any], seconds: float) -> None:
        """Say hello and hear what is granted. Raises `SecretRefused` or `BridgeUnavailable`."""
        try:
            async with asyncio.timeout(seconds):
                await self._send("auth.hello", hello)
                frame = self._parse(await self._link.receive())
        except LinkClosed as closed:
            raise _refused_by_code(closed.code) from closed
        except TimeoutError as error:
            raise BridgeUnavailable("the bridge did not answer the hello in time") from error
        payload = frame["payload"]
        if frame["type"] == "auth.error":
            raise _refused(payload)
        if frame["type"] != "auth.ok":
            raise BridgeUnavailable("what answers there is not a bridge", hint="its path is /bridge")
        self.connection_id = str(payload["connectionId"])
        self._stream = str(payload["stream"])
        self.intents = frozenset(payload["intents"])
        self._grant(payload["capabilities"])

    async def subscribe(self, position: tuple[str, int] | None) -> None:
        """Subscribe to what the handlers want; go on after `position` (stream, number). Raises `BridgeUnavailable`."""
        wanted = self._handlers.subscriptions()
        self._at = position
        payload: dict[str, Any] = {"subscriptions": [on_the_wire(*one) for one in wanted]}
        if position is not None and wanted:
            payload["resume"] = {"stream": position[0], "seq": position[1]}
        self._subscribed = set(wanted)
        try:
            await self._send("subscribe", payload, self._number())
        except LinkClosed as closed:
            raise _refused_by_code(closed.code) from closed

    def resubscribe(self) -> None:
        """The handlers changed: tell the bridge, in the background."""
        if self._paused:
            return  # all of it is subscribed to afterwards
        wanted = set(self._handlers.subscriptions())
        for kind, pairs in (("subscribe", wanted - self._subscribed), ("unsubscribe", self._subscribed - wanted)):
            if pairs:
                payload = {"subscriptions": [on_the_wire(*one) for one in sorted(pairs, key=str)]}
                self._spawn(partial(self._send, kind, payload, self._number()))
        self._subscribed = wanted

    async def serve(self) -> None:
        """Read until the connection ends. Raises `SecretRefused` when it ended for good."""
        self._spawn(self._beat)
        try:
            while True:
                frame = self._parse(await self._link.receive())
                self._heard_at = self._clock.monotonic()
                await self._handle(frame)
        except LinkClosed as closed:
            if closed.code == Close.BAD_SECRET:
                raise _refused_by_code(closed.code) from closed

    async def aclose(self) -> None:
        """Let go of everything; requests under way end with `SessionOver`."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(SessionOver(sent=True))
                future.exception()
        self._pending.clear()
        with contextlib.suppress(LinkClosed):
            await self._link.close()

    # --- actions ---

    async def call(self, action: str, params: Mapping[str, Any], *, key: str | None, seconds: float) -> Any:
        """Ask for an action and wait for its answer. Raises `ActionFailed`, `SessionOver`."""
        request_id = self._number()
        payload: dict[str, Any] = {"name": action, "data": params, "timeoutMs": seconds * 1000}
        if key is not None:
            payload["idempotencyKey"] = key
        if self._over:
            raise SessionOver(sent=False)
        answered = self._pending[request_id] = asyncio.get_running_loop().create_future()
        try:
            try:
                await self._send("action.request", payload, request_id)
            except LinkClosed as closed:
                raise SessionOver(sent=False) from closed
            async with asyncio.timeout(seconds + 1.0):
                answer = await answered
        except TimeoutError as error:
            await self._cancel(request_id)
            message = f"no answer within {seconds:g} s"
            raise ActionFailed(action, protocol.TIMEOUT, message, {"unknown": True}) from error
        except asyncio.CancelledError:
            await self._cancel(request_id)
            raise
        finally:
            self._pending.pop(request_id, None)
        if answer["ok"]:
            return answer.get("data")
        why = answer["error"]
        raise ActionFailed(action, why["code"], why["message"], why.get("details"))

    async def _cancel(self, request_id: str) -> None:
        if not self._over:
            with contextlib.suppress(LinkClosed):
                await self._send("action.cancel", {"requestId": request_id})

    # --- frames ---

    async def _handle(self, frame: Mapping[str, Any]) -> None:
        kind, payload = frame["type"], frame["payload"]
        if kind in ("action.result", "action.error"):
            future = self._pending.get(frame.get("requestId", ""))
            if future is not None and not future.done():
                future.set_result(payload)
        elif kind == "ping":
            await self._send("pong", {})
        elif kind in ("subscribe.ok", "unsubscribe.ok", "scope", "slow", "closing"):
            self._noted(kind, payload, frame.get("requestId", ""))
        if self._paused or self._handlers.leaving or "seq" not in payload:
            return
        self._numbered(kind, payload)
        if self._handlers.full:
            await self._pause()

    def _numbered(self, kind: str, payload: Mapping[str, Any]) -> None:
        """What has a place in the stream: handle it, and remember that we have it."""
        at = (self._stream, payload["seq"])
        if kind == "event":
            self._handlers.deliver(
                Event(
                    name=payload["name"],
                    data=payload["data"],
                    stream=self._stream,
                    seq=payload["seq"],
                    facts=_facts(payload["facts"]),
                )
            )
        elif kind == "gap":
            gap = Gap(reason=payload["reason"], seq=payload["seq"], channel=payload.get("channel", ""))
            self._handlers.gap(gap, self._stream)
        else:
            self._handlers.passed(at)
        self._at = at
        self._moved(*at)

    async def _pause(self) -> None:
        """No more events for now: a handler has enough to do."""
        log.warning("bridge_handler_behind", cure="make the handler quicker, or filter; its events wait at the bridge")
        self._paused = self._number()
        self._paused_for_sure.clear()
        payload = {"subscriptions": [on_the_wire(*one) for one in sorted(self._subscribed, key=str)]}
        await self._send("unsubscribe", payload, self._paused)
        self._spawn(self._go_on)

    async def _go_on(self) -> None:
        await self._paused_for_sure.wait()
        await self._handlers.room()
        self._paused = ""
        with contextlib.suppress(BridgeUnavailable, SecretRefused):  # whoever reads notices it too
            await self.subscribe(self._at)

    def _noted(self, kind: str, payload: Mapping[str, Any], request_id: str) -> None:
        if kind == "unsubscribe.ok":
            if request_id == self._paused:
                self._paused_for_sure.set()
        elif kind == "subscribe.ok":
            for one in payload["refused"]:
                log.warning("bridge_subscription_refused", wanted=one["name"], code=one["code"], what=one["message"])
        elif kind == "scope":
            self._grant(payload["capabilities"])
        else:
            log.warning("bridge_says", kind=kind, **{key: str(value) for key, value in payload.items()})

    def _parse(self, raw: str | bytes) -> dict[str, Any]:
        """A frame. One that is none ends the connection: nothing after it could be trusted."""
        try:
            frame = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise LinkClosed(None) from None
        if not isinstance(frame, dict) or not isinstance(frame.get("payload"), dict) or frame.get("v") != VERSION:
            raise LinkClosed(None)
        return frame

    def _grant(self, granted: Mapping[str, Any]) -> None:
        self.capabilities = Capabilities(events=tuple(granted["events"]), actions=tuple(granted["actions"]))

    async def _send(self, kind: str, payload: Mapping[str, Any], request_id: str | None = None) -> None:
        await self._link.send(protocol.frame(VERSION, kind, self._clock.now(), payload, request_id))

    def _number(self) -> str:
        return str(next(self._numbers))

    def _spawn(self, work: Job) -> None:
        task = asyncio.create_task(self._quietly(work), name="bridge app job")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Job) -> None:
        """Only once the task runs: one that is cancelled before leaves nothing that was never awaited."""
        with contextlib.suppress(LinkClosed):
            await work()

    async def _beat(self) -> None:
        """Ask; a line on which nothing was heard for two beats is dead."""
        while True:
            await self._clock.sleep(HEARTBEAT_SECONDS)
            if self._clock.monotonic() - self._heard_at > 2 * HEARTBEAT_SECONDS:
                log.warning("bridge_silent", cure="the line is taken for dead; connecting again")
                await self._link.close()
                return
            await self._send("ping", {})


def _facts(written: Mapping[str, Any]) -> Facts:
    return {key: tuple(fact) if isinstance(fact, list) else fact for key, fact in written.items()}


def _refused(payload: Mapping[str, Any]) -> SecretRefused | BridgeUnavailable:
    reason, message = str(payload.get("reason", "")), str(payload.get("message", ""))
    if reason in ("locked_out", "full"):
        return BridgeUnavailable(message, hint="it is tried again; look who fails to log in: `phantom bridge audit`")
    return SecretRefused(message, reason=reason)


def _refused_by_code(code: int | None) -> SecretRefused | BridgeUnavailable:
    if code == Close.BAD_SECRET:
        return SecretRefused("the bridge refused or revoked the secret", reason="revoked")
    said = {Close.FULL: "the bridge is full", Close.TOO_MANY_ATTEMPTS: "too many failed logins from this address"}
    return BridgeUnavailable(said.get(Close(code), "the bridge closed the connection") if code in _KNOWN else _CLOSED)


_KNOWN = frozenset(int(code) for code in Close)
_CLOSED = "the bridge closed the connection"
