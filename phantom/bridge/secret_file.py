"""The file of secrets that `phantom bridge secret` makes: digests and scopes, never a value. Replaced as a whole.

`<data_dir>/bridge/secrets.json`, for the owner alone. The daemon watches it; the command changes it under a lock, so
two commands at once do not undo each other. What does *not* live here: secrets of the configuration (`config/`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from phantom.bridge.grants import Allow, Limits, Within
from phantom.errors import ConfigError

if TYPE_CHECKING:
    from phantom.bridge.secret_book import Entry

NAME = "secrets.json"
MAX_BYTES = 4 * 1024 * 1024
_ID = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,63}\Z")]
_HASH = Annotated[str, msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]


class StoredValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One accepted value. Times are seconds since the epoch."""

    hash: _HASH
    created_at: float
    retires_at: float | None = None


class StoredAllow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    events: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class StoredWithin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    guilds: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None


class StoredLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connections: int = 0
    actions_per_minute: int = 0
    concurrent_actions: int = 0
    subscriptions: int = 0


class StoredSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One secret as it stands in the file."""

    allow: StoredAllow
    values: Annotated[tuple[StoredValue, ...], msgspec.Meta(min_length=1)]
    within: StoredWithin = StoredWithin()
    limits: StoredLimits = StoredLimits()
    expires_at: float | None = None


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: int = 1
    secrets: dict[_ID, StoredSecret] = {}


class SecretFile:
    """`folder` is `<data_dir>/bridge`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Whether the file is another one than that read last. One `stat`."""
        return self._mark() != self._seen

    def read(self) -> tuple[Entry, ...]:
        """The entries of the file; none when there is no file. Raises `ConfigError` with the cure."""
        from phantom.bridge.secret_book import Entry, Value

        self._seen = self._mark()
        return tuple(
            Entry(
                id=secret_id,
                allow=Allow(events=frozenset(one.allow.events), actions=frozenset(one.allow.actions)),
                within=Within(guilds=_axis(one.within.guilds), channels=_axis(one.within.channels)),
                limits=Limits(**msgspec.structs.asdict(one.limits)),
                expires_at=one.expires_at,
                values=tuple(Value(digest=value.hash, retires_at=value.retires_at) for value in one.values),
                source="phantom bridge secret",
            )
            for secret_id, one in self.load().secrets.items()
        )

    def load(self) -> Stored:
        """The file as it stands. Raises `ConfigError`."""
        try:
            if self.path.stat().st_mode & 0o077:
                raise ConfigError(
                    "others on this machine can read it", where=str(self.path), hint=f"chmod 600 {self.path}"
                )
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Stored()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(self.path)) from error
        if len(data) > MAX_BYTES:
            raise ConfigError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(self.path))
        try:
            stored = msgspec.json.decode(data, type=Stored)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"is damaged: {error}",
                where=str(self.path),
                hint="restore it from a backup, or remove it and make the secrets anew",
            ) from None
        if stored.version != 1:
            raise ConfigError(f"has version {stored.version}, this Phantom knows 1", where=str(self.path))
        return stored

    def change(self, edit: Callable[[Stored], Stored]) -> Stored:
        """Replace the file by what `edit` makes of it: whole, synced, under a lock, the old one kept on failure."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            stored = edit(self.load())
            fresh = self.path.with_suffix(".new")
            data = msgspec.json.format(msgspec.json.encode(stored), indent=2) + b"\n"
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return stored

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _mark(self) -> tuple[int, ...] | None:
        """Mode and change time are in it: `chmod` may be the cure, or what was wrong. The time alone stands still for
        some milliseconds.
        """
        try:
            about = self.path.stat()
        except OSError:
            return None
        return about.st_ino, about.st_mode, about.st_mtime_ns, about.st_ctime_ns, about.st_size


def _axis(ids: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if ids is None else frozenset(ids)
