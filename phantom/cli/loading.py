"""Loading the configuration for a command, as the daemon does, with errors and output masked from then on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import phantom.logs  # noqa: F401 - first, so that structlog comes without rich
from phantom import daemon
from phantom.cli.frame import redactor
from phantom.clock import SystemClock
from phantom.process_guard import no_core_dumps

if TYPE_CHECKING:
    from config import LoadedConfig


def load_config(config_dir: Path | None, environ: Mapping[str, str]) -> LoadedConfig:
    """The checked configuration. Asks no network. Raises `ConfigError`."""
    no_core_dumps()
    redactor.remember_environment(environ)
    loaded = daemon.load_config(config_dir, environ, Path.cwd(), SystemClock())
    redactor.watch(loaded.secrets.known)
    return loaded
