"""Secrets from files: one file a secret in a folder, as container platforms and service managers mount them.

Docker mounts such files in `/run/secrets`, systemd in `$CREDENTIALS_DIRECTORY`, Kubernetes in a volume whose files are
links through `..data`, which is replaced as a whole; here paths are followed anew at each look, so that a swapped link
is a change like any other. Files that change together are taken together. What does *not* live here: one such file
(`file_secret.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from config import secret_names
from config.beside import beside
from config.file_secret import PATIENCE, FileSecret, Reading, exists
from config.rotating import OVERLAP_SECONDS
from phantom.clock import Clock
from phantom.errors import SecretError
from phantom.secret_sources import SecretHealth, SourceContext

MOST_READINGS = 5
"""How often files that change are read again until they stand still."""

log = structlog.get_logger(__name__)

Read = Callable[[FileSecret], Awaitable[Reading | None]]


async def together(secrets: Sequence[FileSecret], read: Read) -> Mapping[FileSecret, Reading | None]:
    """All files as they were at one moment. Who rotates writes the backup first and the default then: read one by one,
    the new default could stand beside the old backup, and what was the default a moment ago be neither. So they are
    read until nothing changes in between; only then may any of it be taken.
    """
    found: dict[FileSecret, Reading | None] = dict.fromkeys(secrets)
    for _ in range(MOST_READINGS):
        before = {secret: reading and reading.text for secret, reading in found.items()}
        read_now = await asyncio.gather(*map(read, secrets))
        found = {secret: reading or found[secret] for secret, reading in zip(secrets, read_now, strict=True)}
        settled = {secret: reading and reading.text for secret, reading in found.items()} == before
        if settled or len(found) < 2 or not any(secret.is_news(reading) for secret, reading in found.items()):
            break
    return found


class WatchedFiles:
    """What every `SecretOrigin` of files does with those that somebody holds: `_secrets`, by name."""

    def __init__(self) -> None:
        self._secrets: dict[str, FileSecret] = {}

    def want(self, name: str) -> None:
        """Files are looked at every second in any case."""

    async def tick(self) -> None:
        found = await together(tuple(self._secrets.values()), FileSecret.look)
        for secret, reading in found.items():
            if reading is not None and not secret.held_up(reading):
                secret.take(reading, patient=True)

    async def reread(self) -> None:
        for secret, reading in (await together(tuple(self._secrets.values()), FileSecret.read)).items():
            if reading is None:
                log.warning("secret_file_does_not_answer", secret_name=secret.name, path=str(secret.path))
                continue
            with contextlib.suppress(SecretError):  # it is recorded and logged
                secret.take(reading)

    def health(self) -> tuple[SecretHealth, ...]:
        return tuple(secret.health() for secret in self._secrets.values())

    async def aclose(self) -> None:
        for secret in self._secrets.values():
            secret.cancel()


class FileSecrets(WatchedFiles):
    """All secrets of some folders, the first folder winning; a `SecretOrigin`."""

    def __init__(
        self,
        folders: Sequence[Path],
        clock: Clock,
        *,
        production: bool,
        overlap_seconds: float = OVERLAP_SECONDS,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        self._folders = tuple(folders)
        self._clock = clock
        self._production = production
        self._overlap = overlap_seconds
        self._patience = patience

    def has(self, name: str) -> bool:
        """Whether there is anything under that name; it may still be unfit."""
        secret_names.check(name)
        return any(exists(folder / name) for folder in self._folders)

    def source(self, name: str) -> FileSecret:
        found = self._secrets.get(name)
        if found is None:
            found = FileSecret(
                secret_names.check(name),
                [folder / name for folder in self._folders],
                self._clock,
                production=self._production,
                overlap_seconds=self._overlap,
                patience=self._patience,
                beside=lambda: beside(name, self._secrets),
            )
            self._secrets[name] = found
        return found

    def place(self, name: str) -> str:
        known = self._secrets.get(name)
        if known is not None:
            return str(known.path)
        return str(next((folder / name for folder in self._folders if exists(folder / name)), self._folders[0] / name))


def open_files(context: SourceContext) -> FileSecrets:
    """The source `file`. `options["folders"]` are looked in in turn."""
    folders = context.options["folders"]
    assert isinstance(folders, Sequence)  # noqa: S101 - `source_registry` fills it
    return FileSecrets(folders, context.clock, production=context.production, overlap_seconds=context.overlap)
