"""The journal: what came in, durably and once. The platform is acknowledged only after `admit` has answered.

What does *not* live here: what an event means (`pipeline.py`), what goes out (`storage/outbox.py`).
Group-committed SQLite in WAL mode. With `synchronous=FULL` (the default) a commit is on the disk before the ack, so an
ack survives a power cut; with NORMAL it survives a crash of the process or a SIGKILL, not of the machine.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from phantom.channel import Admission, Envelope, Meter
from phantom.errors import StorageError
from phantom.sealing import PLAIN, AtRest, DamagedRow, SealedDatabase, place_of
from phantom.storage.schema import (
    SEALED,
    STATE_ADMITTED,
    STATE_CLAIMED,
    STATE_DONE,
    STATE_DUPLICATE,
    STATE_FAILED,
    STATE_IGNORED,
    STATE_RUNNING,
)
from phantom.storage.writer import Writer

log = structlog.get_logger("phantom.storage")

T = TypeVar("T")

_ADMITTED = Admission(stored=True)
_DUPLICATE = Admission(stored=True, duplicate=True)
_REFUSED = Admission(stored=False)
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One inbox row that still needs work."""

    seq: int
    envelope: Envelope
    claimed: bool
    text_override: str | None = None


class Journal:
    """Opened once per data folder; all its methods belong to the event loop that opened it."""

    def __init__(self, path: Path, *, synchronous: str, meter: Meter) -> None:
        self._path = path
        self._meter = meter
        self._writer = Writer(path, synchronous, self._answer, self._committed)
        self._reader: sqlite3.Connection | None = None
        self._reader_lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="phantom-journal-read")
        self._arrivals: dict[str, asyncio.Event] = {}
        self.at_rest: AtRest = PLAIN
        """How text is stored; set by `seal_with`."""

    def seal_with(self, at_rest: AtRest) -> None:
        """Store what people said sealed. Right after `open`."""
        self.at_rest = self._writer.at_rest = at_rest
        at_rest.look_after(SealedDatabase(name="journal", tables=SEALED, write=self.write, alone=self.tend))

    async def open(self) -> None:
        """Open the file, creating it when needed. Raises `StorageError`."""
        self._writer.start(asyncio.get_running_loop())
        self._reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._reader.execute("PRAGMA query_only = ON")

    async def aclose(self) -> None:
        """Commit what waits and close. What is asked for later is refused."""
        self._writer.end()
        await self._in_thread(self._writer.close)
        if self._reader is not None:
            self._reader.close()
        self._pool.shutdown(wait=False)

    @property
    def fault(self) -> str:
        """The last write's error, "" while writing works."""
        return self._writer.last_error

    @property
    def broken(self) -> bool:
        """Whether it will never write again, until a restart."""
        return self._writer.broken

    @property
    def depth(self) -> int:
        """Writes that wait for the next commit."""
        return self._writer.depth

    def arrival(self, channel: str) -> asyncio.Event:
        """The event that is set whenever something was admitted (of whatever channel); the reader clears it."""
        return self._arrivals.setdefault(channel, asyncio.Event())

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        """Admit; `done` is called on the loop after the commit, or with `stored=False` when it failed."""
        channel, tenant, event_id, kind, body, received_at, encoding, _, _ = envelope
        key = f"{channel}{_SEPARATOR}{tenant}{_SEPARATOR}{event_id}"
        self._writer.admit(key, f"{kind}/{encoding}", received_at, body, STATE_ADMITTED, done)

    def submit_key(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        """The same for an event of which nothing but the key is kept: durable and deduplicated, never worked on."""
        key = f"{envelope.channel}{_SEPARATOR}{envelope.tenant}{_SEPARATOR}{envelope.event_id}"
        self._writer.admit(key, "", envelope.received_at, None, STATE_IGNORED, done)

    async def admit(self, envelope: Envelope) -> Admission:
        """Admit and wait for the commit."""
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self.submit(envelope, lambda admission: None if future.done() else future.set_result(admission))
        return await future

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` in the writer thread, in a transaction with whatever else waits. Raises what the job raises
        (sqlite3.IntegrityError, ValueError, …) or `StorageError`.
        """
        return await self._writer.run(job)

    async def tend(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` in the writer thread in no transaction, as VACUUM wants it. Raises `StorageError`."""
        return await self._writer.run(job, alone=True)

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run `job` on the reading connection in a worker thread."""

        def locked() -> T:
            if self._reader is None:
                raise StorageError("the journal is not open")
            with self._reader_lock:
                return job(self._reader)

        try:
            return await self._in_thread(locked)
        except sqlite3.Error as error:
            raise StorageError(f"journal read failed: {error}", hint="check the data folder") from error

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """In a thread of our own: the loop's default pool belongs to whoever set it last, and may be shut down."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    async def open_entries(self, channel: str, after: int, limit: int) -> list[Entry]:
        """The channel's rows that still need work with `seq > after`, oldest first."""
        prefix = channel + _SEPARATOR

        def query(connection: sqlite3.Connection) -> list[Entry | int]:
            rows = connection.execute(
                "SELECT seq, key, kind, received_at, body, state, text_override FROM inbox"
                " WHERE state < 3 AND seq > ? AND substr(key, 1, ?) = ? ORDER BY seq LIMIT ?",
                (after, len(prefix), prefix, limit),
            )
            return [self._opened(*row) for row in rows]

        while rows := await self.read(query):
            whole = await self._whole(rows)
            if whole:
                return whole
        return []

    async def entry(self, seq: int) -> Entry | None:
        """One row that still needs work, as it stands now (an edit may have replaced its text)."""

        def query(connection: sqlite3.Connection) -> Entry | int | None:
            row = connection.execute(
                "SELECT seq, key, kind, received_at, body, state, text_override FROM inbox WHERE seq = ? AND state < 3",
                (seq,),
            ).fetchone()
            return None if row is None else self._opened(*row)

        found = await self.read(query)
        return None if found is None else next(iter(await self._whole([found])), None)

    def _opened(self, seq: int, key: str, kind: str, at: float, body: bytes, state: int, override: Any) -> Entry | int:
        """The row as an entry; its number alone when it does not open."""
        try:
            body = self.at_rest.open(body or b"", place_of("inbox", "body", key))
            text = (
                None if override is None else self.at_rest.open_text(override, place_of("inbox", "text_override", key))
            )
        except DamagedRow as error:
            log.error("event_does_not_open", seq=seq, what=error.message, cure=error.hint)
            return seq
        return _entry(seq, key, kind, at, body, state, text)

    async def _whole(self, rows: Sequence[Entry | int]) -> list[Entry]:
        """The entries; events that do not open have failed. What is stored of them is kept."""
        damaged = [(STATE_FAILED, row) for row in rows if isinstance(row, int)]
        if damaged:
            sql = "UPDATE inbox SET state = ?, detail = 'damaged' WHERE seq = ?"
            await self.write(lambda db: db.executemany(sql, damaged) and None)
        return [row for row in rows if not isinstance(row, int)]

    async def claim(self, seq: int, logical: str, lane: str) -> bool:
        """Take the post for a turn. False when another event of the same post has it already."""

        def job(connection: sqlite3.Connection) -> bool:
            try:
                connection.execute(
                    "UPDATE inbox SET state = ?, logical = ?, lane = ? WHERE seq = ?",
                    (STATE_CLAIMED, logical, lane, seq),
                )
            except sqlite3.IntegrityError:
                connection.execute("UPDATE inbox SET state = ?, body = NULL WHERE seq = ?", (STATE_DUPLICATE, seq))
                return False
            return True

        return await self.write(job)

    async def begin(self, seq: int) -> bool:
        """The turn starts: from here on edits and deletions come too late. False when the row was dropped meanwhile."""

        def job(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "UPDATE inbox SET state = ? WHERE seq = ? AND state IN (?, ?)",
                (STATE_RUNNING, seq, STATE_CLAIMED, STATE_RUNNING),
            )
            return cursor.rowcount == 1

        return await self.write(job)

    async def drop_waiting(self, logical: str) -> bool:
        """Forget a post that still waits (it was deleted). False when its turn has begun, ended, or never was."""

        def job(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "UPDATE inbox SET state = ?, body = NULL, detail = 'deleted' WHERE logical = ? AND state = ?",
                (STATE_IGNORED, logical, STATE_CLAIMED),
            )
            return cursor.rowcount == 1

        return await self.write(job)

    async def replace_text(self, logical: str, text: str) -> bool:
        """Give a post that still waits new text. False when its turn has begun, ended, or never was."""

        def job(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                "SELECT seq, key FROM inbox WHERE logical = ? AND state = ?", (logical, STATE_CLAIMED)
            ).fetchone()
            if row is None:
                return False
            sealed = self.at_rest.seal_text(text, place_of("inbox", "text_override", row[1]))
            connection.execute("UPDATE inbox SET text_override = ? WHERE seq = ?", (sealed, row[0]))
            return True

        return await self.write(job)

    async def finish(self, seqs: Sequence[int], state: int = STATE_DONE, detail: str = "") -> None:
        """Rows that need no more work; their bodies are dropped, their keys stay for deduplication."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE inbox SET state = ?, body = NULL, text_override = NULL, detail = ? WHERE seq = ?",
                [(state, detail, seq) for seq in seqs],
            )

        await self.write(job)

    async def ignore_range(self, channel: str, first: int, last: int, keep: Sequence[int]) -> None:
        """Mark the channel's admitted rows in [first, last] except `keep` as ignored, in one statement."""
        prefix = channel + _SEPARATOR
        marks = ",".join("?" * len(keep))
        where = f"state = 0 AND seq BETWEEN ? AND ? AND substr(key, 1, ?) = ? AND seq NOT IN ({marks})"
        sql = f"UPDATE inbox SET state = ?, body = NULL WHERE {where}"  # noqa: S608 - only question marks are spliced
        arguments = (STATE_IGNORED, first, last, len(prefix), prefix, *keep)
        await self.write(lambda connection: connection.execute(sql, arguments) and None)

    async def backlog(self) -> int:
        """How many events still need work."""
        return await self.read(
            lambda connection: int(connection.execute("SELECT count(*) FROM inbox WHERE state < 3").fetchone()[0])
        )

    async def prune(self, before: float) -> int:
        """Forget finished rows received before `before` (epoch seconds). Returns how many."""

        def job(connection: sqlite3.Connection) -> int:
            cursor = connection.execute("DELETE FROM inbox WHERE state >= 3 AND received_at < ?", (before,))
            return cursor.rowcount

        return await self.write(job)

    def _answer(self, dones: Sequence[Callable[[Admission], None]], known: Sequence[bool] | None, stored: bool) -> None:
        """Tell everyone in a batch, in order. Called on the event loop."""
        if not stored:
            self._tell((done, _REFUSED) for done in dones)
            return
        for arrival in self._arrivals.values():
            arrival.set()
        if known is None:
            self._tell((done, _ADMITTED) for done in dones)
            return
        answers = (_DUPLICATE if duplicate else _ADMITTED for duplicate in known)
        self._tell(zip(dones, answers, strict=True))

    def _tell(self, answers: Iterator[tuple[Callable[[Admission], None], Admission]]) -> None:
        all_told = False
        try:
            for done, admission in answers:
                done(admission)
            all_told = True
        finally:
            if not all_told:
                # One that fails is its channel's fault; the others of its batch wait for their answers all the same.
                asyncio.get_running_loop().call_soon(self._tell, answers)

    def _committed(self, seconds: float, rows: int) -> None:
        """Called in the writer thread."""
        self._meter.observe("phantom_journal_commit_seconds", seconds)
        self._meter.count("phantom_journal_admitted_total", rows)


def _entry(
    seq: int, key: str, kind: str, received_at: float, body: bytes | None, state: int, text_override: str | None
) -> Entry:
    channel, tenant, event_id = key.split(_SEPARATOR, 2)
    kind, _, encoding = kind.rpartition("/")
    return Entry(
        seq=seq,
        envelope=Envelope(
            channel=channel,
            tenant=tenant,
            event_id=event_id,
            kind=kind,
            encoding=encoding,
            received_at=received_at,
            body=body or b"",
        ),
        claimed=state in (STATE_CLAIMED, STATE_RUNNING),
        text_override=text_override,
    )


__all__ = ["STATE_DONE", "STATE_DUPLICATE", "STATE_FAILED", "STATE_IGNORED", "Entry", "Journal"]
