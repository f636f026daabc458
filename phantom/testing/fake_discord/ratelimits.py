"""Request budgets and the headers that tell of them. Generous unless told otherwise.

Facts: docs.discord.com, "Rate Limits": a bucket is a route and its major parameter (channel, guild or webhook); every
answer carries `X-RateLimit-*`; beyond it 429 with `Retry-After`, and `global` in the body when all routes are meant.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from phantom.clock import Clock
from phantom.testing.fake_discord.model import JSON

_GENEROUS = (10_000, 1.0)
_MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token")


@dataclass(slots=True)
class _Window:
    ends: float
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A 429: `retry_after` in seconds; `scope` is `user`, `global` or `shared`."""

    retry_after: float
    scope: str = "user"

    @property
    def body(self) -> JSON:
        """What the answer says."""
        return {
            "message": "You are being rate limited.",
            "retry_after": self.retry_after,
            "global": self.scope == "global",
        }

    @property
    def headers(self) -> dict[str, str]:
        """`Via` is there as clients take a 429 without it for a ban by the proxy in front of Discord."""
        shown = {
            "Retry-After": str(math.ceil(self.retry_after)),
            "X-RateLimit-Scope": self.scope,
            "Via": "1.1 google",
        }
        return shown | ({"X-RateLimit-Global": "true"} if self.scope == "global" else {})


class RateLimits:
    """Fixed windows per bucket."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits: dict[str, tuple[int, float]] = {}
        self._global: tuple[int, float] | None = None
        self._windows: dict[str, _Window] = {}

    def limit(self, route: str, requests: int, per: float) -> None:
        """Allow `requests` in `per` seconds for each bucket of a route."""
        self._limits[route] = (requests, per)

    def limit_global(self, requests: int, per: float = 1.0) -> None:
        """Allow `requests` in `per` seconds over all routes, except interaction callbacks and webhooks."""
        self._global = (requests, per)

    def clear(self) -> None:
        """Back to generous."""
        self._limits.clear()
        self._windows.clear()
        self._global = None

    def take(self, route: str, params: dict[str, str], *, counted_globally: bool) -> tuple[Refusal | None, JSON]:
        """(why not, headers) of one request."""
        if self._global is not None and counted_globally:
            window = self._window("*", self._global[1])
            if window.used >= self._global[0]:
                return Refusal(retry_after=self._left(window), scope="global"), {}
            window.used += 1
        requests, per = self._limits.get(route, _GENEROUS)
        major = ":".join(params.get(name, "") for name in _MAJOR)
        window = self._window(f"{route}:{major}", per)
        refusal = Refusal(retry_after=self._left(window)) if window.used >= requests else None
        if refusal is None:
            window.used += 1
        left = self._left(window)
        return refusal, {
            "X-RateLimit-Limit": str(requests),
            "X-RateLimit-Remaining": str(requests - window.used),
            "X-RateLimit-Reset": f"{self._clock.now() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": bucket_of(route),
        }

    def _window(self, key: str, per: float) -> _Window:
        now = self._clock.monotonic()
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            window = self._windows[key] = _Window(now + per, 0)
        return window

    def _left(self, window: _Window) -> float:
        left = window.ends - self._clock.monotonic()
        return max(0.001, math.ceil(round(left * 1000, 3)) / 1000)  # never too little: who waits so long gets through


def bucket_of(route: str) -> str:
    """The opaque name of a route's bucket."""
    return hashlib.blake2s(route.encode(), digest_size=16).hexdigest()
