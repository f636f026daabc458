"""What `phantom doctor` checks about the machine: Python, clock, data folder, lock, port."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import shutil
import socket
import sqlite3
import stat
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from phantom.cli.output import Finding
from phantom.cli.probe import ask
from phantom.clock import SystemClock
from phantom.findings import Level
from phantom.storage.schema import VERSION

LITTLE_SPACE = 500 * 1024 * 1024
NO_SPACE = 20 * 1024 * 1024
"""Bytes free on the data folder's disk below which a warning, respectively a failure, is due."""

_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_TIMESYNC = Path("/run/systemd/timesync")
_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)


def check_python() -> Finding:
    """Which Python runs this; the installation itself refuses one that is too old."""
    seen = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    return Finding(check="python", level=Level.OK, seen=seen)


def check_clock() -> Finding:
    """Signatures are fresh for five minutes, so a wrong clock refuses every signed post."""
    now = datetime.fromtimestamp(SystemClock().now(), UTC)
    seen = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < _EARLIEST:
        cure = "set the clock; run an NTP client (`timedatectl set-ntp true`)"
        return Finding(check="clock", level=Level.FAIL, seen=f"{seen} cannot be right", cure=cure)
    if _TIMESYNC.is_dir() and not _SYNCHRONISED.exists():
        cure = "check `timedatectl status`: signed posts are refused when the clock is minutes off"
        return Finding(check="clock", level=Level.WARN, seen=f"{seen}, not synchronised yet", cure=cure)
    known = "synchronised" if _SYNCHRONISED.exists() else "synchronisation is not observable here"
    return Finding(check="clock", level=Level.OK, seen=f"{seen}, {known}")


def check_data_folder(folder: Path) -> Finding:
    """Exists (or can be made), is private and writable, and its disk has room."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    cure = "give the user that runs Phantom write access, or set PHANTOM_DATA_DIR to another folder"
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        seen = f"{folder} cannot be written (at {nearest})"
        return Finding(check="data folder", level=Level.FAIL, seen=seen, cure=cure)
    if os.statvfs(nearest).f_flag & os.ST_RDONLY:
        return Finding(check="data folder", level=Level.FAIL, seen=f"{folder} is on a read-only disk", cure=cure)
    free = shutil.disk_usage(nearest).free
    room = f"{free // 1024**2:,} MiB free"
    if free < LITTLE_SPACE:
        level = Level.FAIL if free < NO_SPACE else Level.WARN
        return Finding(check="data folder", level=level, seen=f"{folder}: only {room}", cure="make room on that disk")
    if nearest == folder and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        seen = f"{folder} can be read by others on this machine; {room}"
        return Finding(check="data folder", level=Level.WARN, seen=seen, cure=f"chmod 700 {folder}")
    made = "" if nearest == folder else ", will be made at the start"
    return Finding(check="data folder", level=Level.OK, seen=f"{folder}: {room}{made}")


def check_schema(folder: Path) -> list[Finding]:
    """A failure when a newer Phantom wrote the folder, which this one does not open; nothing otherwise."""
    file = folder / "phantom.sqlite"
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(file, timeout=3.0)) as database:
            (found,) = database.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        seen = f"{file} cannot be read: {error}"
        return [Finding(check="data folder", level=Level.FAIL, seen=seen, cure="restore it from a backup")]
    if found <= VERSION:
        return []
    seen = f"{folder} was written by a newer Phantom (schema {found}, this one knows {VERSION})"
    cure = "start the newer version, or point PHANTOM_DATA_DIR at another folder"
    return [Finding(check="data folder", level=Level.FAIL, seen=seen, cure=cure)]


def check_lock(folder: Path) -> Finding:
    """Whether a daemon uses the data folder now."""
    try:
        handle = os.open(folder / "phantom.lock", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Finding(check="lock", level=Level.OK, seen="no daemon has used the data folder yet")
    except OSError as error:
        seen = f"{folder / 'phantom.lock'} cannot be opened: {error.strerror}"
        return Finding(check="lock", level=Level.FAIL, seen=seen, cure="run doctor as the user that runs Phantom")
    try:
        # Shared and given back at once: an exclusive one could make a daemon that starts this very moment give up.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
        return Finding(check="lock", level=Level.OK, seen=f"held by a running daemon (process {holder})")
    finally:
        os.close(handle)
    return Finding(check="lock", level=Level.OK, seen="free")


def check_port(host: str, port: int) -> Finding:
    """The address is free, or our own daemon answers there."""
    if port == 0:
        return Finding(check="port", level=Level.OK, seen="any free port")
    answer = ask(host, port, 3.0)
    if answer.health is not None:
        return Finding(check="port", level=Level.OK, seen=f"Phantom answers on {answer.address}")
    if answer.trouble:
        cure = f"stop what uses the port (`ss -ltnp 'sport = :{port}'` names it), or choose another with PORT"
        return Finding(check="port", level=Level.FAIL, seen=f"{answer.address}: {answer.trouble}", cure=cure)
    return _bindable(host, port)


def _bindable(host: str, port: int) -> Finding:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        cures = {
            errno.EACCES: "ports below 1024 need privileges: choose a higher one and put a proxy in front",
            errno.EADDRNOTAVAIL: "PHANTOM_HOST is no address of this machine; 127.0.0.1 and 0.0.0.0 always are",
        }
        cure = cures.get(error.errno or 0, "choose another address with PHANTOM_HOST and PORT")
        seen = f"{host}:{port} cannot be used: {error.strerror or error}"
        return Finding(check="port", level=Level.FAIL, seen=seen, cure=cure)
    if host not in {"127.0.0.1", "::1", "localhost"}:
        cure = "a reverse proxy with TLS belongs in front; 127.0.0.1 is reachable from this machine only"
        return Finding(check="port", level=Level.WARN, seen=f"{host}:{port} is free, reachable from outside", cure=cure)
    return Finding(check="port", level=Level.OK, seen=f"{host}:{port} is free")
