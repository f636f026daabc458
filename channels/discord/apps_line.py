"""Calls to Discord on behalf of bridge apps: the channel's own client, so that all share what is known of rate limits,
but never so many at once that the agent has to wait behind them.

At most `SLOTS` calls of apps are under way for one channel or server (answers to interactions do not count: Discord
gives each its own); an app that has waited for ten seconds is told so.
What does *not* live here: what is called (`apps_actions_*.py`), fairness between apps (the bridge).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from channels.discord.apps_refusals import INTERNAL, UNAVAILABLE, busy, refusal
from channels.discord.decode import JSON
from channels.discord.rest import DiscordRest, Wire
from phantom.apps import ActionRefused
from phantom.errors import AuthError, ChannelError

SLOTS = 4
WAIT_SECONDS = 10.0
_AGAIN_SECONDS = 5.0
_MAJOR = ("channel_id", "guild_id")
"""Parts of an address that Discord counts separately."""
_HOOKED = frozenset({"webhook_token", "interaction_token"})


class Line:
    """One for the life of the channel. `wait`: how many seconds a call may take in all."""

    def __init__(self, rest: DiscordRest, wait: float = WAIT_SECONDS) -> None:
        self._rest = rest
        self._wait = wait
        self._slots: dict[str, _Slots] = {}

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        reason: str | None = None,
        repeatable: bool | None = None,
        **route: Any,
    ) -> Any:
        """Discord's answer. Raises `ActionRefused`, and `AuthError` when the bot's own token is refused. `repeatable`:
        whether doing it twice is doing it once; when not said, everything but POST and DELETE is.
        """
        again = method not in ("POST", "DELETE") if repeatable is None else repeatable
        wire = Wire()
        try:
            async with asyncio.timeout(self._wait), self._slot(route):
                return await self._rest.call(
                    method, path, json=json, params=params, idempotent=again, reason=reason, wire=wire, **route
                )
        except TimeoutError:
            if wire.busy and not again:
                raise ActionRefused(
                    UNAVAILABLE,
                    f"Discord did not answer {method} {path} within {self._wait:g} s; it may have been done",
                    hint="look whether it was done before you ask again",
                    unknown=True,
                ) from None
            raise busy(f"Discord's rate limit for {method} {path} is used up, or it is slow", _AGAIN_SECONDS) from None
        except AuthError:
            raise
        except ChannelError as error:
            raise refusal(error) from None

    async def object(self, method: str, path: str, **options: Any) -> JSON:
        """The same where Discord answers with an object."""
        found = await self.call(method, path, **options)
        if not isinstance(found, dict):
            raise ActionRefused(
                INTERNAL, f"Discord's answer to {method} {path} makes no sense", unknown=method == "POST"
            )
        return found

    @asynccontextmanager
    async def _slot(self, route: Mapping[str, Any]) -> AsyncIterator[None]:
        if not _HOOKED.isdisjoint(route):
            yield
            return
        key = next((route[name] for name in _MAJOR if name in route), "")
        slots = self._slots.setdefault(key, _Slots())
        slots.users += 1
        try:
            async with slots.free:
                yield
        finally:
            slots.users -= 1
            if not slots.users:
                self._slots.pop(key, None)


@dataclass(slots=True)
class _Slots:
    """Of one channel or server. `users` have one or wait for one."""

    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SLOTS))
    users: int = 0
