"""The bridge as a part of the daemon's life: whether there is one, what keeps it from serving, its end.

Imports the bridge only where one is wanted. What does *not* live here: the bridge (`phantom/bridge/`), when the daemon
starts and stops what (`service.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from phantom.apps import SupportsApps
from phantom.errors import ConfigError
from phantom.health import BridgeReport
from phantom.journal import Journal

if TYPE_CHECKING:
    from phantom.bridge.setup import BridgeService
    from phantom.service import Service

log = structlog.get_logger("phantom.bridge")


class BridgeHost:
    """Holds the daemon's bridge, if any. `settings` is `config.bridge_settings.BridgeSettings`."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._bridge: BridgeService | None = None
        self._error: ConfigError | None = None

    async def open(self, daemon: Service, journal: Journal) -> None:
        """Let other programs in, where that is wanted. What is wrong with it keeps only the bridge from serving."""
        settings = self._settings
        made = (daemon.folder.path / "bridge" / "secrets.json").exists()
        if settings.enabled == "false" or (settings.enabled == "auto" and not settings.secrets and not made):
            return
        from phantom.bridge.setup import open_bridge

        lending: dict[str, SupportsApps] = {}
        for name, channel in daemon.channels.items():
            if isinstance(channel, SupportsApps):
                lending.setdefault(daemon.config.channels[name].kind, channel)
        try:
            self._bridge = await open_bridge(
                settings,
                channels=lending,
                data_dir=daemon.folder.path,
                host=daemon.core.host,
                web=daemon.web,
                clock=daemon.clock,
                meter=daemon.meter,
                journal=journal,
                outgoing=daemon.outgoing,
            )
            daemon.encryption.look_after(self._bridge.seals)
        except ConfigError as error:
            self._error = error
            log.error("bridge_disabled", where=error.where, what=error.message, cure=error.hint)

    def report(self) -> BridgeReport | None:
        """For `/health`; None where no bridge is wanted."""
        if self._bridge is not None:
            return self._bridge.report()
        error = self._error
        if error is None:
            return None
        return BridgeReport(state="disabled", trouble=f"{error.where}: {error.message}", cure=error.hint)

    def uses_of(self, secret_id: str) -> int:
        """How often an app logged in or acted with this secret."""
        return 0 if self._bridge is None else self._bridge.uses.get(secret_id, 0)

    async def prune(self) -> None:
        """Forget calls that are too old to be repeated."""
        if self._bridge is not None:
            await self._bridge.prune()

    async def drain(self, seconds: float) -> bool:
        """Begin nothing new; False when something had to be cut short."""
        return self._bridge is None or await self._bridge.drain(seconds)

    async def aclose(self) -> None:
        """End connections."""
        if self._bridge is not None:
            await self._bridge.aclose()
