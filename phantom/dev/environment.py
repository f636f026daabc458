"""The environment that the daemon part gets: the developer's own, with everything about Slack and Discord replaced.

The developer's agent, model and keys count (`PHANTOM_*`, `.env`, `phantom.yaml`); whatever could lead to a real
workspace does not: no channel variable, no `channels.yaml`, no metadata service but the local one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.dotenv import read_dotenv
from config.files import CORE_FILE, find_config_dir
from phantom.plugins import descriptors

_DECIDED_HERE = """
OWNER_SLACK_USER_ID OWNER_DISCORD_USER_ID PORT PHANTOM_PORT PHANTOM_HOST PHANTOM_DATA_DIR PHANTOM_METADATA_URL
METADATA_BASE_URL SECRET_SOURCE PHANTOM_SECRET_DIR PHANTOM_CONFIG_DIR PHANTOM_LOG_FORMAT PHANTOM_ENV NOTIFY_SOCKET
WATCHDOG_USEC WATCHDOG_PID
"""
_OURS = frozenset(_DECIDED_HERE.split())
"""Variables that the local workspace decides, or that would tell a service manager about us."""

DRAIN_SECONDS = "1"
"""A developer who presses Ctrl-C waits no longer; what was under way is only lost with the data folder."""


def developer_variables(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The process environment with `.env` of the working folder behind it, as the daemon in development has it."""
    behind = {} if environ.get("PHANTOM_ENV", "").lower() == "production" else read_dotenv(cwd / ".env")
    return {**behind, **environ}


def daemon_variables(developer: Mapping[str, str], local: Mapping[str, str]) -> dict[str, str]:
    """`developer` without anything that names a real workspace, and with `local` in its place."""
    switches = {name for descriptor in descriptors().values() for name in descriptor.enabled_by}
    prefixes = tuple({f"{name.partition('_')[0]}_" for name in switches} | {"SLACK_"})
    kept = {
        name: value
        for name, value in developer.items()
        if name not in _OURS and name not in switches and not name.startswith(prefixes)
    }
    return {"PHANTOM_DRAIN_SECONDS": DRAIN_SECONDS, **kept, **local}


def private_config(folder: Path, environ: Mapping[str, str], cwd: Path) -> Path:
    """A configuration folder with the developer's `phantom.yaml`, where there is one, and never a `channels.yaml`."""
    made = folder / "config"
    made.mkdir(mode=0o700, exist_ok=True)
    found = find_config_dir(None, environ, cwd)
    link = made / CORE_FILE
    link.unlink(missing_ok=True)
    if found is not None and (found / CORE_FILE).exists():
        link.symlink_to((found / CORE_FILE).resolve())
    return made
