"""What the daemon remembers of its secrets from start to start: fingerprints and times, never a value.

`<data_dir>/secrets/inventory.json` and the key of the fingerprints beside it, both for the owner alone, replaced as a
whole. Only the daemon writes; the data folder's lock sees to it that there is one. What does *not* live here: what the
times mean (`inventory.py`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from phantom.errors import ConfigError

FOLDER = "secrets"
STATE = "inventory.json"
KEY = "fingerprint.key"
KEY_BYTES = 32
MAX_BYTES = 4 * 1024 * 1024


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One secret as the daemon saw it. Times are seconds since the epoch. `gone`: it holds no value any more."""

    fingerprint: str
    first_seen: float
    changed_at: float
    changes: int = 0
    rotation_id: str = ""
    last_used: float | None = None
    gone: bool = False


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `key_id` tells which key the fingerprints were made with; `looked_at` is the last look."""

    version: int = 1
    key_id: str = ""
    looked_at: float = 0.0
    secrets: dict[str, Seen] = {}


def key_id(key: bytes) -> str:
    """A name for the key that tells nothing about it."""
    return hashlib.blake2b(b"phantom-fingerprint-key:" + key, digest_size=6).hexdigest()


class InventoryFile:
    """`data_dir` is the daemon's data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER
        self.path = self.folder / STATE
        self.key_path = self.folder / KEY

    def load(self) -> State:
        """What was remembered; nothing when there is no file. Raises `ConfigError` for a file that is unfit."""
        data = self._read(self.path)
        if data is None:
            return State()
        try:
            state = msgspec.json.decode(data, type=State)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise ConfigError(
                "is damaged", where=str(self.path), hint="remove it: the ages of secrets then begin anew"
            ) from None
        if state.version != 1:
            raise ConfigError(f"has version {state.version}, this Phantom knows 1", where=str(self.path))
        return state

    def save(self, state: State) -> None:
        """Replace the file. Raises `OSError`; the old one is kept then."""
        self._write(self.path, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")

    def key(self) -> bytes | None:
        """The key of the fingerprints, None when none was made yet. Raises `ConfigError` for one that is unfit."""
        data = self._read(self.key_path)
        if data is not None and len(data) != KEY_BYTES:
            raise ConfigError(
                "is damaged", where=str(self.key_path), hint="remove it: a new one is made, and fingerprints change"
            )
        return data

    def make_key(self) -> bytes:
        """A key, made and kept. Raises `OSError`."""
        key = secrets.token_bytes(KEY_BYTES)
        self._write(self.key_path, key)
        return key

    def _read(self, path: Path) -> bytes | None:
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigError("others on this machine can read it", where=str(path), hint=f"chmod 600 {path}")
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if len(data) > MAX_BYTES:
            raise ConfigError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(path))
        return data

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
