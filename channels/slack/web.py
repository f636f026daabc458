"""Calls to Slack's Web API: one bot token, one HTTP session, one translation of errors.

What does *not* live here: what is said (`blocks.py`), and where files and answers may go (`hosts.py`). slack_sdk is
used without its retry handlers: it would re-send `chat.postMessage` after a lost answer and post twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from channels.slack import errors
from channels.slack.hosts import is_slack
from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import AuthError, ChannelError, ConnectError, Forbidden, PhantomError
from phantom.secrets import Secret

if TYPE_CHECKING:
    import aiohttp
    from slack_sdk.web.async_client import AsyncWebClient

_TRIES = 3
_BACKOFF = 0.25
_CONNECT_TIMEOUT = 5.0
_REFRESH_PAUSE = 10.0
_FETCH_SECONDS = 300.0
_DEFAULT_RETRY_AFTER = 1.0

# Read methods take form arguments only; the others take JSON, which has no trouble with long texts and nested blocks.
_FORM_METHODS = frozenset(
    {
        "auth.test",
        "users.info",
        "conversations.history",
        "conversations.replies",
        "files.getUploadURLExternal",
        "files.info",
        "reactions.get",
    }
)


class _Headers(Protocol):
    """Response headers, whatever the case of their names (aiohttp's `CIMultiDictProxy`)."""

    def get(self, key: str, default: str = "") -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSelf:
    """Who the bot token is: `auth.test`, and the scopes that the token has (`X-OAuth-Scopes`)."""

    team_id: str
    team_name: str
    user_id: str
    bot_id: str
    enterprise_id: str | None
    is_enterprise_install: bool
    scopes: frozenset[str]
    url: str


class SlackWeb:
    """The Web API with one token. Usable from one event loop; makes its session at the first call."""

    def __init__(self, *, token: Secret, base_url: str, clock: Clock, meter: Meter) -> None:
        self.base_url = base_url if base_url.endswith("/") else base_url + "/"
        self.clock_skew = 0.0
        """Seconds that this machine is ahead of Slack, by the `Date` of the last answer (to about a second)."""
        self._token = token
        self._clock = clock
        self._meter = meter
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None
        self._refreshing = asyncio.Lock()
        self._refused_at: tuple[int, float] | None = None

    async def call(
        self,
        method: str,
        params: Mapping[str, object],
        *,
        idempotent: bool = False,
        timeout: float = 10.0,  # noqa: ASYNC109 - one try's time, not the whole call's
    ) -> dict[str, Any]:
        """Slack's answer to `method`. Raises a `ChannelError` subclass; `DeliveryUnknown` when the call may have
        been done. Only an `idempotent` call is repeated after a lost answer. `timeout`: seconds for one try.
        """
        answer, _ = await self._answer(method, params, idempotent=idempotent, seconds=timeout)
        return answer

    async def auth_test(self) -> SlackSelf:
        """Prove the token. Raises `AuthError` when Slack refuses it or names no bot user."""
        data, headers = await self._answer("auth.test", {}, idempotent=True, seconds=10.0)
        if not data.get("user_id"):
            raise AuthError("auth.test returned no user_id; bot token may be revoked", hint="reinstall the app")
        scopes = (headers.get("X-OAuth-Scopes") or "").split(",")
        return SlackSelf(
            team_id=str(data.get("team_id") or ""),
            team_name=str(data.get("team") or ""),
            user_id=str(data["user_id"]),
            bot_id=str(data.get("bot_id") or ""),
            enterprise_id=str(data["enterprise_id"]) if data.get("enterprise_id") else None,
            is_enterprise_install=bool(data.get("is_enterprise_install")),
            scopes=frozenset(scope.strip() for scope in scopes if scope.strip()),
            url=str(data.get("url") or ""),
        )

    @asynccontextmanager
    async def fetch(self, address: str, *, silence: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET a file with the bearer, from Slack's own hosts only; redirects are not followed. `silence`: seconds
        without a byte; five minutes in all. Raises `Forbidden` for a foreign host, `ConnectError` when the line fails.
        """
        import aiohttp

        if not is_slack(address, self.base_url):
            raise Forbidden("the file's address is not on a Slack host", code="foreign_host")
        limit = aiohttp.ClientTimeout(total=_FETCH_SECONDS, sock_connect=_CONNECT_TIMEOUT, sock_read=silence)
        try:
            async with self._open().get(
                address, headers=self._bearer()[1], allow_redirects=False, timeout=limit
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectError("the file could not be read from Slack", code="download_failed") from error

    async def post(
        self, address: str, *, data: Any = None, json: Any = None, what: str, seconds: float = 10.0
    ) -> tuple[int, str]:
        """POST to an address that Slack gave us (response URL, upload URL), without the bearer; status and the first
        4 KiB of the answer. Raises `Forbidden` for a foreign host, `ConnectError` or `DeliveryUnknown`.
        """
        import aiohttp

        if not is_slack(address, self.base_url):
            raise Forbidden(f"the address for {what} is not on a Slack host", code="foreign_host")
        try:
            async with (
                asyncio.timeout(seconds),
                self._open().post(address, data=data, json=json, allow_redirects=False) as response,
            ):
                body = await response.content.read(4096)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._count(what, "unreachable")
            raise errors.refused_connection(what) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._count(what, "lost")
            raise errors.lost(what, f"the connection was lost during {what}", idempotent=False) from error
        self._count(what, "ok" if response.status == 200 else f"http_{response.status}")
        return response.status, body.decode("utf-8", "replace")

    async def aclose(self) -> None:
        """Close the session; the next call opens a new one."""
        session, self._session, self._client = self._session, None, None
        if session is not None:
            await session.close()

    async def _answer(
        self, method: str, params: Mapping[str, object], *, idempotent: bool, seconds: float
    ) -> tuple[dict[str, Any], _Headers]:
        """Try, refresh the token once if Slack refuses it, repeat an idempotent call while the line is bad."""
        refreshed, tries = False, 1
        while True:
            used, bearer = self._bearer()
            try:
                answer = await self._once(method, params, bearer, idempotent=idempotent, seconds=seconds)
            except AuthError as error:
                self._count(method, "auth_failed")
                if refreshed or not await self._renewed(used, error):
                    raise
                refreshed = True
            except ConnectError:
                self._count(method, "connect_failed")
                if not idempotent or tries >= _TRIES:
                    raise
                await self._clock.sleep(_BACKOFF * 2**tries)
                tries += 1
            except ChannelError as error:
                self._count(method, error.code)
                raise
            else:
                self._count(method, "ok")
                return answer

    async def _once(
        self, method: str, params: Mapping[str, object], bearer: dict[str, str], *, idempotent: bool, seconds: float
    ) -> tuple[dict[str, Any], _Headers]:
        import aiohttp
        from slack_sdk.errors import SlackApiError

        body: dict[str, Any] = {name: value for name, value in params.items() if value is not None}
        sent = {"data": _as_form(body)} if method in _FORM_METHODS else {"json": body}
        try:
            async with asyncio.timeout(seconds):
                response = await self._sdk().api_call(method, headers=bearer, **sent)
        except SlackApiError as error:
            # Not chained: the SDK's message quotes the response body and it holds the request with its bearer.
            raise self._refusal(method, error.response, idempotent=idempotent) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise errors.refused_connection(method) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise errors.lost(method, f"no answer from Slack to {method}", idempotent=idempotent) from error
        except (AttributeError, TypeError, ValueError):
            # The SDK trips over an answer that is no JSON object; such an answer proves nothing either way.
            raise errors.lost(method, f"Slack's answer to {method} is no JSON object", idempotent=idempotent) from None
        headers = cast(_Headers, response.headers)
        self._watch_clock(headers)
        return dict(cast(dict[str, Any], response.data)), headers

    def _refusal(self, method: str, response: Any, *, idempotent: bool) -> ChannelError:
        """The error in an answer of the SDK's, or in the raw HTTP answer that it gives for a broken body."""
        headers = cast(_Headers, response.headers)
        self._watch_clock(headers)
        status = getattr(response, "status_code", None) or response.status
        data = getattr(response, "data", None)
        wait = _seconds(headers.get("Retry-After"))
        code = data.get("error") if isinstance(data, dict) else None
        if isinstance(data, dict) and isinstance(code, str) and code and (status < 500 or code in errors.AUTH):
            return errors.from_answer(method, errors.plain_code(code), data, retry_after=wait, idempotent=idempotent)
        return errors.from_status(method, status, retry_after=wait, idempotent=idempotent)

    async def _renewed(self, used: str, refusal: AuthError) -> bool:
        """Whether the secret now has another value than the refused one. Asks its origin at most every ten seconds."""
        async with self._refreshing:
            now = self._clock.monotonic()
            asked_lately = (
                self._refused_at is not None
                and self._refused_at[0] == hash(used)
                and (now - self._refused_at[1] < _REFRESH_PAUSE)
            )
            try:
                if self._token.reveal() == used and not asked_lately:
                    self._refused_at = (hash(used), now)
                    await self._token.refresh()
                return self._token.reveal() != used
            except PhantomError as error:
                raise refusal from error

    def _bearer(self) -> tuple[str, dict[str, str]]:
        token = self._token.reveal()
        return token, {"Authorization": f"Bearer {token}"}

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None or self._session.closed:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)
            self._session = aiohttp.ClientSession(timeout=limits, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _sdk(self) -> AsyncWebClient:
        session = self._open()
        if self._client is None or self._client.session is not session:
            from slack_sdk.web.async_client import AsyncWebClient

            # The SDK logs request bodies at DEBUG; a logger of its own level keeps them out of every log. A proxy is
            # named and taken away again because without one the SDK would read it from the environment.
            quiet = logging.getLogger("phantom.slack.sdk")
            quiet.setLevel(logging.WARNING)
            self._client = AsyncWebClient(
                base_url=self.base_url, session=session, proxy="http://none.invalid", retry_handlers=[], logger=quiet
            )
            self._client.proxy = None
        return self._client

    def _watch_clock(self, headers: _Headers) -> None:
        date = headers.get("Date")
        if not date:
            return
        try:
            self.clock_skew = self._clock.now() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            self.clock_skew = 0.0

    def _count(self, method: str, outcome: str) -> None:
        self._meter.count("phantom_api_requests_total", channel="slack", method=method, outcome=outcome)


def _as_form(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in body.items()}


def _seconds(header: str | None) -> float:
    """`Retry-After` in seconds; a missing or odd one means a second."""
    if header and header.isascii() and header.isdigit():
        return max(float(header[:6]), _DEFAULT_RETRY_AFTER)
    return _DEFAULT_RETRY_AFTER
