"""Socket Mode's server side: single-use URLs, hello, envelopes, acks, redelivery, sockets that misbehave on command.

Facts from docs.slack.dev, "Using Socket Mode", and from slack_sdk's client: up to ten connections an app, each payload
to one of them, an envelope wants `{"envelope_id": …}` back within three seconds, a `disconnect` frame (`warning`,
`refresh_requested`, `link_disabled`) precedes a close. Slack's answer to an eleventh socket is undocumented; here its
URL request fails with `too_many_websockets`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from phantom.clock import Clock
from phantom.testing.fake_slack.calls import SlackError
from phantom.testing.fake_slack.changes import Feed, SocketChanged
from phantom.testing.fake_slack.deliveries import Attempt, Deliveries, Delivery, RetrySchedule
from phantom.testing.fake_slack.faults import Faults
from phantom.testing.fake_slack.model import JSON
from phantom.testing.fake_slack.socket_frames import Connection, disconnect, envelope, hello, parse

MAX_CONNECTIONS = 10


@dataclass(slots=True, eq=False)
class _Sent:
    delivery: Delivery
    connection: Connection
    retry: int
    at: float
    started: float
    timer: asyncio.TimerHandle


class SocketMode:
    """The socket transport, and `slack.sockets` for tests: `connections`, `disconnect`, `drop`, `half_open`, …"""

    name = "socket"

    def __init__(self, deliveries: Deliveries, faults: Faults, feed: Feed, clock: Clock, app_id: str) -> None:
        self.connections: list[Connection] = []
        self.ack_timeout = 3.0
        self.schedule = RetrySchedule()
        self.url = ""
        self.acks: list[JSON] = []
        self.unknown_frames: list[str] = []
        self._deliveries = deliveries
        self._faults = faults
        self._feed = feed
        self._clock = clock
        self._app_id = app_id
        self._tickets: set[str] = set()
        self._sent: dict[str, _Sent] = {}
        self._waiting: deque[tuple[Delivery, int]] = deque()
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._refuse = 0

    # the server's side

    def open_ticket(self) -> str:
        """A WebSocket URL that works once."""
        if len(self.connections) >= MAX_CONNECTIONS:
            raise SlackError("too_many_websockets")
        ticket = uuid.uuid4().hex
        self._tickets.add(ticket)
        return f"{self.url.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={self._app_id}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until it closes."""
        ticket = request.query.get("ticket", "")
        if self._refuse > 0:
            self._refuse -= 1
            return web.Response(status=503)
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(autoping=False, max_msg_size=4 << 20)
        await ws.prepare(request)
        connection = Connection(id=ticket[:8], ws=ws, request=request)
        self.connections.append(connection)
        connection.frames.put_nowait(hello(self._app_id, len(self.connections)))
        writer = asyncio.create_task(self._write(connection))
        self._publish("connected", connection)
        self._flush()
        try:
            await self._read(connection)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._lost(connection)
        return ws

    def submit(self, delivery: Delivery) -> None:
        self._give(delivery, 0)

    async def close(self) -> None:
        """Close every socket and stop all timers."""
        for sent in self._sent.values():
            sent.timer.cancel()
        self._sent.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self.connections):
            transport = connection.request.transport
            if transport is not None:
                transport.abort()

    # on command

    def disconnect(
        self, reason: str = "refresh_requested", *, close_after: float | None = 10.0, which: int = -1
    ) -> None:
        """Send a `disconnect` frame to one socket (`warning`, `refresh_requested`, `link_disabled`).

        The socket is closed `close_after` seconds later; None leaves it open.
        """
        connection = self.connections[which]
        connection.leaving = True
        connection.frames.put_nowait(disconnect(reason))
        self._publish("asked_to_leave", connection)
        if close_after is not None:
            self._spawn(self._close_later(connection, close_after))

    def drop(self, which: int | None = None) -> int:
        """Cut the TCP connection of one socket, or of all, without a close frame; returns how many."""
        victims = list(self.connections) if which is None else [self.connections[which]]
        for connection in victims:
            transport = connection.request.transport
            if transport is not None:
                transport.abort()
        return len(victims)

    def half_open(self, which: int = -1) -> None:
        """From now on nothing passes this socket in either direction, though TCP stays up."""
        self.connections[which].half_open = True

    def ignore_pings(self, which: int = -1) -> None:
        """Never answer this socket's pings again; everything else goes on."""
        self.connections[which].ignore_pings = True

    def send_garbage(self, frame: str | bytes = "not json", which: int = -1) -> None:
        """Send any text or binary frame."""
        self.connections[which].frames.put_nowait(frame)

    def refuse_upgrades(self, times: int = 1) -> None:
        """Answer the next `times` WebSocket handshakes with 503."""
        self._refuse += times

    # delivering

    def _give(self, delivery: Delivery, retry: int) -> None:
        connection = self._next_connection()
        if connection is None:
            if delivery.retried:
                self._waiting.append((delivery, retry))
            else:
                self._attempted(delivery, "no_connection", retry, self._clock.now(), 0.0)
                self._deliveries.give_up(delivery)
            return
        envelope_id = str(uuid.uuid4())
        timer = asyncio.get_running_loop().call_later(self.ack_timeout, self._timed_out, envelope_id)
        self._sent[envelope_id] = _Sent(delivery, connection, retry, self._clock.now(), self._clock.monotonic(), timer)
        connection.open.add(envelope_id)
        if not connection.half_open:
            connection.frames.put_nowait(envelope(delivery, envelope_id, retry))

    def _next_connection(self) -> Connection | None:
        staying = [one for one in self.connections if not one.leaving] or self.connections
        if not staying:
            return None
        self._turn += 1
        return staying[self._turn % len(staying)]

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for delivery, retry in waiting:
            self._give(delivery, retry)

    def _acked(self, frame: JSON) -> None:
        sent = self._sent.pop(str(frame["envelope_id"]), None)
        self.acks.append(frame)
        if sent is None:
            return
        sent.timer.cancel()
        sent.connection.open.discard(str(frame["envelope_id"]))
        if self._faults.take_lost_ack():
            self._retry(sent, "timeout")
            return
        response = frame.get("payload")
        if isinstance(response, dict):
            sent.delivery.response = response
        elif isinstance(response, str):
            sent.delivery.response_text = response
        if not sent.delivery.settled.is_set():
            latency = self._clock.monotonic() - sent.started
            self._attempted(sent.delivery, "acked", sent.retry, sent.at, latency)

    def _timed_out(self, envelope_id: str) -> None:
        sent = self._sent.pop(envelope_id, None)
        if sent is not None:
            sent.connection.open.discard(envelope_id)
            self._retry(sent, "timeout")

    def _lost(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        self._publish("disconnected", connection)
        lost = [self._sent.pop(envelope_id) for envelope_id in list(connection.open) if envelope_id in self._sent]
        for sent in sorted(lost, key=lambda one: int(one.delivery.id)):
            sent.timer.cancel()
            self._retry(sent, "connection_lost")

    def _retry(self, sent: _Sent, why: str) -> None:
        delivery = sent.delivery
        self._attempted(delivery, why, sent.retry, sent.at, self._clock.monotonic() - sent.started)
        if not delivery.retried:
            self._deliveries.give_up(delivery)
        elif why == "connection_lost":
            # A lost socket says nothing about the app: it costs no retry of the schedule.
            self._give(delivery, sent.retry + 1)
        else:
            delay = self.schedule.delay(sent.retry + 1)
            if delay is None:
                self._deliveries.give_up(delivery)
            elif delay == 0:
                self._give(delivery, sent.retry + 1)
            else:
                self._spawn(self._give_later(delivery, sent.retry + 1, delay))

    def _attempted(self, delivery: Delivery, outcome: str, retry: int, at: float, latency: float) -> None:
        self._deliveries.attempted(delivery, Attempt(at=at, outcome=outcome, latency=latency, retry=retry))

    # frames

    async def _write(self, connection: Connection) -> None:
        while (frame := await connection.frames.get()) is not None:
            if connection.half_open:
                continue
            try:
                if isinstance(frame, str):
                    await connection.ws.send_str(frame)
                else:
                    await connection.ws.send_bytes(frame)
            except ConnectionError:
                return
        await connection.ws.close()

    async def _read(self, connection: Connection) -> None:
        ws = connection.ws
        async for message in ws:
            if message.type is WSMsgType.PING:
                connection.pings += 1
                if not (connection.half_open or connection.ignore_pings):
                    await ws.pong(message.data)
            elif message.type is WSMsgType.TEXT and not connection.half_open:
                connection.received.append(message.data)
                frame = parse(message.data)
                if frame is not None and "envelope_id" in frame:
                    self._acked(frame)
                else:
                    self.unknown_frames.append(message.data)

    async def _close_later(self, connection: Connection, seconds: float) -> None:
        await self._clock.sleep(seconds)
        connection.frames.put_nowait(None)

    async def _give_later(self, delivery: Delivery, retry: int, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._give(delivery, retry)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _publish(self, what: str, connection: Connection) -> None:
        self._feed.publish(SocketChanged(what=what, connection=connection.id, open=len(self.connections)))
