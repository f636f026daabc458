"""One secret in a file: read when asked, looked at for changes, followed through rotations and withdrawals.

A file's text without one line end at its end is the secret. A changed file is a rotation, a removed one a withdrawal;
one that is gone or empty for a moment is neither. In production a file that everyone on the machine may read is
refused. What does *not* live here: folders of them, and reading several together (`file_secrets.py`).
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from config.beside import take_first
from config.rotating import FLIPPING, RotatingText, secret_text
from phantom.clock import Clock
from phantom.errors import SecretError
from phantom.secret_sources import ABSENT, SecretHealth
from phantom.secrets import Listener

MAX_BYTES = 64 * 1024
GRACE_SECONDS = 2.0
"""How long a file may be gone or empty, as while somebody writes it anew, until that withdraws the secret."""
PATIENCE = 1.0
"""Seconds that one look at a file is waited for."""

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

    `kind` is what its health calls the source, `cure` what to do when there is no file. One look is waited for
    `patience` seconds.
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
        patience: float = PATIENCE,
        beside: Callable[[], Sequence[FileSecret]] = tuple,
    ) -> None:
        self.name = name
        self._beside = beside
        self._kind = kind
        self._cure = cure
        self._patience = patience
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
        self._asking: asyncio.Future[Reading | None] | None = None
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
            cause = self._error or SecretError(f"secret {self.name} is not set")
            raise SecretError(cause.message, hint=cause.hint, code=cause.code)
        return self._held.text

    def previous(self) -> str | None:
        return self._held.previous()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    async def refresh(self) -> bool:
        """Read the file again. Raises `SecretError`: there is no value any more, or the file does not answer."""
        reading = await self.read()
        if reading is None:
            raise SecretError(f"the file of secret {self.name} does not answer", hint=f"see {self.path}")
        if self._held.text is not None and reading.text not in (None, self._held.text):
            await take_first(self._beside())
        return self.take(reading)

    async def read(self) -> Reading | None:
        """Read the file now; None when it does not answer in time. Nothing changes until the result is taken."""
        while (earlier := self._asking) is not None:
            await asyncio.wait((earlier,), timeout=self._patience)
            if not earlier.done():
                return None
            if self._asking is earlier:
                self._asking = None
        return await self._answer(self._read_now)

    async def look(self) -> Reading | None:
        """Read the file if it is another one than that taken last; None when it is not, or does not answer in time."""
        return await self._answer(self._look_now)

    async def _answer(self, ask: Callable[[], Coroutine[None, None, Reading | None]]) -> Reading | None:
        # A folder on a network may hang: the thread in there is waited for by nobody, and no second one is sent.
        if self._asking is None:
            self._asking = asyncio.ensure_future(ask())
        asking = self._asking
        done, _ = await asyncio.wait((asking,), timeout=self._patience)
        if not done:
            return None
        if self._asking is asking:
            self._asking = None
        return asking.result()

    async def _read_now(self) -> Reading:
        self._begun += 1
        return await asyncio.to_thread(self._read, self._begun)

    async def _look_now(self) -> Reading | None:
        before, mark = self._seen, await asyncio.to_thread(self._mark)
        if mark == before and self._trust and self._missed_since is None:
            self._held.confirm()
            return None
        # Two writes within one tick of the file system's clock look the same: read once more before trusting the mark.
        self._trust = mark == before
        return await self._read_now()

    @property
    def hangs(self) -> bool:
        """Whether the file was asked and has not answered."""
        return self._asking is not None

    def held_up(self, reading: Reading) -> bool:
        """Whether what was read has to wait for a backup that would take the value that goes, and hangs."""
        return reading.text is not None and self.is_news(reading) and any(one.hangs for one in self._beside())

    def is_news(self, reading: Reading | None) -> bool:
        """Whether taking it would change anything."""
        return reading is not None and (reading.text is None or reading.text != self._held.text)

    def take(self, reading: Reading, *, patient: bool = False) -> bool:
        """Go by what was read; True when that is another value. One that began before another that was taken is old
        news. A file that is gone for a moment may come back. Raises `SecretError` when there is no value any more,
        unless `patient`: then that is only recorded and logged.
        """
        if reading.number < self._taken:
            return False
        self._taken = reading.number
        self._note(reading)
        if reading.text is not None:
            return self._succeeded(reading.text)
        error = reading.error or SecretError(f"secret {self.name} is not set")
        # Whoever asks for a second look, and be it by a forged post, must not catch a writer in the middle of it.
        if self._is_being_written(error):
            return False
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
            log.warning("secret_withdrawn", secret_name=self.name, error=error.message)
        self._error = error

    def _succeeded(self, text: str) -> bool:
        first = self._held.text is None
        self._error = self._missed_since = None
        changed = self._held.replace(text)
        if changed and not first:
            log.info("secret_rotated", secret_name=self.name)
        return changed

    def health(self) -> SecretHealth:
        if self._error is not None:
            return SecretHealth(name=self.name, source=self._kind, state="failed", error=self._error.message)
        flipping = self._held.flipping
        return SecretHealth(
            name=self.name,
            source=self._kind,
            state="flipping" if flipping else "fresh",
            error=FLIPPING if flipping else "",
            changed_at=self._written_at,
        )

    def cancel(self) -> None:
        """Wait for no file any more."""
        if self._asking is not None:
            self._asking.cancel()

    def _mark(self) -> Mark | None:
        try:
            return _mark_of(self._first().stat())
        except OSError:
            return None

    def _first(self) -> Path:
        return next((path for path in self._paths if exists(path)), self._paths[0])

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
            absent = SecretError(f"secret {self.name} has no file", hint=cure, code=ABSENT)
            return Reading(number=number, path=path, error=absent)
        except OSError as error:
            cure = f"let the daemon's user read {path}"
            closed = SecretError(f"secret {self.name} cannot be read: {error.strerror}", hint=cure)
            return Reading(number=number, path=path, error=closed, mark=mark)
        return Reading(number=number, path=path, text=text, mark=mark, written_at=about.st_mtime)

    def _checked(self, data: bytes, path: Path) -> str:
        if len(data) > MAX_BYTES:
            raise SecretError(f"secret {self.name} is larger than {MAX_BYTES // 1024} KiB", hint=f"see {path}")
        text = secret_text(data)
        if text is None:
            raise SecretError(f"secret {self.name} is not UTF-8 text", hint=f"write it to {path}")
        if not text.strip():
            raise SecretError(f"secret {self.name} is empty", hint=f"write it to {path}", code="secret_empty")
        return text

    def _check(self, about: os.stat_result, path: Path) -> None:
        if not stat.S_ISREG(about.st_mode):
            raise SecretError(f"secret {self.name} is not in a file", hint=f"make {path} a regular file")
        if self._production and about.st_mode & stat.S_IROTH:
            raise SecretError(
                f"everyone on this machine may read the file of secret {self.name}", hint=f"chmod o-r {path}"
            )

    def __repr__(self) -> str:
        return f"FileSecret({self.name!r})"


def _mark_of(about: os.stat_result) -> Mark:
    """What tells one state of a file from another. The change time is in it, since `chmod` may be the cure."""
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_ctime_ns, about.st_size


def exists(path: Path) -> bool:
    """Whether there is such a file. One in a folder that may not be entered counts: reading it says why not."""
    try:
        return path.exists()
    except OSError:
        return True
