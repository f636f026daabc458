"""The secrets of a running daemon: their inventory is kept, shown and measured, and SIGHUP looks at all of them again.

What does *not* live here: where secrets come from and what the inventory says of them (`config/`, reached through the
protocols below), and the signal handler itself (`service.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from phantom.errors import ConfigError
from phantom.metrics import PrometheusMeter

log = structlog.get_logger("phantom.daemon")


class Inventory(Protocol):
    """What is kept of the secrets (`config.inventory_keeper.InventoryKeeper`)."""

    async def open(self) -> None: ...

    async def run(self) -> None: ...

    async def look(self) -> None: ...

    async def aclose(self) -> None: ...

    def warnings(self) -> Sequence[str]:
        """What is overdue or malformed, fit for print."""
        ...

    def ages(self) -> Mapping[str, tuple[float, float | None]]:
        """By name: age, and seconds until due (None: never)."""
        ...


class Reread(Protocol):
    """What looking again brought (`config.rereading.Reread`): names only."""

    @property
    def changed(self) -> Sequence[str]: ...

    @property
    def failed(self) -> Sequence[str]: ...

    @property
    def gone(self) -> Sequence[str]: ...

    @property
    def need_restart(self) -> Sequence[str]: ...

    @property
    def error(self) -> ConfigError | None: ...


class SecretUpkeep:
    """`hang_up` is what a SIGHUP does; `reread` looks at every secret again, wherever it comes from."""

    def __init__(
        self, inventory: Inventory | None, reread: Callable[[], Awaitable[Reread]], meter: PrometheusMeter
    ) -> None:
        self._inventory = inventory
        self._reread = reread
        self._meter = meter
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Keep the inventory until cancelled. It begins behind the start, which waits for no disk on its account."""
        if self._inventory is not None:
            await self._inventory.open()
            await self._inventory.run()

    def hang_up(self) -> None:
        """A SIGHUP came. Several at once are one."""
        self._asked.set()

    async def obey(self) -> None:
        """Look at everything again whenever asked to, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            found = await self._reread()
            if self._inventory is not None:
                await self._inventory.look()
            _tell(found)

    def warnings(self) -> tuple[str, ...]:
        """What is overdue or malformed."""
        return () if self._inventory is None else tuple(self._inventory.warnings())

    def scrape(self) -> None:
        """Set the gauges."""
        ages = {} if self._inventory is None else self._inventory.ages()
        self._meter.series("phantom_secret_age_seconds", {name: age for name, (age, _) in ages.items()})
        self._meter.series(
            "phantom_secret_due_seconds", {name: due for name, (_, due) in ages.items() if due is not None}
        )

    async def aclose(self) -> None:
        """Keep what is known."""
        if self._inventory is not None:
            await self._inventory.aclose()


def _tell(found: Reread) -> None:
    if found.error is not None:
        log.error("configuration_not_reread", where=found.error.where, what=found.error.message, cure=found.error.hint)
    log.info("secrets_reread", changed=list(found.changed), failed=list(found.failed))
    if found.gone:
        log.warning("secrets_gone_but_in_use", places=list(found.gone), cure="restart the daemon to let go of them")
    if found.need_restart:
        log.warning("settings_need_restart", settings=list(found.need_restart))
