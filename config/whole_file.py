"""Replaces a file that holds secrets as a whole: whoever reads it, or is killed meanwhile, sees the old or the new one.

What does *not* live here: what is written.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from phantom.errors import ConfigError

Step = Callable[[str], None]
"""Told the name of each step just before it is taken."""
MAX_BYTES = 64 * 1024


def no_step(name: str) -> None:
    """Nobody watches."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Alone among those who change secrets in `folder`. Raises `ConfigError` when another is at it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "another rotation is under way", where=str(folder), hint="let it end, then look at the plan again"
            ) from None
        yield
    finally:
        os.close(descriptor)


def replace_whole(path: Path, data: bytes, step: Step = no_step) -> None:
    """Put `data` at `path`, which is no link: mode 0600, the owner kept, synced. Raises `OSError`; until the rename the
    old file is untouched. Call it under `folder_lock`.
    """
    fresh = path.with_name(path.name + ".new")
    owner = path if path.exists() else path.parent
    about = owner.stat()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        step("create")
        fresh.unlink(missing_ok=True)  # what a killed rotation left
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, about.st_uid, about.st_gid)
            step("write")
            file.write(data)
            file.flush()
            step("sync")
            os.fsync(descriptor)
        step("rename")
        fresh.replace(path)
        step("sync folder")
        os.fsync(folder)
        step("done")
    finally:
        fresh.unlink(missing_ok=True)
        os.close(folder)


def not_replaced(error: OSError, path: Path) -> ConfigError:
    """What to tell of a failure of `replace_whole`."""
    kept = "what was there is kept"
    if error.errno == errno.EBUSY:  # a container's mount of one file: no rename can take its place
        kept += "; the file is a mount of its own: mount its folder instead, or change it where it comes from"
    return ConfigError(f"cannot be written: {error.strerror}", where=str(path), hint=kept)


def remove(path: Path, step: Step = no_step) -> None:
    """Remove the file at `path` for good. Raises `OSError`."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        step("remove")
        path.unlink()
        step("sync folder")
        os.fsync(folder)
    finally:
        os.close(folder)
