"""One careful HTTP client for the metadata service. Knows its transport rules, not its routes.

No proxy, no redirect, no cookie, no compression; connect within 2 s and finish within 5 s; three tries, only after
connection errors and 5xx; the answer is bounded before it is read. Errors carry the status, never the body.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.urls import base_url
from phantom.clock import Clock
from phantom.errors import MetadataError

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession

MAX_BYTES = 64 * 1024
TRIES = 3
_FIRST_PAUSE = 0.1
_UNREACHABLE = "is PHANTOM_METADATA_URL right, and may this machine reach it?"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataAnswer:
    """An accepted answer. `body` is at most 64 KiB and never shown."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"MetadataAnswer(status={self.status})"


class _Retry(Exception):
    """This try failed in a way that deserves another one."""

    def __init__(self, error: MetadataError) -> None:
        super().__init__()
        self.error = error


class _Broken(Exception):
    """The connection broke after it stood."""


async def _no_hidden_retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """aiohttp repeats an idempotent request by itself when its connection breaks; here the tries are counted."""
    import aiohttp

    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        raise _Broken from None


class MetadataClient:
    """Requests to one base address. Opens its session at the first request; `aclose` when done.

    `connect_seconds` and `total_seconds` bound each try; `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        connect_seconds: float = 2.0,
        total_seconds: float = 5.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.url = base_url(url)
        self._clock = clock
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._jitter = jitter
        self._session: ClientSession | None = None

    async def get(self, path: str, *, action: str, etag: str = "") -> MetadataAnswer:
        """A 200, or a 304 where `etag` was sent or not. `action` ("fetch identity") names the request in errors.

        Raises `MetadataError`, its text `metadata: <action> failed: <status or reason>`.
        """
        headers = {"If-None-Match": f'"{etag}"'} if etag else {}
        return await self._request("GET", path, action=action, headers=headers, accept=(200, 304))

    async def post(self, path: str, payload: bytes, *, action: str) -> None:
        """Send JSON and expect a 2xx. Raises `MetadataError`."""
        headers = {"Content-Type": "application/json"}
        await self._request("POST", path, action=action, headers=headers, accept=(200, 201, 202, 204), data=payload)

    async def aclose(self) -> None:
        """Close all connections. A later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        action: str,
        headers: Mapping[str, str],
        accept: tuple[int, ...],
        data: bytes | None = None,
    ) -> MetadataAnswer:
        pause = _FIRST_PAUSE
        for left in range(TRIES - 1, -1, -1):
            try:
                return await self._try(method, path, action, headers, accept, data)
            except _Retry as again:
                if not left:
                    raise again.error from again.error.__cause__
            await self._clock.sleep(pause * (0.5 + self._jitter()))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    async def _try(
        self,
        method: str,
        path: str,
        action: str,
        headers: Mapping[str, str],
        accept: tuple[int, ...],
        data: bytes | None,
    ) -> MetadataAnswer:
        import aiohttp

        try:
            async with self._opened().request(
                method, self.url + path, headers=headers, data=data, allow_redirects=False
            ) as response:
                return await self._accepted(response, action, accept)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise _Retry(_failed(action, "no connection", retryable=True, hint=_UNREACHABLE)) from error
        except TimeoutError:
            raise _failed(action, f"no answer within {self._total_seconds:g} s", retryable=True) from None
        except (_Broken, aiohttp.ClientOSError, aiohttp.ClientPayloadError):
            raise _Retry(_failed(action, "the connection broke", retryable=True)) from None
        except aiohttp.ClientError:
            # What remains is an answer that is not HTTP; the exception quotes it.
            raise _failed(action, "the answer is not HTTP", retryable=True) from None

    async def _accepted(self, response: ClientResponse, action: str, accept: tuple[int, ...]) -> MetadataAnswer:
        status = response.status
        if status not in accept:
            response.close()
            error = _failed(action, f"HTTP {status}", status=status, retryable=status >= 500 or status == 429)
            if status >= 500:
                raise _Retry(error)
            raise error
        body = await _bounded(response, action)
        return MetadataAnswer(status=status, headers=response.headers, body=body)

    def _opened(self) -> ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=self._total_seconds, connect=self._connect_seconds, sock_connect=self._connect_seconds
                ),
                trust_env=False,
                middlewares=(_no_hidden_retry,),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "phantom"},
            )
        return self._session


async def _bounded(response: ClientResponse, action: str) -> bytes:
    """The body, refused as soon as it is known to be larger than the bound."""
    declared = response.content_length or 0
    data = bytearray()
    if declared <= MAX_BYTES:
        while len(data) <= MAX_BYTES:
            chunk = await response.content.read(MAX_BYTES + 1 - len(data))
            if not chunk:
                return bytes(data)
            data += chunk
    response.close()
    raise _failed(action, f"the answer is larger than {MAX_BYTES // 1024} KiB", retryable=True)


def _failed(
    action: str, reason: str, *, status: int | None = None, retryable: bool = False, hint: str = ""
) -> MetadataError:
    return MetadataError(f"metadata: {action} failed: {reason}", status=status, retryable=retryable, hint=hint)
