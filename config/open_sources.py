"""The sources that are open, by kind, and the background that keeps what they give fresh.

What does *not* live here: which of them a secret comes from (`secret_store.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

import structlog

from phantom.clock import Clock
from phantom.secret_sources import SecretOrigin

TICK_SECONDS = 1.0
"""How often the background looks for what is due; files are looked at each time."""
STOP_SECONDS = 5.0

log = structlog.get_logger(__name__)


class OpenSources:
    """`known` are open from the start, others are opened by `open_origin` when first asked for. Those of the kinds in
    `still` never change by themselves.
    """

    def __init__(
        self,
        known: Mapping[str, SecretOrigin],
        still: Collection[str],
        open_origin: Callable[[str], SecretOrigin],
        clock: Clock,
    ) -> None:
        self._origins = dict(known)
        self._still = frozenset(still)
        self._open_origin = open_origin
        self._clock = clock
        self._loops: dict[str, asyncio.Task[None]] | None = None
        self.broken: dict[str, str] = {}
        """What to say of sources with a bug, by kind."""

    def get(self, kind: str) -> SecretOrigin:
        """The source of that kind. Raises `ConfigError` when it cannot be opened."""
        if kind not in self._origins:
            self._origins[kind] = self._open_origin(kind)
            self._keep(kind)
        return self._origins[kind]

    def items(self) -> tuple[tuple[str, SecretOrigin], ...]:
        """Those that are open now."""
        return tuple(self._origins.items())

    def start(self) -> None:
        """Keep them fresh from now on."""
        if self._loops is None:
            self._loops = {}
            for kind in list(self._origins):
                self._keep(kind)

    async def reread(self) -> None:
        """Have each ask again for everything in use. Raises nothing."""
        asked = self.items()
        outcomes = await asyncio.gather(*(origin.reread() for _, origin in asked), return_exceptions=True)
        for (kind, _), outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._broke(kind, outcome)

    async def aclose(self) -> None:
        """Stop, and let each close what it has open."""
        loops, self._loops = self._loops or {}, None
        for task in loops.values():
            task.cancel()
        if loops:
            await asyncio.wait(loops.values(), timeout=STOP_SECONDS)
        for origin in self._origins.values():
            await origin.aclose()

    def _keep(self, kind: str) -> None:
        if self._loops is not None and kind not in self._still:
            task = asyncio.create_task(self._keep_fresh(self._origins[kind]), name=f"secrets {kind}")
            task.add_done_callback(lambda done: self._ended(kind, done))
            self._loops[kind] = task

    async def _keep_fresh(self, origin: SecretOrigin) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            await origin.tick()

    def _ended(self, kind: str, task: asyncio.Task[None]) -> None:
        """A plugin's source has a bug: the others live on, and it is told."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broke(kind, error)

    def _broke(self, kind: str, error: BaseException) -> None:
        self.broken[kind] = f"the secret source {kind} broke: {type(error).__name__}; restart the daemon"
        log.error("secret_source_broke", source=kind, error=type(error).__name__)
