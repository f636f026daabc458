"""Secrets from files: one file a secret in a folder, as container platforms and service managers mount them.

A file's text without one line end at its end is the secret. A changed file is a rotation, a removed one a withdrawal.
Docker mounts such files in `/run/secrets`, systemd in `$CREDENTIALS_DIRECTORY`, Kubernetes in a volume whose files are
links through `..data`, which is replaced as a whole; here paths are followed anew at each look, so that a swapped link
is a change like any other. In production a file that everyone on the machine may read is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from config import secret_names
from config.rotating import FLIPPING, OVERLAP_SECONDS, RotatingText, secret_text
from phantom.clock import Clock
from phantom.errors import SecretError
from phantom.secret_sources import ABSENT, SecretHealth, SourceContext
from phantom.secrets import Listener

MAX_BYTES = 64 * 1024
GRACE_SECONDS = 2.0
"""How long a file may be gone or empty, as while somebody writes it anew, until that withdraws the secret."""
PATIENCE = 1.0
"""Seconds that one look at a file is waited for."""

MOST_READINGS = 5
"""How often files that change are read again until they stand still."""

log = structlog.get_logger(__name__)
Mark = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a read of the file found: its text, or why there is none. `number` says which reads began before it."""

    number: int
    path: Path
    text: str | None = field(default=None, repr=False)
    error: SecretError | None = None
    mark: Mark | None = None
    written_at: float | None = None


class FileSecret:
    """One secret's file; a `SecretSource`. Read when constructed, whenever it is refreshed and when it changes.

    `kind` is what its health calls the source, `cure` what to do when there is no file.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[Path],
        clock: Clock,
        *,
        production: bool,
        overlap_seconds: float,
        kind: str = "file",
        cure: str = "",
    ) -> None:
        self._name = name
        self._kind = kind
        self._cure = cure
        self._paths = tuple(paths)
        self._clock = clock
        self._production = production
        self._held = RotatingText(clock, overlap_seconds=overlap_seconds)
        self._error: SecretError | None = None
        self._seen: Mark | None = None
        self._written_at: float | None = None
        self._read_at = self._paths[0]
        self._trust = False
        self._missed_since: float | None = None
        self._look: asyncio.Future[Reading | None] | None = None
        self._begun = self._taken = 0
        first = self._read(0)
        self._note(first)
        self._held.text, self._error = first.text, first.error

    @property
    def path(self) -> Path:
        """The file that counted the last time it was looked for: the first of the folders' that exists."""
        return self._read_at

    def current(self) -> str:
        if self._held.text is None:
            cause = self._error or SecretError(f"secret {self._name} is not set")
            raise SecretError(cause.message, hint=cause.hint, code=cause.code)
        return self._held.text

    def previous(self) -> str | None:
        return self._held.previous()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    async def refresh(self) -> bool:
        """Read the file again. Raises `SecretError`, and then there is no value any more."""
        return self.take(await self.read())

    async def read(self) -> Reading:
        """Read the file now. Nothing changes until the result is taken."""
        self._begun += 1
        return await asyncio.to_thread(self._read, self._begun)

    async def look(self) -> Reading | None:
        """Read the file if it is another one than that taken last; None when it is not, or does not answer in time."""
        # A folder on a network may hang: the thread in there is waited for by nobody, and no second one is sent.
        if self._look is None:
            self._look = asyncio.ensure_future(self._look_now())
        done, _ = await asyncio.wait((self._look,), timeout=PATIENCE)
        if not done:
            return None
        look, self._look = self._look, None
        return look.result()

    async def _look_now(self) -> Reading | None:
        before, mark = self._seen, await asyncio.to_thread(self._mark)
        if mark == before and self._trust and self._missed_since is None:
            self._held.confirm()
            return None
        # Two writes within one tick of the file system's clock look the same: read once more before trusting the mark.
        self._trust = mark == before
        return await self.read()

    def is_news(self, reading: Reading | None) -> bool:
        """Whether taking it would change anything."""
        return reading is not None and (reading.text is None or reading.text != self._held.text)

    def take(self, reading: Reading, *, patient: bool = False) -> bool:
        """Go by what was read; True when that is another value. One that began before another that was taken is old
        news. Raises `SecretError` when there is no value, unless `patient`: then that is recorded and logged, and a
        file that is gone for a moment may come back.
        """
        if reading.number < self._taken:
            return False
        self._taken = reading.number
        self._note(reading)
        if reading.text is not None:
            return self._succeeded(reading.text)
        error = reading.error or SecretError(f"secret {self._name} is not set")
        if not (patient and self._is_being_written(error)):
            self._failed(error)
        if patient:
            return False
        raise error

    def _note(self, reading: Reading) -> None:
        self._seen, self._read_at = reading.mark, reading.path
        self._written_at = reading.written_at or self._written_at

    def _is_being_written(self, error: SecretError) -> bool:
        """Whether the file may come back in a moment: it was there, and is gone or empty only now."""
        if self._held.text is None or error.code not in {ABSENT, "secret_empty"}:
            return False
        now = self._clock.monotonic()
        if self._missed_since is None:
            self._missed_since = now
        return now - self._missed_since < GRACE_SECONDS

    def _failed(self, error: SecretError) -> None:
        self._missed_since = None
        if self._held.withdraw() or self._error is None:
            log.warning("secret_withdrawn", secret_name=self._name, error=error.message)
        self._error = error

    def _succeeded(self, text: str) -> bool:
        first = self._held.text is None
        self._error = self._missed_since = None
        changed = self._held.replace(text)
        if changed and not first:
            log.info("secret_rotated", secret_name=self._name)
        return changed

    def health(self) -> SecretHealth:
        if self._error is not None:
            return SecretHealth(name=self._name, source=self._kind, state="failed", error=self._error.message)
        flipping = self._held.flipping
        return SecretHealth(
            name=self._name,
            source=self._kind,
            state="flipping" if flipping else "fresh",
            error=FLIPPING if flipping else "",
            changed_at=self._written_at,
        )

    def cancel(self) -> None:
        """Wait for no file any more."""
        if self._look is not None:
            self._look.cancel()

    def _mark(self) -> Mark | None:
        try:
            return _mark_of(self._first().stat())
        except OSError:
            return None

    def _first(self) -> Path:
        return next((path for path in self._paths if _exists(path)), self._paths[0])

    def _read(self, number: int) -> Reading:
        """In a worker thread."""
        path = self._first()
        mark: Mark | None = None
        try:
            # Non-blocking, so that a named pipe in the folder cannot hold the daemon.
            opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(opened, "rb") as stream:  # noqa: PTH123 - a file descriptor
                about = os.fstat(stream.fileno())
                mark = _mark_of(about)
                self._check(about, path)
                text = self._checked(stream.read(MAX_BYTES + 1), path)
        except SecretError as error:
            return Reading(number=number, path=path, error=error, mark=mark)
        except FileNotFoundError:
            cure = self._cure or f"create {path}, or set PHANTOM_SECRET_DIR"
            absent = SecretError(f"secret {self._name} has no file", hint=cure, code=ABSENT)
            return Reading(number=number, path=path, error=absent)
        except OSError as error:
            cure = f"let the daemon's user read {path}"
            closed = SecretError(f"secret {self._name} cannot be read: {error.strerror}", hint=cure)
            return Reading(number=number, path=path, error=closed, mark=mark)
        return Reading(number=number, path=path, text=text, mark=mark, written_at=about.st_mtime)

    def _checked(self, data: bytes, path: Path) -> str:
        if len(data) > MAX_BYTES:
            raise SecretError(f"secret {self._name} is larger than {MAX_BYTES // 1024} KiB", hint=f"see {path}")
        text = secret_text(data)
        if text is None:
            raise SecretError(f"secret {self._name} is not UTF-8 text", hint=f"write it to {path}")
        if not text.strip():
            raise SecretError(f"secret {self._name} is empty", hint=f"write it to {path}", code="secret_empty")
        return text

    def _check(self, about: os.stat_result, path: Path) -> None:
        if not stat.S_ISREG(about.st_mode):
            raise SecretError(f"secret {self._name} is not in a file", hint=f"make {path} a regular file")
        if self._production and about.st_mode & stat.S_IROTH:
            raise SecretError(
                f"everyone on this machine may read the file of secret {self._name}", hint=f"chmod o-r {path}"
            )

    def __repr__(self) -> str:
        return f"FileSecret({self._name!r})"


def _mark_of(about: os.stat_result) -> Mark:
    """What tells one state of a file from another. The change time is in it, since `chmod` may be the cure."""
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size


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
            if reading is not None:
                secret.take(reading, patient=True)

    async def reread(self) -> None:
        for secret, reading in (await together(tuple(self._secrets.values()), FileSecret.read)).items():
            if reading is not None:
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
        self, folders: Sequence[Path], clock: Clock, *, production: bool, overlap_seconds: float = OVERLAP_SECONDS
    ) -> None:
        super().__init__()
        self._folders = tuple(folders)
        self._clock = clock
        self._production = production
        self._overlap = overlap_seconds

    def has(self, name: str) -> bool:
        """Whether there is anything under that name; it may still be unfit."""
        secret_names.check(name)
        return any(_exists(folder / name) for folder in self._folders)

    def source(self, name: str) -> FileSecret:
        found = self._secrets.get(name)
        if found is None:
            found = FileSecret(
                secret_names.check(name),
                [folder / name for folder in self._folders],
                self._clock,
                production=self._production,
                overlap_seconds=self._overlap,
            )
            self._secrets[name] = found
        return found

    def place(self, name: str) -> str:
        known = self._secrets.get(name)
        if known is not None:
            return str(known.path)
        return str(next((folder / name for folder in self._folders if _exists(folder / name)), self._folders[0] / name))


def _exists(path: Path) -> bool:
    """Whether there is such a file. One in a folder that may not be entered counts: reading it says why not."""
    try:
        return path.exists()
    except OSError:
        return True


def open_files(context: SourceContext) -> FileSecrets:
    """The source `file`. `options["folders"]` are looked in in turn."""
    folders = context.options["folders"]
    assert isinstance(folders, Sequence)  # noqa: S101 - `source_registry` fills it
    return FileSecrets(folders, context.clock, production=context.production, overlap_seconds=context.overlap)
