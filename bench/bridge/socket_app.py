"""Apps that count: the wire's version 2 over plain sockets, as lean as Python is, the same for both contestants.

Events are counted and, on request, their age is read; they are not parsed. What does *not* live here: what is measured
with them (`rounds.py`).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any, cast

import orjson

_EVENT = b'{"v":2,"type":"discord.event"'
_HEAD = (
    "GET /shardwire HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Tally:
    """What all apps of a contestant got."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.ages: list[int] | None = None
        """Nanoseconds from the writing of each event to its arrival, while it is a list."""
        self._target = 0
        self._reached: asyncio.Future[None] | None = None

    def expect(self, count: int) -> asyncio.Future[None]:
        """Done once so many more events have arrived."""
        self._target = self.events + count
        self._reached = asyncio.get_running_loop().create_future()
        return self._reached

    def add(self, count: int, size: int) -> None:
        self.events += count
        self.bytes += size
        if self.events >= self._target and self._reached is not None and not self._reached.done():
            self._reached.set_result(None)


class SocketApp(asyncio.Protocol):
    """One app. `ready` is done once it has logged in."""

    def __init__(self, tally: Tally, secret: str) -> None:
        self._tally = tally
        self._secret = secret
        self._rest = b""
        self._upgraded = False
        self._calls: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._pong: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_HEAD.encode())

    def connection_lost(self, error: Exception | None) -> None:
        lost = ConnectionError("the contestant closed a connection")
        for waiting in (self.ready, self._pong, *self._calls.values()):
            if waiting is not None and not waiting.done():
                waiting.set_exception(lost)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._upgraded = True
            self._send("auth.hello", {"secret": self._secret, "appName": "bench"})
        self._rest = self._frames(data)

    def _frames(self, data: bytes) -> bytes:
        """Take whole frames; the rest is returned."""
        at, end, events, size_of_all = 0, len(data), 0, 0
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = (data[at + 2] << 8 | data[at + 3], 4) if end - at >= 4 else (end, 4)
            elif size == 127:
                size, head = (int.from_bytes(data[at + 2 : at + 10]), 10) if end - at >= 10 else (end, 10)
            start = at + head
            if start + size > end:
                break
            at = start + size
            if data.startswith(_EVENT, start):
                events += 1
                size_of_all += size
                if self._tally.ages is not None:
                    self._age(data, start)
            else:
                self._other(data[start:at])
        if events:
            self._tally.add(events, size_of_all)
        return data[at:]

    def _age(self, data: bytes, start: int) -> None:
        mark = data.index(b"t=", start) + 2
        ages = self._tally.ages
        if ages is not None:
            ages.append(time.perf_counter_ns() - int(data[mark : mark + 19]))

    def _other(self, payload: bytes) -> None:
        if not payload.startswith(b"{"):
            return  # a close frame
        frame = orjson.loads(payload)
        match frame["type"]:
            case "auth.ok":
                self.ready.set_result(None)
            case "auth.error":
                self.ready.set_exception(PermissionError(frame["payload"]["message"]))
            case "ping":
                self._send("pong", {})
            case "pong":
                if self._pong is not None and not self._pong.done():
                    self._pong.set_result(None)
            case "action.result" | "action.error":
                self._calls.pop(frame["requestId"]).set_result(frame["payload"])

    def _send(self, kind: str, payload: Any, request_id: str = "") -> None:
        frame: dict[str, Any] = {"v": 2, "type": kind, "ts": 0}
        if request_id:
            frame["requestId"] = request_id
        text = orjson.dumps(frame | {"payload": payload})
        size = len(text)
        # Masked with zeroes: RFC 6455 wants a mask, and this one leaves the text as it is.
        head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2)
        self._transport.write(head + b"\0\0\0\0" + text)

    async def listen(self, *, on: bool = True) -> None:
        """Subscribe to every new message, or no longer. Returns when the bridge has taken note."""
        self._send("subscribe" if on else "unsubscribe", {"subscriptions": [{"name": "messageCreate"}]})
        self._pong = asyncio.get_running_loop().create_future()
        self._send("ping", {})
        await self._pong

    async def post(self, channel: str, text: str) -> None:
        """One `sendMessage`. Raises `RuntimeError` when it fails."""
        request_id = os.urandom(8).hex()
        answer = self._calls[request_id] = asyncio.get_running_loop().create_future()
        self._send(
            "action.request", {"name": "sendMessage", "data": {"channelId": channel, "content": text}}, request_id
        )
        said = await answer
        if not said["ok"]:
            raise RuntimeError(f"sendMessage failed: {said['error']}")

    def close(self) -> None:
        self._transport.close()


async def connect(port: int, secret: str, count: int) -> tuple[Tally, Sequence[SocketApp]]:
    """So many apps, logged in. They come from several loopback addresses where the system has them, as the peer takes
    no more than forty logins a minute from one, successes included.
    """
    tally, apps = Tally(), []
    loop = asyncio.get_running_loop()
    for number in range(count):
        address = f"127.0.0.{2 + number // 20}"
        try:
            _, app = await loop.create_connection(
                lambda: SocketApp(tally, secret), "127.0.0.1", port, local_addr=(address, 0)
            )
        except OSError:
            await asyncio.sleep(1.6)
            _, app = await loop.create_connection(lambda: SocketApp(tally, secret), "127.0.0.1", port)
        await app.ready
        apps.append(app)
    return tally, apps
