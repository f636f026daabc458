"""A client for posts to addresses that strangers name: what is checked is what is connected to.

Names are resolved here and nowhere else, once for each connection; every address that comes out must be public, and the
connection goes to one of these very addresses, under the name (TLS is checked against it). No proxy, no redirect, no
cookies; of the answer only its status is read. What does *not* live here: retries (`callbacks.py`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from channels.webhook.addresses import is_loopback, is_public

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0

_NAMES = ThreadPoolExecutor(32, thread_name_prefix="callback-names")
"""Of their own: names that strangers pick, whose servers never answer, must not keep Slack's from being asked."""

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name. Raises `OSError`."""


class AddressRefused(OSError):
    """A name that leads to an address that is not public. Never connected to."""


class NotReached(Exception):
    """No answer came. `refused`: the address is one that callbacks may not go to."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class Poster(Protocol):
    """What sends one post."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Status and `Retry-After` of the answer. Raises `NotReached`."""
        ...


async def system_lookup(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_NAMES, ask)
    return [str(address[4][0]) for address in found]


class _Resolver(AbstractResolver):
    def __init__(self, lookup: Lookup, may: Callable[[str], bool]) -> None:
        self._lookup = lookup
        self._may = may

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookup(host, port)
        if not found:
            raise OSError("the name has no address")
        if not all(self._may(address) for address in found):
            raise AddressRefused("the name has an address that is not public")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


class PinnedClient:
    """A `Poster`. `insecure` lets it reach this machine itself too. `ssl_context` and `lookup` are for tests."""

    def __init__(
        self,
        *,
        insecure: bool = False,
        lookup: Lookup = system_lookup,
        ssl_context: ssl.SSLContext | None = None,
        socket_of: Callable[[int, int, int], socket.socket] = socket.socket,
    ) -> None:
        self._insecure = insecure
        self._lookup = lookup
        self._ssl = ssl_context
        self._socket_of = socket_of
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Status and `Retry-After` of the answer. Raises `NotReached`."""
        try:
            async with self._opened().post(
                url, data=body, headers={"Content-Type": "application/json", **headers}, allow_redirects=False
            ) as answer:
                return answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError as error:
            raise NotReached("timeout") from error
        except aiohttp.ClientError as error:
            refused = _caused_by_refusal(error)
            raise NotReached("address_refused" if refused else "not_reached", refused=refused) from error
        except (ValueError, OSError) as error:
            raise NotReached("not_reached") from error

    async def aclose(self) -> None:
        """Close connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Resolver(self._lookup, self._may),
                use_dns_cache=False,
                force_close=True,
                limit=0,  # `callbacks.py` bounds them, endpoint by endpoint
                ssl=self._ssl if self._ssl is not None else True,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": "Phantom-Webhook"},
            )
        return self._session

    def _may(self, address: str) -> bool:
        return is_public(address) or (self._insecure and is_loopback(address))

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last gate: a socket is made for one address, and this is the one. Also for hosts that are addresses."""
        family, kind, protocol, _, address = info
        if not self._may(str(address[0])):
            raise AddressRefused("the address is not public")
        return self._socket_of(family, kind, protocol)


def _caused_by_refusal(error: BaseException | None) -> bool:
    """Whether our own refusal is in the chain of causes."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, AddressRefused) or isinstance(getattr(error, "os_error", None), AddressRefused):
            return True
        if isinstance(error, BaseExceptionGroup) and any(_caused_by_refusal(one) for one in error.exceptions):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False
