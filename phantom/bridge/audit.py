"""Who logged in and who did what: one JSON line for every login and every action, in a file that is turned over.

A row names secret, app, action, target and outcome; never content, never a secret. Each row is written at once with
one system call, so it survives the death of the process. What does *not* live here: showing rows (`phantom/cli`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from phantom.clock import Clock
from phantom.errors import ConfigError

log = structlog.get_logger("phantom.bridge")

NAME = "audit.jsonl"
MAX_BYTES = 10 * 1024 * 1024
KEEP_FILES = 5
"""The file that is written, and four older ones: `audit.1.jsonl` is the youngest of them."""


class Audit:
    """The daemon's side. `open` before the first row; without a folder rows go nowhere (tests, in-process use).

    `max_bytes` 0 never turns the file over: for those who add a row beside the daemon.
    """

    def __init__(
        self,
        folder: Path | None,
        clock: Clock,
        *,
        max_bytes: int = MAX_BYTES,
        mask: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._folder = folder
        self._mask = mask
        self._clock = clock
        self._max_bytes = max_bytes
        self._file = -1
        self._size = 0
        self._torn = False
        """The file does not end with a whole row."""
        self.failed = False
        """Whether the last row could not be written."""

    def open(self) -> None:
        """Create the folder and file for us alone. Blocking. Raises `ConfigError` where we may not."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._reopen(self._folder)
        except OSError as error:
            raise ConfigError(
                f"the bridge's audit cannot be written: {error.strerror}",
                where=str(self._folder / NAME),
                hint="make the data folder writable for the daemon, and free space on its disk",
            ) from error

    def row(self, kind: str, **facts: Any) -> None:
        """Write one row: `kind` is auth, action or admin. Empty facts are left out. Never raises."""
        if self._folder is None:
            return
        row = {"ts": round(self._clock.now(), 3), "kind": kind}
        row.update((name, self._masked(fact)) for name, fact in facts.items() if fact not in ("", None, {}))
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        try:
            if self._file < 0:
                self._reopen(self._folder)
            self._write(b"\n" + line if self._torn else line)
            if 0 < self._max_bytes < self._size:
                self._turn_over(self._folder)
            self.failed = False
        except OSError as error:
            if not self.failed:
                log.error("bridge_audit_not_written", error=error.strerror, cure="free space in the data folder")
            self.failed = True

    def _masked(self, fact: Any) -> Any:
        """An app chooses its name and the ids of its requests."""
        if isinstance(fact, str):
            return self._mask(fact)
        return {name: self._masked(item) for name, item in fact.items()} if isinstance(fact, dict) else fact

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, line: bytes) -> None:
        """A row that did not get in whole is ended by the next one, which stays readable."""
        written = os.write(self._file, line)
        self._size += written
        self._torn = written < len(line)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _reopen(self, folder: Path) -> None:
        self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size
        self._torn = self._size > 0 and os.pread(self._file, 1, self._size - 1) != b"\n"

    def _turn_over(self, folder: Path) -> None:
        self.close()
        names = [NAME, *(f"audit.{number}.jsonl" for number in range(1, KEEP_FILES))]
        for older, younger in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if (folder / younger).exists():
                (folder / younger).replace(folder / older)
        self._reopen(folder)


def rows(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Every row that is kept, oldest first. A torn last line is left out."""
    for number in reversed(range(KEEP_FILES)):
        path = folder / (NAME if number == 0 else f"audit.{number}.jsonl")
        if not path.exists():
            continue
        with path.open("rb") as lines:
            for line in lines:
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(row, dict):
                    yield row
