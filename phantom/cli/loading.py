"""Loading the configuration for a command, the way the daemon does, with errors and output masked from then on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantom.cli.frame import redactor
from phantom.clock import SystemClock
from phantom.plugins import descriptors, resolve

if TYPE_CHECKING:
    from config import LoadedConfig
    from phantom.channel import Descriptor


class SettingsModels(Mapping[str, Any]):
    """The settings model of each channel kind, imported only for the kinds that are asked for."""

    def __init__(self, found: Mapping[str, Descriptor]) -> None:
        self._found = found

    def __getitem__(self, kind: str) -> Any:
        return resolve(self._found[kind].settings, self._found[kind].extra)

    def __contains__(self, kind: object) -> bool:
        return kind in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def load_config(config_dir: Path | None, environ: Mapping[str, str]) -> LoadedConfig:
    """The checked configuration. Asks no network. Raises `ConfigError`."""
    from config import load

    redactor.remember_environment(environ)
    found = descriptors()
    loaded = load(
        config_dir=config_dir,
        environ=environ,
        cwd=Path.cwd(),
        channel_models=SettingsModels(found),
        clock=SystemClock(),
        enabled_by={kind: descriptor.enabled_by for kind, descriptor in found.items()},
    )
    redactor.watch(loaded.secrets.known)
    return loaded
