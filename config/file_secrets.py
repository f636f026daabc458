"""Secrets from files (`SECRET_SOURCE=file`): one file a secret in one folder, as container platforms mount them.

A file's text without one line end at its end is the secret. A changed file is a rotation, a removed one a withdrawal.
In production a file that everyone on the machine may read is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import structlog

from config import secret_names
from config.rotating import OVERLAP_SECONDS, RotatingText, secret_text
from config.secret_health import SecretHealth
from phantom.clock import Clock
from phantom.errors import SecretError
from phantom.secrets import Listener

MAX_BYTES = 64 * 1024
CHECK_SECONDS = 10.0

log = structlog.get_logger(__name__)


class FileSecret:
    """One secret's file; a `SecretSource`. Read when constructed and whenever it is refreshed."""

    def __init__(self, name: str, path: Path, clock: Clock, *, production: bool, overlap_seconds: float) -> None:
        self._name = name
        self._path = path
        self._clock = clock
        self._production = production
        self._held = RotatingText(clock, overlap_seconds=overlap_seconds)
        self._error: SecretError | None = None
        self._checked_at = clock.monotonic()
        try:
            self._held.text = self._read()
        except SecretError as error:
            self._error = error

    @property
    def error(self) -> SecretError | None:
        """Why there is no value; None when there is one."""
        return self._error

    def current(self) -> str:
        if self._held.text is None:
            cause = self._error
            raise SecretError(
                cause.message if cause else f"secret {self._name} is not set", hint=cause.hint if cause else ""
            )
        return self._held.text

    def previous(self) -> str | None:
        return self._held.previous()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    async def refresh(self) -> bool:
        """Read the file again. Raises `SecretError`, and then there is no value any more."""
        self._checked_at = self._clock.monotonic()
        try:
            text = await asyncio.to_thread(self._read)
        except SecretError as error:
            if self._held.withdraw() or self._error is None:
                log.warning("secret_withdrawn", secret_name=self._name, error=error.message)
            self._error = error
            raise
        first = self._held.text is None
        self._error = None
        changed = self._held.replace(text)
        if changed and not first:
            log.info("secret_rotated", secret_name=self._name)
        return changed

    async def revalidate_if_due(self) -> None:
        """What the background does: read again when it is time. A failure is recorded and logged by `refresh`."""
        if self._clock.monotonic() - self._checked_at >= CHECK_SECONDS:
            with contextlib.suppress(SecretError):  # `refresh` has recorded and logged it
                await self.refresh()

    def health(self) -> SecretHealth:
        if self._error is None:
            return SecretHealth(name=self._name, source="file", state="fresh")
        return SecretHealth(name=self._name, source="file", state="failed", error=self._error.message)

    def _read(self) -> str:
        try:
            # Non-blocking, so that a named pipe in the folder cannot hold the daemon.
            number = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(number, "rb") as stream:  # noqa: PTH123 - a file descriptor
                self._check(os.fstat(stream.fileno()))
                data = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise SecretError(
                f"secret {self._name} has no file", hint=f"create {self._path}, or set PHANTOM_SECRET_DIR"
            ) from None
        except OSError as error:
            raise SecretError(
                f"secret {self._name} cannot be read: {error.strerror}", hint=f"let the daemon's user read {self._path}"
            ) from error
        if len(data) > MAX_BYTES:
            raise SecretError(f"secret {self._name} is larger than {MAX_BYTES // 1024} KiB", hint=f"see {self._path}")
        text = secret_text(data)
        if not text:
            what = "is empty" if text is not None else "is not UTF-8 text"
            raise SecretError(f"secret {self._name} {what}", hint=f"write it to {self._path}")
        return text

    def _check(self, about: os.stat_result) -> None:
        if not stat.S_ISREG(about.st_mode):
            raise SecretError(f"secret {self._name} is not in a file", hint=f"make {self._path} a regular file")
        if self._production and about.st_mode & stat.S_IROTH:
            raise SecretError(
                f"everyone on this machine may read the file of secret {self._name}", hint=f"chmod o-r {self._path}"
            )

    def __repr__(self) -> str:
        return f"FileSecret({self._name!r})"


class FileSecrets:
    """All secrets of one folder. `source(name)` is the same object for the same name."""

    def __init__(
        self, folder: Path, clock: Clock, *, production: bool, overlap_seconds: float = OVERLAP_SECONDS
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._production = production
        self._overlap = overlap_seconds
        self._secrets: dict[str, FileSecret] = {}

    def exists(self, name: str) -> bool:
        """Whether there is anything under that name; it may still be unfit."""
        return (self._folder / secret_names.check(name)).exists()

    def source(self, name: str) -> FileSecret:
        """The live source of `name`. Raises `SecretError` for a name that may not be asked for."""
        found = self._secrets.get(name)
        if found is None:
            found = FileSecret(
                secret_names.check(name),
                self._folder / name,
                self._clock,
                production=self._production,
                overlap_seconds=self._overlap,
            )
            self._secrets[name] = found
        return found

    async def revalidate_due(self) -> None:
        """Read again every file whose time has come."""
        await asyncio.gather(*(secret.revalidate_if_due() for secret in self._secrets.values()))

    def health(self) -> tuple[SecretHealth, ...]:
        return tuple(secret.health() for secret in self._secrets.values())

    @property
    def last_error(self) -> str:
        """What is wrong with a file in use; "" when all is well."""
        return next((secret.error for secret in self.health() if secret.error), "")
