"""The data folder: made private, checked, and locked so that two daemons never share one."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from phantom.errors import ConfigError


class DataFolder:
    """Owns the lock for as long as the process lives; the kernel releases it even after SIGKILL."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self) -> None:
        """Create (mode 0700) and lock. Raises `ConfigError` with the cure."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "phantom.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            self._lock = None
            raise ConfigError(
                f"another Phantom (process {holder}) already uses the data folder {self.path}",
                where="PHANTOM_DATA_DIR",
                hint="stop it first, or give this one a folder of its own",
                code="data_folder_in_use",
            ) from error
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def folder(self, name: str) -> Path:
        """A sub-folder, made when needed."""
        path = self.path / name
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return path

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"the data folder {self.path} cannot be written: {error.strerror}",
            where="PHANTOM_DATA_DIR",
            hint="give the user that runs Phantom write access, free some space, or choose another folder",
        )

    @staticmethod
    def boot_id() -> str:
        """A name for this run of the process."""
        return secrets.token_hex(8)
