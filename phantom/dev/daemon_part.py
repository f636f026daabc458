"""The daemon inside the process: started, stopped hard and started again on the same data folder, as often as asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from phantom.clock import SystemClock
from phantom.daemon import load_config, make_channels
from phantom.dev import model_key
from phantom.errors import PhantomError
from phantom.redaction import Redactor
from phantom.service import Service


class DaemonPart:
    """One `Service` after another. `state`: stopped, starting, running. `failed` ends with what stops a daemon."""

    def __init__(self, variables: Mapping[str, str], config_dir: Path, redactor: Redactor) -> None:
        self._variables = dict(variables)
        self._config_dir = config_dir
        self._redactor = redactor
        self._service: Service | None = None
        self._watch: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()
        self.on_change: Callable[[], None] = lambda: None
        self.state = "stopped"
        self.starts = 0
        self.agent = ""
        self.port = 0
        self.failed: asyncio.Future[PhantomError] = asyncio.get_running_loop().create_future()

    @property
    def health_url(self) -> str:
        """The daemon's own status page."""
        return f"http://127.0.0.1:{self.port}/health"

    async def start(self) -> None:
        """Load the configuration and start, as `phantom start` does. Raises `ConfigError` or `StorageError`."""
        async with self._busy:
            if self._service is None:
                await self._start()

    async def stop(self, *, drain: bool) -> None:
        """Stop; without `drain` as abruptly as it goes in one process: turns are cut and resumed by the next start."""
        async with self._busy:
            await self._stop(drain=drain)

    async def restart(self) -> None:
        """Cut it off in the middle of whatever it does and start another one on the same data folder."""
        async with self._busy:
            await self._stop(drain=False)
            await self._start()

    async def _start(self) -> None:
        self._show("starting")
        clock = SystemClock()
        loaded = load_config(self._config_dir, self._variables, self._config_dir, clock)
        self._redactor.watch(loaded.secrets.known)
        await model_key.check(loaded, clock)
        service = Service(loaded, channels=make_channels, redactor=self._redactor, clock=clock, environ=self._variables)
        self._service = service
        self.agent = loaded.core.agent or loaded.core.model
        await service.start()
        self.starts += 1
        self.port = service.web.port
        # The next one listens where this one did, so that deliveries on their way find it.
        self._variables["PORT"] = str(self.port)
        self._watch = asyncio.create_task(self._watch_over(service), name="daemon watch")
        self._show("running")

    async def _watch_over(self, service: Service) -> None:
        error = await asyncio.shield(service.failed)
        if not self.failed.done():
            self.failed.set_result(error)

    async def _stop(self, *, drain: bool) -> None:
        service, self._service = self._service, None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait((watch,))
        if service is None:
            return
        self._show("stopped")
        if drain:
            await service.drain()
        await service.stop()

    def _show(self, state: str) -> None:
        self.state = state
        self.on_change()

    async def report(self) -> Mapping[str, object] | None:
        """The health document, None while stopped."""
        service = self._service
        if service is None or self.state != "running":
            return None
        report = await service.report()
        return {
            "ok": report.ok,
            "ready": report.ready,
            "name": report.name,
            "agent": report.agent,
            "turns": report.turns_running,
            "backlog": report.backlog,
            "channels": [
                {"name": one.name, "state": one.health.state, "detail": one.health.detail, "cure": one.health.cure}
                for one in report.channels
            ],
        }
