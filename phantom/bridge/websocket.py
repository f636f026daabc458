"""The bridge's endpoint on an aiohttp server: `GET /shardwire` and `/bridge`, upgraded to WebSocket.

aiohttp does the handshake, framing, control frames and bounds; what we send goes to the transport as whole messages,
many in one write. What does *not* live here: any meaning of a frame (`connection.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from phantom.bridge import protocol
from phantom.bridge.connection import AppConnection
from phantom.bridge.server import Bridge
from phantom.clock import Clock

log = structlog.get_logger("phantom.bridge")

PATHS = ("/shardwire", "/bridge")
CLOSE_SECONDS = 3.0
"""How long the other side may take to say goodbye, and to read what it still has to."""
FRAMES_PER_SECOND = 2000.0
BURST = 4000.0
"""Inbound frames of one connection; beyond, it is read more slowly, so that it feels the back-pressure."""
FRAME_SIZE = 4096
"""Characters that count as one frame more."""
BESIDE = 512
"""Sockets beyond the bridge's own bounds that may be saying goodbye; more are refused before they are sockets."""


class Endpoint:
    """Takes sockets. `origins`: the browser origins that may connect; a request without one is no browser."""

    def __init__(self, bridge: Bridge, clock: Clock, *, origins: Sequence[str], behind_proxy: bool) -> None:
        self._bridge = bridge
        self._clock = clock
        self._open = 0
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._behind_proxy = behind_proxy

    def mount(self, app: web.Application) -> None:
        """Add the routes, before the server runs."""
        for path in PATHS:
            app.router.add_get(path, self.handle)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One app from handshake to goodbye."""
        if not self._welcome(request.headers.get("Origin")):
            raise web.HTTPForbidden(reason="origin not allowed")
        socket = web.WebSocketResponse(
            timeout=CLOSE_SECONDS, autoclose=False, autoping=True, compress=False, max_msg_size=protocol.MAX_FRAME + 1
        )
        if not socket.can_prepare(request):
            raise web.HTTPUpgradeRequired(reason="websocket expected", headers={"Upgrade": "websocket"})
        if self._open >= self._bridge.max_sockets + BESIDE:
            raise web.HTTPServiceUnavailable(reason="too many sockets", headers={"Retry-After": "5"})
        self._open += 1
        try:
            return await self._serve(request, socket)
        finally:
            self._open -= 1

    async def _serve(self, request: web.Request, socket: web.WebSocketResponse) -> web.StreamResponse:
        await socket.prepare(request)
        wire = SocketWire(request.transport)
        connection = self._bridge.open(wire, self._address(request))
        code = None
        try:
            code = await self._read(socket, connection)
        finally:
            self._bridge.closed(connection)
            await wire.over(code)
        return socket

    async def _read(self, socket: web.WebSocketResponse, connection: AppConnection) -> int | None:
        """Every frame until the end. The code with which the app closed; None when it did not say goodbye."""
        credit, last = BURST, self._clock.monotonic()
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.TEXT:
                connection.receive(message.data)
                credit -= len(message.data) // FRAME_SIZE
            elif message.type is WSMsgType.BINARY:
                connection.receive_binary()
            else:
                return message.data if message.type is WSMsgType.CLOSE else None
            credit -= 1
            if credit < 0:
                now = self._clock.monotonic()
                credit = min(BURST, credit + (now - last) * FRAMES_PER_SECOND)
                last = now
                if credit < 0:
                    await self._clock.sleep(-credit / FRAMES_PER_SECOND)

    def _welcome(self, origin: str | None) -> bool:
        """A browser tells its page's origin (RFC 6454); it must be on the list. Other programs send none."""
        return origin is None or origin.rstrip("/").lower() in self._origins

    def _address(self, request: web.Request) -> str:
        """The peer, or what the TLS proxy before us saw: the last hop that it added itself."""
        if self._behind_proxy:
            # Some proxies add a line of their own instead of a hop: the last hop of the last line is theirs.
            lines = request.headers.getall("X-Forwarded-For", [])
            hop = lines[-1].split(",")[-1].strip() if lines else ""
            if hop:
                return protocol.printable(hop[:64])
        return request.remote or ""


class SocketWire:
    """`connection.Wire` over the transport of one WebSocket. The closing handshake is ours: aiohttp would hang up
    without waiting for the other side to read the goodbye, and wait for ever for one that reads nothing.
    """

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._goodbye: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    def write(self, messages: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(messages)

    def waiting(self) -> int:
        transport = self._transport
        return 0 if transport is None or transport.is_closing() else transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        if self._goodbye is None:
            self.write(protocol.close_message(code, reason))
            self._goodbye = asyncio.create_task(self._hang_up(), name="bridge goodbye")

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _hang_up(self) -> None:
        """As soon as the app has answered the goodbye, or after a while in any case."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._heard.wait()
        except TimeoutError:
            log.debug("bridge_goodbye_unheard")
        finally:
            self.cut()

    async def over(self, code: int | None) -> None:
        """Nothing more comes in. What is still to be sent has a few seconds."""
        self._heard.set()
        if self._goodbye is not None:
            await asyncio.gather(self._goodbye, return_exceptions=True)
        elif self._transport is not None:
            if code is not None:
                self.write(protocol.close_message(code or WSCloseCode.OK, ""))
            self._transport.close()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.cut)
