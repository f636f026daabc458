"""How a new value gets to where the old one is read: the exact commands, by the source of the secret. Texts only."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phantom.cli.daemon_signal import LOCK

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import SecretRow

RESTART = "restart the daemon: systemctl restart phantom"
_CREDENTIALS = "/run/credentials/"
"""Below it systemd puts what a unit's LoadCredential= names."""


def hang_up(loaded: LoadedConfig) -> str:
    """The command that has the daemon read again."""
    return f'kill -HUP "$(cat {shlex.quote(str(loaded.core.data_dir / LOCK))})"   # or: systemctl reload phantom'


def how_to_store(name: str, row: SecretRow | None, loaded: LoadedConfig) -> Sequence[str]:
    """The lines for the secret `name`, whose row of the inventory is `row`."""
    kind, _, place = (row.source if row else "").partition(" ")
    if kind == "file" and ": " in place:
        file, _, setting = place.partition(": ")
        return (f"edit {setting} in {file}; better, take it out of that file (SECRET_SOURCE)", hang_up(loaded))
    if kind == "file" or kind.endswith("_FILE"):
        return _in_file(Path(place or loaded.core.secret_dir / name))
    if kind == "metadata":
        return ("put it into the metadata service; the daemon follows by itself",)
    if kind == "exec":
        return ("put it into the manager that the command asks", hang_up(loaded))
    if kind == ".env":
        return (f"edit {place or name.upper()} in {Path.cwd() / '.env'}", hang_up(loaded))
    if kind and kind not in ("env", "configuration"):
        return (f"put it into the source {kind}", hang_up(loaded))
    variable = place.split()[0] if kind == "env" and place else loaded.secrets.variables_of(name)[0]
    return (f"set {variable} where the daemon's environment comes from", RESTART)


def _in_file(path: Path) -> Sequence[str]:
    if str(path).startswith(_CREDENTIALS):
        return (f"replace the file that LoadCredential={path.name} of the unit names", RESTART)
    if (path.parent / "..data").exists():
        return (f"change the key {path.name} of the Kubernetes Secret; the daemon follows its volume by itself",)
    if path.parent.exists() and not os.access(path.parent, os.W_OK):
        return (f"replace the file that {path} is mounted from; the daemon follows by itself",)
    old, new = shlex.quote(str(path)), shlex.quote(f"{path}.new")
    # A copy first: it has the owner and the mode with which the daemon can read it.
    begin = f"cp -p {old} {new} && cat > {new}" if path.exists() else f"(umask 077; cat > {new})"
    return (f"{begin} && mv {new} {old}   # paste, Ctrl-D; the daemon follows",)
