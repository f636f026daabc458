"""Tells the daemon of a data folder to read its configuration again (SIGHUP).

The number in the folder's lock file may be another process by now, or one of another container. So the kernel is asked
who holds the lock (`/proc/locks`, whose numbers are those of our own namespace), and only that process is told.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

LOCK = "phantom.lock"
LOCKS = Path("/proc/locks")


def hang_up(data_dir: Path) -> bool:
    """True when a daemon was told."""
    pid = _holder(data_dir / LOCK)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError:
        return False
    return True


def is_running(data_dir: Path) -> bool:
    """Whether a daemon of this machine holds the data folder, as far as can be seen."""
    return _holder(data_dir / LOCK) is not None


def _holder(lock: Path) -> int | None:
    """The process that holds the lock, if it is also the one that wrote itself into the file."""
    try:
        about = lock.stat()
        written = lock.read_text("ascii").strip()
        lines = LOCKS.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 4711 08:01:131082 0 EOF — device numbers in hex, then the inode
        fields = line.split()
        if len(fields) == 8 and fields[1] == "FLOCK" and fields[4] == written and written.isdigit():
            major, minor, inode = fields[5].split(":")
            same = (int(major, 16), int(minor, 16)) == (os.major(about.st_dev), os.minor(about.st_dev))
            if same and int(inode) == about.st_ino and int(written) > 1:
                return int(written)
    return None
