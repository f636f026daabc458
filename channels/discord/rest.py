"""Discord's REST API with the bot token: one `call`, errors translated, the token always the current one.

What does *not* live here: what is said over it (`egress.py` and its neighbours). Rate limits are discord.py's buckets,
so that one channel's 429 makes only that channel wait; a limit that lasts longer is reported instead of waited out.
Answers to interactions go over a client of their own: they carry their own token instead of the bot's, and a limit on
the whole bot does not hold for them, so a storm elsewhere cannot cost them their three seconds.
https://docs.discord.com/developers/topics/rate-limits#global-rate-limit
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from channels.discord import errors
from channels.discord.answered import noted
from channels.discord.hosts import is_discord
from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import AuthError, ChannelError, ConnectError, Forbidden, PhantomError
from phantom.secrets import Secret

if TYPE_CHECKING:
    import aiohttp

    from channels.discord.http_client import PhantomHTTP

_TRIES = 3
_BACKOFF = 0.25
_REFRESH_PAUSE = 10.0
_CONNECT_SECONDS = 5.0
_FETCH_SECONDS = 300.0
_MAX_RETRY_AFTER = 86_400.0
_OWN_TOKEN = frozenset({"interaction_token", "webhook_token"})
"""Parts of an address that speak for themselves."""


@dataclass(slots=True)
class Wire:
    """Whether a request has left whose answer is not there yet. One that was answered 429 has done nothing."""

    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordSelf:
    """Who the bot token is. `flags` are the application's (which privileged intents are switched on); `verify_key` is
    its public key in hex.
    """

    user_id: str
    name: str
    application_id: str
    application_name: str
    verify_key: str
    flags: int
    guild_count: int | None = None


class DiscordRest:
    """One token's calls. Usable from one event loop; opens its session at the first call."""

    def __init__(self, *, token: Secret, base_url: str, clock: Clock, meter: Meter) -> None:
        self.base_url = base_url
        self.clock_skew = 0.0
        """Seconds that this machine is ahead of Discord, by the `Date` of the last answer (to about a second)."""
        self._token = token
        self._clock = clock
        self._meter = meter
        self._http: PhantomHTTP | None = None
        self._hook: PhantomHTTP | None = None
        self._fetching: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._date = ""
        self._refused_at: tuple[int, float] | None = None
        self._refreshing = asyncio.Lock()

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        form: Sequence[dict[str, Any]] | None = None,
        idempotent: bool = False,
        seconds: float = 15.0,
        reason: str | None = None,
        wire: Wire | None = None,
        **route: str,
    ) -> Any:
        """Discord's answer to `method path`, `{name}` in the path filled from `route`. Raises a `ChannelError`
        subclass; `DeliveryUnknown` when the call may have been done. Only an `idempotent` call is repeated after a
        lost answer. `seconds` bounds one try on the wire, not the wait for a rate limit. `reason` is for the server's
        audit log; `wire` is told whether a request is under way.
        """
        call = f"{method} {path}"
        given = {"json": json, "params": params, "form": form, "reason": reason, "trace_request_ctx": wire}
        options = {name: value for name, value in given.items() if value is not None}
        refreshed, tries = False, 1
        while True:
            used = self._token.reveal()
            try:
                answer = await self._once(call, method, path, route, options, idempotent=idempotent, seconds=seconds)
            except AuthError as error:
                self._count(call, "auth_failed")
                if refreshed or not await self._renewed(used, error):
                    raise
                refreshed = True
            except ConnectError:
                self._count(call, "connect_failed")
                if not idempotent or tries >= _TRIES:
                    raise
                await self._clock.sleep(_BACKOFF * 2**tries)
                tries += 1
            except ChannelError as error:
                self._count(call, error.code)
                raise
            else:
                self._count(call, "ok")
                return answer

    async def whoami(self) -> DiscordSelf:
        """Prove the token. Raises `AuthError` when Discord refuses it."""
        me = await self.call("GET", "/users/@me", idempotent=True)
        app = await self.call("GET", "/applications/@me", idempotent=True)
        if not isinstance(me, dict) or not isinstance(app, dict) or not me.get("id") or not app.get("id"):
            raise ConnectError("Discord did not say who the bot token is", hint="check DISCORD_API_BASE_URL")
        guilds = app.get("approximate_guild_count")
        return DiscordSelf(
            user_id=str(me["id"]),
            name=str(me.get("username") or ""),
            application_id=str(app["id"]),
            application_name=str(app.get("name") or ""),
            verify_key=str(app.get("verify_key") or ""),
            flags=int(app.get("flags") or 0),
            guild_count=guilds if isinstance(guilds, int) else None,
        )

    @asynccontextmanager
    async def fetch(self, address: str, *, silence: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET a file from Discord's hosts only, without the token; redirects are not followed. `silence`: seconds
        without a byte; five minutes in all. Raises `Forbidden` for a foreign host, `ConnectError` when the line fails.
        """
        import aiohttp

        if not is_discord(address, self.base_url):
            raise Forbidden("the file's address is not on a host of Discord's", code="foreign_host")
        limit = aiohttp.ClientTimeout(total=_FETCH_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=silence)
        if self._fetching is None or self._fetching.closed:
            self._fetching = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._fetching.get(address, allow_redirects=False, timeout=limit) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectError("the file could not be read from Discord", code="download_failed") from error

    async def aclose(self) -> None:
        """Close the sessions; the next call opens a new one."""
        clients, self._http, self._hook = (self._http, self._hook), None, None
        fetching, self._fetching = self._fetching, None
        for http in clients:
            if http is not None:
                await http.close()
        if fetching is not None:
            await fetching.close()

    async def _once(
        self,
        call: str,
        method: str,
        path: str,
        route: Mapping[str, str],
        options: dict[str, Any],
        *,
        idempotent: bool,
        seconds: float,
    ) -> Any:
        import aiohttp
        import discord
        from discord.http import Route

        from channels.discord.http_client import ServerTrouble

        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        hooked = not _OWN_TOKEN.isdisjoint(route)
        try:
            http = await self._open(hooked=hooked)
            if not hooked:
                http.token = self._token.reveal()
            return await http.request(Route(method, path, **route), timeout=limits, **options)
        # Not chained: these exceptions quote bodies and addresses, and an interaction's address carries its token.
        except discord.LoginFailure:
            raise errors.from_answer(call, 401, 0, retry_after=0.0, idempotent=idempotent) from None
        except discord.RateLimited as error:
            raise errors.limited(call, min(error.retry_after, _MAX_RETRY_AFTER)) from None
        except discord.HTTPException as error:
            if hooked and error.status == 401:
                raise noted(errors.expired(call, error.code), error.status, error.code) from None
            found = errors.from_answer(call, error.status, error.code, retry_after=_wait(error), idempotent=idempotent)
            raise noted(found, error.status, error.code, getattr(error, "_errors", None)) from None
        except ServerTrouble as error:
            found = errors.from_answer(call, error.status, 0, retry_after=1.0, idempotent=idempotent)
            raise noted(found, error.status, 0) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise errors.refused_connection(call) from None
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            raise errors.lost(call, f"no answer from Discord to {call}", idempotent=idempotent) from None
        except (KeyError, TypeError, ValueError):
            # discord.py trips over an answer that is not what its head says; it proves nothing either way.
            raise errors.lost(call, f"Discord's answer to {call} makes no sense", idempotent=idempotent) from None

    async def _open(self, *, hooked: bool) -> PhantomHTTP:
        if (known := self._hook if hooked else self._http) is not None:
            return known
        async with self._opening:
            if (known := self._hook if hooked else self._http) is not None:
                return known
            from channels.discord.http_client import PhantomHTTP

            http = PhantomHTTP(self.base_url, self._seen)
            try:
                await (http.open_without_token() if hooked else http.static_login(self._token.reveal()))
            except BaseException:
                await http.close()
                raise
            if hooked:
                self._hook = http
            else:
                self._http = http
            return http

    async def _renewed(self, used: str, refusal: AuthError) -> bool:
        """Whether the secret now has another value than the refused one. Asks its origin at most every ten seconds,
        once for all calls that were refused together.
        """
        async with self._refreshing:
            now = self._clock.monotonic()
            lately = (
                self._refused_at is not None
                and self._refused_at[0] == hash(used)
                and now - self._refused_at[1] < _REFRESH_PAUSE
            )
            try:
                if self._token.reveal() == used and not lately:
                    self._refused_at = (hash(used), now)
                    await self._token.refresh()
                return self._token.reveal() != used
            except PhantomError as error:
                raise refusal from error

    def _seen(self, response: aiohttp.ClientResponse) -> None:
        date = response.headers.get("Date")
        if not date or date == self._date:
            return
        self._date = date  # it names a second: the first answer of each is enough
        try:
            self.clock_skew = self._clock.now() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            self.clock_skew = 0.0

    def _count(self, call: str, outcome: str) -> None:
        self._meter.count("phantom_api_requests_total", channel="discord", method=call, outcome=outcome)


def _wait(error: Any) -> float:
    return errors.retry_after(error.response.headers.get("Retry-After", ""), longest=_MAX_RETRY_AFTER)
