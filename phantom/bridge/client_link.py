"""How frames travel between an app and the bridge: a WebSocket, or two queues in the same process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import aiohttp

from phantom.bridge.client_errors import BridgeUnavailable
from phantom.errors import ConfigError

if TYPE_CHECKING:
    from phantom.bridge.server import Bridge

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of one frame from the bridge."""


class LinkClosed(Exception):
    """The connection ended with this close code (None: without one)."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed ({code})")
        self.code = code


class Link(Protocol):
    """One connection."""

    async def send(self, frame: bytes) -> None: ...

    async def receive(self) -> str | bytes:
        """The next frame. Raises `LinkClosed`."""
        ...

    async def close(self) -> None: ...


class Linker(Protocol):
    """Makes connections. Raises `BridgeUnavailable`."""

    async def __call__(self) -> Link: ...


def websocket(url: str, *, connect_seconds: float) -> Linker:
    """Connections to a bridge's address. Raises `ConfigError` for one that would send the secret unencrypted."""
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError("must begin with ws:// or wss://", where="url")
    if parts.scheme == "ws" and parts.hostname not in _LOOPBACK:
        raise ConfigError("would send the secret unencrypted", where="url", hint="use wss:// beyond this machine")

    async def connect() -> Link:
        session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with asyncio.timeout(connect_seconds):
                socket = await session.ws_connect(url, max_msg_size=MAX_MESSAGE, autoping=True)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            await session.close()
            raise BridgeUnavailable(
                f"no bridge answers at {parts.hostname}:{parts.port or ''}",
                hint="is the daemon running, with a bridge?",
            ) from error
        except BaseException:
            await session.close()
            raise
        return _SocketLink(session, socket)

    return connect


class _SocketLink:
    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        try:
            await self._socket.send_str(frame.decode())
        except (ConnectionError, RuntimeError) as error:
            raise LinkClosed(self._socket.close_code) from error

    async def receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            text: str = message.data
            return text
        raise LinkClosed(self._socket.close_code)

    async def close(self) -> None:
        await self._socket.close()
        await self._session.close()


def in_process(bridge: Bridge) -> Linker:
    """Connections inside the daemon's own process and event loop: the same frames, scopes and audit, no socket."""

    async def connect() -> Link:
        return _LocalLink(bridge)

    return connect


class _LocalWire:
    """The bridge's end: `phantom.bridge.connection.Wire`."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.unread = 0
        self.code: int | None = None

    def write(self, messages: bytes) -> None:
        for payload in _payloads(messages):
            self.unread += len(payload)
            self.frames.put_nowait(payload)

    def waiting(self) -> int:
        return self.unread

    def close(self, code: int, reason: str) -> None:
        self.code = code
        self.frames.put_nowait(None)

    def cut(self) -> None:
        self.frames.put_nowait(None)


class _LocalLink:
    """The app's end."""

    def __init__(self, bridge: Bridge) -> None:
        self._wire = _LocalWire()
        self._bridge = bridge
        self._connection = bridge.open(self._wire, "in-process")

    async def send(self, frame: bytes) -> None:
        if self._connection.closing:
            raise LinkClosed(self._wire.code)
        self._connection.receive(frame)

    async def receive(self) -> str | bytes:
        wire = self._wire
        frame = await wire.frames.get()
        if frame is None:
            wire.frames.put_nowait(None)
            raise LinkClosed(wire.code)
        wire.unread -= len(frame)
        return frame

    async def close(self) -> None:
        self._bridge.closed(self._connection)
        self._wire.cut()


def _payloads(messages: bytes) -> list[bytes]:
    """The texts inside whole, unmasked WebSocket messages (RFC 6455 §5.2)."""
    found, at = [], 0
    while at < len(messages):
        size, at = messages[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(messages[at : at + 2]), at + 2
        elif size == 127:
            size, at = int.from_bytes(messages[at : at + 8]), at + 8
        found.append(messages[at : at + size])
        at += size
    return found
