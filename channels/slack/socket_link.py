"""One Socket Mode WebSocket: open, hello, frames, own pings, acks, close. It never reconnects.

What does *not* live here: how many links there are and what replaces them (`socket.py`), what a payload means.
The address carries a ticket, so no error or log line of this module may show it, nor an aiohttp error that quotes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp

from channels.slack import socket_frames
from channels.slack.socket_frames import Frame
from phantom.clock import Clock
from phantom.errors import ConnectError

_MAX_FRAME = 4 * 1_048_576
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ENDED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


class SocketLink:
    """A link. `on_frame` gets every frame but hello and disconnect, and answers later through `send`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: Clock,
        on_frame: Callable[[SocketLink, Frame], None],
        *,
        ping_interval: float,
        stale_after: float,
    ) -> None:
        self.last_contact_at: float | None = None
        self.leaving = asyncio.Event()
        self.reason = ""
        """Why Slack wants the link replaced, or why it ended."""
        self._session = session
        self._clock = clock
        self._on_frame = on_frame
        self._ping_interval = ping_interval
        self._stale_after = stale_after
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._owed = 0
        self._paid = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._heard = clock.monotonic()
        self._opened = self._heard

    @property
    def age(self) -> float:
        """Seconds since the hello."""
        return self._clock.monotonic() - self._opened

    async def open(self, url: str, seconds: float) -> None:
        """Connect and wait for Slack's hello. Raises `ConnectError`."""
        parts = urlsplit(url)
        if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in _LOOPBACK):
            raise ConnectError("apps.connections.open gave an address that is not wss://")
        try:
            async with asyncio.timeout(seconds):
                # Pings and pongs are ours to see: they are what the watchdog lives on.
                self._ws = await self._session.ws_connect(url, autoping=False, max_msg_size=_MAX_FRAME)
                await self._hello(self._ws)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self.close()
            # Not chained: aiohttp's error quotes the address with its ticket.
            raise ConnectError(f"no Socket Mode connection: {type(error).__name__}") from None
        except BaseException:
            await self.close()
            raise
        self._opened = self._clock.monotonic()
        self._writer = asyncio.create_task(self._write(self._ws), name="slack-socket-writer")

    async def pump(self) -> None:
        """Read until the link ends; `reason` says why. Asked to leave, it sets `leaving` and reads on."""
        ws = self._ws
        if ws is None:
            raise ConnectError("the socket is not open")
        while True:
            try:
                message = await ws.receive(timeout=self._ping_interval)
            except TimeoutError:
                if not await self._still_there(ws):
                    return
                continue
            if message.type in _ENDED or message.type is aiohttp.WSMsgType.ERROR:
                self.reason = self.reason or "closed"
                return
            self._note_contact()
            await self._message(ws, message)

    def owe(self) -> None:
        """An answer will follow through `settle`."""
        self._owed += 1

    def settle(self, text: str | None) -> None:
        """Queue the answer that was owed, or none. One that cannot leave any more is redelivered by Slack."""
        if text is not None:
            self._outgoing.put_nowait(text)
        self._owed -= 1
        if not self._owed:
            self._paid.set()

    async def flush(self, seconds: float) -> None:
        """Wait until every owed answer has left, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._owed:
                    self._paid.clear()
                    await self._paid.wait()
                await self._outgoing.join()

    async def close(self) -> None:
        """Close, now. Safe to repeat."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        if self._ws is not None and not self._ws.closed:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._ws.close()

    async def _hello(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.PING:
                await ws.pong(message.data)
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectError("the socket closed before Slack's hello")
            frame = socket_frames.read(message.data)
            if frame.type == "hello":
                self._note_contact()
                return
            if frame.type == "disconnect":
                self.reason = frame.reason
                raise ConnectError(
                    f"Slack refused the socket: {frame.reason or 'disconnect'}", code=frame.reason or None
                )

    async def _message(self, ws: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> None:
        if message.type is aiohttp.WSMsgType.PING:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await ws.pong(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            frame = socket_frames.read(message.data)
            if frame.type == "disconnect":
                self.reason = frame.reason or "disconnect"
                self.leaving.set()
            self._on_frame(self, frame)
        elif message.type is aiohttp.WSMsgType.BINARY:
            self._on_frame(self, Frame(type=socket_frames.GARBAGE))

    async def _still_there(self, ws: aiohttp.ClientWebSocketResponse) -> bool:
        """Nothing was heard for a ping interval: ask, or give the link up as dead."""
        if self._clock.monotonic() - self._heard >= self._stale_after:
            self.reason = "stale"
            return False
        try:
            await ws.ping()
        except (aiohttp.ClientError, OSError):
            self.reason = "closed"
            return False
        return True

    async def _write(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            text = await self._outgoing.get()
            try:
                await ws.send_str(text)
            except (aiohttp.ClientError, OSError):
                return  # the reader sees the end too and says so
            finally:
                self._outgoing.task_done()

    def _note_contact(self) -> None:
        self._heard = self._clock.monotonic()
        self.last_contact_at = self._clock.now()
