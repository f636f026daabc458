"""Asking for a secret again after a failed signature: at most once in a while, once for all who wait.

What does *not* live here: what a signature is (`verify.py`) and how a secret is fetched (`config/`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from phantom.clock import Clock
from phantom.errors import MetadataError, SecretError

log = structlog.get_logger(__name__)

INTERVAL = 10.0
"""Seconds between two looks at the origin, so that forged posts cannot make Phantom hammer the metadata service."""

MAX_WAITING = 64
"""Posts that may wait for one look; their bodies are held meanwhile."""


class Recheck:
    """Runs `refresh` for whoever calls `after_refresh`, joined while one is under way. Its result says whether anything
    changed; then the next look may follow at once.
    """

    def __init__(self, refresh: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._refresh = refresh
        self._clock = clock
        self._last: float | None = None
        self._waiting: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    def after_refresh(self, then: Callable[[], None]) -> bool:
        """Call `then` on the loop once the secret was read again. False when it was read a moment ago already."""
        if self._task is None:
            now = self._clock.monotonic()
            if self._last is not None and now - self._last < INTERVAL:
                return False
            self._last = now
            self._task = asyncio.get_running_loop().create_task(self._run(), name="slack-secret-recheck")
        elif len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(then)
        return True

    async def _run(self) -> None:
        try:
            if await self._refresh():
                self._last = (
                    None  # a look that found something is no forger's doing: the next rotation may come at once
                )
        except (MetadataError, SecretError) as error:
            log.warning("signing_secret_refresh_failed", channel="slack", code=error.code, detail=error.message)
        finally:
            waiting, self._waiting, self._task = self._waiting, [], None
            for then in waiting:
                then()
