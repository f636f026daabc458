"""One thread owns the only writing connection; everything waiting when it wakes becomes one commit (group commit).

What does *not* live here: what is written. Admissions come as rows for one multi-row INSERT, everything else as a
function of the connection. A single statement per batch matters: CPython gives up and retakes the GIL around every
`sqlite3_step`, so a statement a row would hand the interpreter back and forth with the event loop once a row.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from phantom.channel import Admission
from phantom.errors import StorageError
from phantom.sealing import PLAIN, AtRest, place_of
from phantom.storage import schema

log = structlog.get_logger("phantom.storage")

T = TypeVar("T")

AdmitDone = Callable[[Admission], None]
_Job = tuple[Callable[[sqlite3.Connection], Any], "asyncio.Future[Any]", bool]
_Piece = tuple[list[object], list[AdmitDone], list[_Job]]

COLUMNS = 5
"""Values of one admission: key, kind, received_at (epoch seconds), body, state."""
MAX_ROWS = 128
"""Rows in one INSERT: 5 parameters each, far below SQLite's limit, and few enough statement shapes to stay cached."""

_KEY, _BODY = 0, 3
"""Where key and body stand among them."""
_OF_THE_JOB = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, StorageError)
"""What a job raises is told to whoever asked for it."""

_INSERTS = [
    "INSERT OR IGNORE INTO inbox (key, kind, received_at, body, state) VALUES " + ",".join(["(?,?,?,?,?)"] * n)  # noqa: S608
    for n in range(MAX_ROWS + 1)
]


class Writer:
    """The writer thread. Start it with `start`, end it with `close`; both block and belong in a worker thread.

    Everything that one pass of the event loop queued travels to the thread as one piece, at the end of that pass: a
    wake-up a row would make both threads fight over the GIL in the middle of reading sockets.
    """

    def __init__(
        self,
        path: Path,
        synchronous: str,
        on_answer: Callable[[Sequence[AdmitDone], Sequence[bool] | None, bool], None],
        on_commit: Callable[[float, int], None],
    ) -> None:
        self._path = path
        self._synchronous = synchronous
        self._on_answer = on_answer
        self._on_commit = on_commit
        self._values: list[object] = []
        self._dones: list[AdmitDone] = []
        self._jobs: list[_Job] = []
        self._pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._flushing = False
        self._ended = False
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None
        self.last_error: str = ""
        self.broken = False
        """The thread has ended although nobody asked it to."""
        self.at_rest: AtRest = PLAIN
        """Seals bodies, in the thread."""
        self.depth = 0
        """Admissions and jobs that wait for their commit. Event loop only."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the file and start the thread. Raises `StorageError` with the cure when the folder is unusable."""
        self._loop = loop
        try:
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            schema.prepare(self._connection, self._synchronous)
        except sqlite3.Error as error:
            raise StorageError(
                f"cannot open {self._path.name}: {error}",
                hint=f"check that {self._path.parent} is writable and has free space",
            ) from error
        self._thread = threading.Thread(target=self._serve, name="phantom-journal", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Hand what is queued to the thread. Event loop only."""
        self._flushing = False
        if not (self._dones or self._jobs):
            return
        piece = (self._values, self._dones, self._jobs)
        self._values, self._dones, self._jobs = [], [], []
        if self._ended:
            self._refuse(piece)
        else:
            self._pieces.put(piece)

    def end(self) -> None:
        """Hand over what is queued; whatever comes later is refused. Event loop only, before `close`."""
        self.flush()
        self._ended = True

    def _refuse(self, piece: _Piece) -> None:
        """Nobody would ever answer, and who waits for the disk even when it is cancelled would never end."""
        _, dones, jobs = piece
        if dones:
            self._settle_admits(dones, None, False)
        closed = StorageError("the journal is closed", hint="the daemon stops; its next start goes on")
        self._settle_jobs([(future, None, closed) for _, future, _ in jobs if not future.done()])

    def close(self) -> None:
        """Commit what was flushed, then end the thread."""
        self._pieces.put(None)
        if self._thread is not None:
            self._thread.join()
            self._connection.close()

    def admit(self, key: str, kind: str, received_at: float, body: bytes | None, state: int, done: AdmitDone) -> None:
        """Queue one admission. Event loop only."""
        self.depth += 1
        self._values += (key, kind, received_at, body, state)
        self._dones.append(done)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def run(self, job: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> asyncio.Future[T]:
        """Queue a function; it runs inside a transaction in a savepoint of its own, or `alone`, in none: for what
        SQLite does in no transaction. Event loop only.
        """
        self.depth += 1
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.append((job, future, alone))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)
        return future

    def _serve(self) -> None:
        piece: _Piece | None = None
        try:
            while (piece := self._pieces.get()) is not None:
                self._work_off(piece)
        finally:
            if piece is not None:
                self._break_down(piece)

    def _work_off(self, piece: _Piece) -> None:
        """Commit a piece and whatever waits behind it. What is answered is taken out of it."""
        values, dones, jobs = piece
        with contextlib.suppress(queue.Empty):
            while len(dones) < MAX_ROWS and (more := self._pieces.get_nowait()) is not None:
                values += more[0]
                dones += more[1]
                jobs += more[2]
            if len(dones) < MAX_ROWS:
                self._pieces.put(None)  # the end came while gathering: meet it again after this commit
        while dones:
            self._commit_admits(values[: MAX_ROWS * COLUMNS], dones[:MAX_ROWS])
            del values[: MAX_ROWS * COLUMNS], dones[:MAX_ROWS]
        joint = [one for one in jobs if not one[2]]
        if joint:
            self._commit_jobs(joint)
        for one in jobs:
            if one[2]:
                self._run_alone(one)

    def _break_down(self, piece: _Piece) -> None:
        """The thread ends of something that nobody foresaw; its traceback is on its way to the log."""
        self.broken = True
        self._fail("the thread that writes the journal broke")
        self._call_loop(lambda: self._give_up(piece))

    def _give_up(self, piece: _Piece) -> None:
        """Nobody shall wait for a thread that is no more: what waits is refused, and what will come is."""
        self._ended = True
        self._refuse(piece)
        with contextlib.suppress(queue.Empty):
            while True:
                left = self._pieces.get_nowait()
                if left is not None:
                    self._refuse(left)

    def _commit_admits(self, values: list[object], dones: list[AdmitDone]) -> None:
        """One statement, one implicit transaction."""
        started = time.perf_counter()
        try:
            stored = self._sealed(values)
            inserted = self._connection.execute(_INSERTS[len(dones)], stored)
            known = None if inserted.rowcount == len(dones) else self._known(stored, inserted)
        except sqlite3.Error as error:
            self._fail(str(error))
            self._call_loop(lambda: self._settle_admits(dones, None, False))
            return
        except (ValueError, OverflowError) as error:
            self._commit_apart(values, dones, error)
            return
        self.last_error = ""
        self._on_commit(time.perf_counter() - started, len(dones))
        self._call_loop(lambda: self._settle_admits(dones, known, True))

    def _commit_apart(self, values: list[object], dones: list[AdmitDone], error: Exception) -> None:
        """One row cannot be stored, whatever the disk does (its key is no valid Unicode): the others shall be."""
        if len(dones) == 1:
            log.error("event_cannot_be_stored", error=type(error).__name__)
            self._call_loop(lambda: self._settle_admits(dones, None, False))
            return
        for number, done in enumerate(dones):
            self._commit_admits(values[number * COLUMNS : (number + 1) * COLUMNS], [done])

    def _sealed(self, values: list[object]) -> list[object]:
        if not self.at_rest.ever_sealed:
            return values
        sealed = list(values)
        for first in range(0, len(values), COLUMNS):
            body, key = values[first + _BODY], values[first + _KEY]
            if isinstance(body, bytes):
                sealed[first + _BODY] = self.at_rest.seal(body, place_of("inbox", "body", str(key)))
        return sealed

    def _known(self, values: list[object], inserted: sqlite3.Cursor) -> list[bool]:
        """Which rows of the batch were there before it, or came earlier in it."""
        keys = values[::COLUMNS]
        sql = f"SELECT key FROM inbox WHERE key IN ({','.join('?' * len(keys))})"  # noqa: S608 - question marks only
        arguments = list(keys)
        if inserted.rowcount and inserted.lastrowid is not None:
            sql += " AND seq <= ?"
            arguments.append(inserted.lastrowid - inserted.rowcount)
        before = {key for (key,) in self._connection.execute(sql, arguments)}
        known = []
        for key in keys:
            known.append(key in before)
            before.add(key)
        return known

    def _settle_admits(self, dones: list[AdmitDone], known: list[bool] | None, stored: bool) -> None:
        self.depth -= len(dones)
        self._on_answer(dones, known, stored)

    def _commit_jobs(self, batch: list[_Job]) -> None:
        results: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job, future, _ in batch:
                results.append((future, *self._run_one(job)))
            self._connection.execute("COMMIT")
            self.last_error = ""
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._fail(str(error))
            fault = StorageError(f"journal write failed: {error}", hint="check free space and permissions")
            results = [(future, None, fault) for _, future, _ in batch]
        self._call_loop(lambda: self._settle_jobs(results))

    def _run_alone(self, one: _Job) -> None:
        job, future, _ = one
        result: tuple[asyncio.Future[Any], Any, BaseException | None]
        try:
            result = future, job(self._connection), None
        except (sqlite3.Error, OSError) as error:
            cure = "check free space and permissions"
            result = future, None, StorageError(f"the journal's file could not be tended: {error}", hint=cure)
        except _OF_THE_JOB as error:
            result = future, None, error
        self._call_loop(lambda: self._settle_jobs([result]))

    def _run_one(self, job: Callable[[sqlite3.Connection], Any]) -> tuple[Any, BaseException | None]:
        """Run one job in a savepoint, so that its own failure undoes only itself. Disk errors fail the batch."""
        self._connection.execute("SAVEPOINT job")
        try:
            value = job(self._connection)
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.IntegrityError):
                self._undo()
                return None, error
            raise
        except _OF_THE_JOB as error:
            self._undo()
            return None, error
        self._connection.execute("RELEASE job")
        return value, None

    def _undo(self) -> None:
        self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")

    def _settle_jobs(self, results: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
        self.depth -= len(results)
        for future, value, error in results:
            if future.done():  # whoever asked has gone away
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _fail(self, text: str) -> None:
        self.last_error = text

    def _call_loop(self, function: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)
