"""discord.py's HTTP client, made to fit: another base address, quiet logs, no blind repetition, a watched socket.

Imported late, by the first call: it is the only module beside `gateway_client.py` that imports discord. What does
*not* live here: what is called (`rest.py`) and what an error means (`errors.py`).

Where a limit holds for the whole bot, discord.py shuts a gate, sleeps, and opens it again. A caller that is cancelled
during that sleep (a typing line that is given up) would leave it shut for ever, so the gate here opens by itself.

discord.py waits for its rate-limit buckets and repeats a request after 500, 502, 504 and 524 up to five times over
twenty-five seconds, holding its bucket. A post whose fate is unknown must be looked for instead, so an answer of that
kind ends the request here, in a session of our own around discord.py's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from discord import DiscordException, VoiceClient
from discord.gateway import ReconnectWebSocket
from discord.http import HTTPClient, Route
from yarl import URL

from channels.discord.errors import retry_after

MAX_RATELIMIT_SECONDS = 30.0
"""Longest wait for a bucket; beyond it the caller is told (discord.py's smallest bound)."""

GATEWAY_HOST = "gateway.discord.gg"
"""What discord.py falls back to for a fresh session."""


def _calmly(record: logging.LogRecord) -> bool:
    """A lost or refused connection, which discord.py opens again by itself, is no error with a traceback."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, OSError | aiohttp.ClientError | DiscordException | ReconnectWebSocket):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = f"{record.getMessage()} {type(error).__name__}", None
        record.exc_info = record.exc_text = None
    return True


logging.getLogger("discord").setLevel(logging.WARNING)
# Its lines quote request addresses, and those of interactions carry tokens; what is refused is told by us.
logging.getLogger("discord.http").setLevel(logging.CRITICAL)
logging.getLogger("discord.webhook").setLevel(logging.CRITICAL)
logging.getLogger("discord.shard").addFilter(_calmly)
VoiceClient.warn_nacl = VoiceClient.warn_dave = False
"""Phantom does not speak, so nothing is missing without their libraries."""

Seen = Callable[[aiohttp.ClientResponse], None]


class ServerTrouble(aiohttp.ClientError):
    """Discord answered 5xx: what was asked for may have been done."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class _Gate(asyncio.Event):
    """Shut while a limit holds for the whole bot; knows who waits to open it."""

    holder: asyncio.Task[Any] | None = None

    def clear(self) -> None:
        super().clear()
        self.holder = asyncio.current_task()

    def set(self) -> None:
        self.holder = None
        super().set()


class _Session:
    """discord.py's session with a look at each request and answer. (aiohttp's own tracing awaits seven signals a call,
    a tenth of what a call costs.) WebSockets and the rest are passed on as they are.
    """

    def __init__(self, session: aiohttp.ClientSession, answered: Callable[[aiohttp.ClientResponse, Any], None]) -> None:
        self._session = session
        self._answered = answered

    @asynccontextmanager
    async def request(
        self, method: str, url: str, *, trace_request_ctx: Any = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if trace_request_ctx is not None:
            trace_request_ctx.busy = True
        async with self._session.request(method, url, **options) as response:
            self._answered(response, trace_request_ctx)
            yield response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class PhantomHTTP(HTTPClient):
    """An `HTTPClient` for another base address. `seen` is told every answer's head."""

    _HTTPClient__session: Any
    """discord.py's own name for its session, made anew by each login."""

    def __init__(self, base_url: str, seen: Seen | None = None) -> None:
        super().__init__(asyncio.get_running_loop(), max_ratelimit_timeout=MAX_RATELIMIT_SECONDS)
        self.gateway_url = ""
        self.on_socket: Callable[[aiohttp.ClientWebSocketResponse], aiohttp.ClientWebSocketResponse] | None = None
        self._base = base_url
        self._seen = seen
        self._pause = 1.0
        self._opening = False

    async def static_login(self, token: str) -> Any:
        found = await super().static_login(token)
        self._guarded()
        return found

    async def open_without_token(self) -> None:
        """Make ready for calls that carry a token of their own in their address, and none of the bot's."""
        self._opening = True
        try:
            await super().static_login("")
        finally:
            self._opening = False
        self.token = None
        self._guarded()

    async def request(self, route: Route, **options: Any) -> Any:
        if self._opening:
            return {}  # who we are is not asked for
        session = self._HTTPClient__session
        if type(session) is not _Session:
            self._HTTPClient__session = _Session(session, self._answered)
        if route.url.startswith(Route.BASE):
            route.url = self._base + route.url[len(Route.BASE) :]
        try:
            return await super().request(route, **options)
        except asyncio.CancelledError:
            gate = self._global_over
            if isinstance(gate, _Gate) and gate.holder is asyncio.current_task():
                asyncio.get_running_loop().call_later(self._pause, gate.set)
            raise

    def _answered(self, response: aiohttp.ClientResponse, wire: Any) -> None:
        """An answer's head has come. Raises `ServerTrouble`."""
        if self._seen is not None:
            self._seen(response)
        if response.status == 429:
            if wire is not None:
                wire.busy = False
            self._pause = retry_after(response.headers.get("Retry-After", ""), longest=MAX_RATELIMIT_SECONDS)
        if response.status >= 500:
            response.close()
            raise ServerTrouble(response.status)

    def _guarded(self) -> None:
        self._global_over: asyncio.Event = _Gate()
        self._global_over.set()

    async def ws_connect(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        """discord.py names Discord's own gateway for a fresh session; behind another base it is that one's."""
        wanted = URL(url)
        if self.gateway_url and wanted.host == GATEWAY_HOST:
            wanted = URL(self.gateway_url).with_query(wanted.query)
        socket = await super().ws_connect(str(wanted), compress=compress)
        return socket if self.on_socket is None else self.on_socket(socket)
