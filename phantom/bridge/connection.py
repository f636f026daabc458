"""One app's connection: hello, subscriptions, actions, heartbeat. A state machine over whole text frames.

It knows no socket: `Wire` is one (`websocket.py`) or a pair of queues in the same process. What does *not* live here:
who may log in (`gatekeeper.py`), matching and fan-out (`server.py`), doing an action (`actions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from phantom.bridge import protocol
from phantom.bridge.gatekeeper import Refusal
from phantom.bridge.protocol import BadFrame, Close
from phantom.bridge.subscriptions import BadSubscription, Filter, read_filter, weight

if TYPE_CHECKING:
    from phantom.bridge.action_outcome import Outcome
    from phantom.bridge.grants import Grant
    from phantom.bridge.server import Bridge

MAX_SUBSCRIPTIONS = 1000
"""Per connection, unless the secret's limits say less."""
MAX_FILTER_VALUES = 20_000
"""Over all subscriptions of a connection."""
MAX_OUT = 8 * 1024 * 1024
"""Bytes that may wait for an app that does not read, before it is cut."""
WARN_OUT = MAX_OUT // 4
_V2_REASONS = frozenset({"unknown_secret_id", "invalid_secret", "ambiguous_secret"})


class Wire(Protocol):
    """What carries frames to the app."""

    def write(self, messages: bytes) -> None:
        """Whole WebSocket text messages."""
        ...

    def waiting(self) -> int:
        """Bytes written that have not left yet."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and close, at latest after a few seconds. What was written before is sent first."""
        ...

    def cut(self) -> None:
        """Close at once."""
        ...


class AppConnection:
    """One app. Attributes are public to `server.py`, which owns every connection."""

    __slots__ = (
        "_bridge",
        "_filters",
        "_weight",
        "address",
        "app_name",
        "closing",
        "events_out",
        "grant",
        "id",
        "last_frame_at",
        "opened_at",
        "out",
        "ping_due",
        "slow",
        "version",
        "wire",
    )

    def __init__(self, bridge: Bridge, wire: Wire, connection_id: str, address: str, now: float) -> None:
        self._bridge = bridge
        self.wire = wire
        self.id = connection_id
        self.address = address
        self.app_name = ""
        self.version = 2
        self.grant: Grant | None = None
        self.out: list[bytes] = []
        self.opened_at = self.last_frame_at = now
        self.ping_due = now + bridge.heartbeat
        self.closing = False
        self.slow = False
        self.events_out = 0
        self._filters: dict[tuple[str, Filter], None] = {}
        self._weight = 0

    # --- in ---

    def receive(self, raw: str | bytes) -> None:
        """One text frame from the app."""
        if self.closing:
            return
        self.last_frame_at = self._bridge.monotonic()
        try:
            frame = protocol.read_frame(raw)
            if self.grant is None:
                self._before_login(frame)
            elif frame.v != self.version:
                raise BadFrame  # noqa: TRY301
            else:
                self._dispatch(frame)
        except BadFrame:
            self.close(Close.INVALID_PAYLOAD, "Invalid payload.", why="invalid_payload")

    def receive_binary(self) -> None:
        """The wire is text only."""
        self.close(Close.INVALID_PAYLOAD, "Invalid payload.", why="binary")

    def _before_login(self, frame: protocol.Frame) -> None:
        if frame.type == "ping":
            self.version = frame.v
            self.send("pong", {})
        elif frame.type == "auth.hello":
            self.version = frame.v
            self._hello(protocol.read_payload(frame.payload, protocol.Hello))
        elif frame.type != "pong":
            self.close(Close.AUTH_REQUIRED, "Authentication required.", why="hello_expected")

    def _hello(self, hello: protocol.Hello) -> None:
        self.app_name = protocol.printable(hello.appName or "")
        answer = self._bridge.log_in(self, hello)
        if isinstance(answer, Refusal):
            reason = answer.reason if self.version >= 3 or answer.reason in _V2_REASONS else "invalid_secret"
            self.send("auth.error", {"code": protocol.UNAUTHORIZED, "reason": reason, "message": answer.message})
            self.close(answer.close, answer.message, why=answer.reason)
            return
        self.grant = answer
        self._bridge.logged_in(self)
        self.send("auth.ok", self._welcome(answer))

    def _welcome(self, grant: Grant) -> Mapping[str, Any]:
        bridge = self._bridge
        welcome: dict[str, Any] = {"connectionId": self.id, "capabilities": bridge.capabilities(grant)}
        if self.version >= 3:
            welcome |= {
                "secretId": grant.secret_id,
                "intents": sorted(bridge.intents()),
                "expiresAt": grant.expires_at,
                "stream": bridge.fanout.replay.stream,
                "seq": bridge.fanout.replay.seq,
                "heartbeatMs": int(bridge.heartbeat * 1000),
                "maxFrameBytes": protocol.MAX_FRAME,
            }
        return welcome

    def _dispatch(self, frame: protocol.Frame) -> None:
        kind = frame.type
        if kind == "action.request":
            self._action(frame)
        elif kind == "ping":
            self.send("pong", {})
        elif kind == "subscribe":
            self._subscribe(frame)
        elif kind == "unsubscribe":
            self._unsubscribe(frame)
        elif kind == "action.cancel" and self.version >= 3:
            cancel = protocol.read_payload(frame.payload, protocol.Cancel)
            self._bridge.desk.cancel(self._bridge.caller(self), cancel.requestId)
        elif kind in ("pong", "auth.hello"):
            return
        elif self.version >= 3:
            raise BadFrame
        else:
            self._bridge.unknown_frame(self)

    # --- actions ---

    def _action(self, frame: protocol.Frame) -> None:
        if not frame.requestId:
            raise BadFrame
        request = protocol.read_payload(frame.payload, protocol.ActionRequest)
        request_id = frame.requestId
        self._bridge.desk.submit(
            self._bridge.caller(self), request, request_id, lambda outcome: self._answer(request_id, outcome)
        )

    def _answer(self, request_id: str, outcome: Outcome) -> None:
        if self.closing:
            return
        now = int(self._bridge.now() * 1000)
        if outcome.ok:
            result = {"ok": True, "requestId": request_id, "ts": now, "data": outcome.data}
            self.send("action.result", result, request_id)
            return
        error: dict[str, Any] = {"code": outcome.code, "message": outcome.message}
        if outcome.details:
            error["details"] = outcome.details
        self.send("action.error", {"ok": False, "requestId": request_id, "ts": now, "error": error}, request_id)

    # --- subscriptions ---

    def _subscribe(self, frame: protocol.Frame) -> None:
        payload = protocol.read_payload(frame.payload, protocol.Subscribe)
        refused: list[dict[str, str]] = []
        fresh: list[tuple[str, Filter]] = []
        granted = frozenset() if self.grant is None else self._bridge.granted_events(self.grant)
        for raw in payload.subscriptions:
            try:
                pair = self._read(raw, granted)
            except BadSubscription as error:
                refused.append({"name": _name(raw), "code": error.code, "message": error.message})
                continue
            if pair not in self._filters:
                self._filters[pair] = None
                self._weight += weight(pair[1])
                fresh.append(pair)
        self._bridge.fanout.subscribed(self, fresh)
        if refused:
            self._bridge.subscriptions_refused(self, refused)
        if self.version >= 3:
            request_id, facts = frame.requestId, {"subscribed": len(self._filters), "refused": refused}
            self._bridge.fanout.resume(
                self, payload.resume, fresh, lambda told: self.send("subscribe.ok", told | facts, request_id)
            )

    def _read(self, raw: msgspec.Raw, granted: frozenset[str]) -> tuple[str, Filter]:
        """One subscription, allowed and well formed. Raises `BadSubscription`."""
        try:
            one = protocol.read_payload(raw, protocol.Subscription)
        except BadFrame:
            raise BadSubscription("malformed_subscription", "a subscription is {name, filter?}") from None
        grant = self.grant
        spec = self._bridge.catalogue.events.get(one.name)
        if grant is None or spec is None or one.name not in granted:
            raise BadSubscription(
                "missing_event_capability",
                f"{protocol.printable(one.name)} is not granted to this secret; `explain` says why",
            )
        limit = min(MAX_SUBSCRIPTIONS, grant.limits.subscriptions or MAX_SUBSCRIPTIONS)
        if len(self._filters) >= limit:
            raise BadSubscription("too_many_subscriptions", f"one connection may hold {limit} subscriptions")
        wanted = read_filter(one.filter, spec)
        if self._weight + weight(wanted) > MAX_FILTER_VALUES:
            raise BadSubscription(
                "too_many_subscriptions", f"the filters of one connection may hold {MAX_FILTER_VALUES} values"
            )
        return one.name, wanted

    def _unsubscribe(self, frame: protocol.Frame) -> None:
        payload = protocol.read_payload(frame.payload, protocol.Subscribe)
        for raw in payload.subscriptions:
            try:
                one = protocol.read_payload(raw, protocol.Subscription)
                spec = self._bridge.catalogue.events.get(one.name)
                pair = None if spec is None else (one.name, read_filter(one.filter, spec))
            except (BadFrame, BadSubscription):
                continue
            if pair is not None and pair in self._filters:
                self.forget(pair)
                self._bridge.fanout.unsubscribed(self, [pair])
        if self.version >= 3:
            self.send("unsubscribe.ok", {"seq": self._bridge.fanout.reached(self)}, frame.requestId)

    @property
    def filters(self) -> list[tuple[str, Filter]]:
        """What it is subscribed to."""
        return list(self._filters)

    def forget(self, pair: tuple[str, Filter]) -> None:
        """A subscription that is over."""
        del self._filters[pair]
        self._weight -= weight(pair[1])

    # --- out ---

    def send(self, kind: str, payload: Any, request_id: str | None = None) -> None:
        """Queue one frame of our own."""
        self.push(protocol.text_message(protocol.frame(self.version, kind, self._bridge.now(), payload, request_id)))

    def push(self, message: bytes) -> None:
        """Queue a whole WebSocket message; everything queued in one pass of the event loop leaves as one write."""
        if self.closing:
            return
        if not self.out:
            self._bridge.fanout.dirty(self)
        self.out.append(message)

    def take_out(self) -> list[bytes]:
        """What is queued, taken out of the queue."""
        out, self.out = self.out, []
        return out

    def write(self, data: bytes) -> None:
        """Write what was taken out. An app that does not read is told, then cut."""
        self.wire.write(data)
        waiting = self.wire.waiting()
        if waiting > WARN_OUT:
            self._behind(waiting)
        elif self.slow and waiting == 0:
            self.slow = False

    def _behind(self, waiting: int) -> None:
        if waiting > MAX_OUT:
            self.close(Close.SLOW_READER, "Too slow: the app does not read its events.", why="slow_reader")
        elif not self.slow:
            self.slow = True
            self._bridge.slow_reader(self)
            if self.version >= 3:
                self.send("slow", {"bufferedBytes": waiting, "limitBytes": MAX_OUT})

    def tick(self, now: float) -> None:
        """Once a second: the time for a hello, the heartbeat, its misses, the secret's end."""
        if self.closing:
            return
        bridge = self._bridge
        if self.grant is None:
            if now - self.opened_at >= bridge.auth_seconds:
                self.close(Close.AUTH_REQUIRED, "Authentication required.", why="hello_timeout")
            return
        if now - self.last_frame_at > bridge.heartbeat * protocol.MISSED_HEARTBEATS:
            bridge.lost(self)
            self.cut("heartbeat")
            return
        if now >= self.ping_due:
            self.ping_due = now + bridge.heartbeat
            self.send("ping", {"seq": bridge.fanout.reached(self)} if self.version >= 3 else {})

    def close(self, code: Close, reason: str, *, why: str) -> None:
        """End the connection with a close code. What was queued before is sent first."""
        if self.closing:
            return
        if self.out:
            data = b"".join(self.out)
            self.out.clear()
            self._bridge.fanout.replay.flush()  # no app sees a number that the file does not have
            self.wire.write(data)
        self.closing = True
        self._bridge.closing(self, why)
        self.wire.close(code, reason)

    def cut(self, why: str) -> None:
        """End the connection at once: nobody listens there."""
        if not self.closing:
            self.closing = True
            self._bridge.closing(self, why)
        self.wire.cut()


def _name(raw: msgspec.Raw) -> str:
    """What a refused subscription calls itself, as far as that can be told."""
    try:
        one = protocol.read_payload(raw, protocol.Subscription)
    except BadFrame:
        return ""
    return str(one.name)
