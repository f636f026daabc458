"""The task store: `task_records.py` on a connection and a thread of its own.

What does *not* live here: the SQL, and who waits for an answer (`waiting.py`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from channels.webhook import task_records as records
from channels.webhook.task_records import Callback, Saying, Task
from phantom.clock import Clock
from phantom.errors import DeliveryUnknown, StorageError
from phantom.sealing import PLAIN, AtRest, SealedDatabase

T = TypeVar("T")

FILE = "tasks.sqlite"
PATIENCE = 10.0
"""Seconds after which an answer that is being written is of unknown fate: a disk that stalls may yet write it."""
LOCK_SECONDS = 30.0
RETENTION = 7 * 86_400.0
"""Seconds for which tasks are remembered, as long as the journal remembers events."""


class TaskStore:
    """`open` before anything else, `aclose` after everything. Errors are `StorageError`s."""

    def __init__(self, folder: Path, clock: Clock, *, patience: float = PATIENCE, at_rest: AtRest = PLAIN) -> None:
        self._path = folder / FILE
        self._clock = clock
        self._patience = patience
        self._at_rest = at_rest
        self._db: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Make the file or take up what an earlier run left. May be called again."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook-tasks")
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._connect)
            except (sqlite3.Error, OSError) as error:
                self._thread.shutdown(wait=False)
                self._thread = None
                raise self._failed(error) from error
            tables = SealedDatabase(
                name=f"{self._path.parent.name} tasks", tables=records.SEALED, write=self._reseal, alone=self._tend
            )
            self._at_rest.look_after(tables)

    async def aclose(self) -> None:
        """Finish what is being written, and close."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
        thread.shutdown(wait=False)

    async def begin(self, task: Task, event_id: str, digest: str) -> Task | None:
        """The task of a post, made if it is new. None: its id is that of another question (`digest` differs)."""
        now = self._clock.now()
        return await self._run(lambda db: records.begin(db, task, event_id, digest, now, self._at_rest), durable=False)

    async def find(self, task: str, endpoint: str) -> Task | None:
        """A task of the endpoint, as it stands."""
        return await self._run(lambda db: records.find(db, task, endpoint, self._at_rest), durable=False)

    async def keep(self, saying: Saying) -> bool:
        """Keep a message of ours, durably, once. Raises `DeliveryUnknown` when the disk has not said in time."""
        now = self._clock.now()
        writing = asyncio.ensure_future(
            self._run(lambda db: records.keep(db, saying, now, self._at_rest), durable=True)
        )
        done, _ = await asyncio.wait((writing,), timeout=self._patience)
        if not done:
            writing.add_done_callback(_seen)
            raise DeliveryUnknown("the disk has not answered in time", hint=f"look at the disk of {self._path.parent}")
        return writing.result()

    async def sent_as(self, key: str) -> str | None:
        """The id of a message that was kept, after everything that is being written."""
        return await self._run(lambda db: records.sent_as(db, key), durable=False)

    async def take_due(self, each: int, busy: Mapping[str, int], put_off: float) -> list[Callback]:
        """Callbacks that are due, counted as begun and due again in `put_off` seconds. At most `each` of one endpoint,
        less those that are `busy` there.
        """
        now = self._clock.now()
        return await self._run(
            lambda db: records.take_due(db, now, each, busy, now + put_off, self._at_rest), durable=True
        )

    async def resume_callbacks(self) -> int:
        """Make due again what the end of the last run cut short. Before the first `take_due`."""
        now = self._clock.now()
        return await self._run(lambda db: records.resume_callbacks(db, now), durable=True)

    async def settle_callback(self, callback: str, state: str, detail: str, wait: float = 0.0) -> None:
        """What became of an attempt; still pending, it is due again in `wait` seconds."""
        due = self._clock.now() + wait
        await self._run(lambda db: records.settle_callback(db, callback, state, detail, due), durable=True)

    async def next_due(self, without: Collection[str]) -> float | None:
        """In how many seconds the next callback is due, None without any. Endpoints in `without` are left out."""
        due = await self._run(lambda db: records.next_due(db, without), durable=False)
        return None if due is None else max(0.0, due - self._clock.now())

    async def callback_counts(self) -> dict[str, int]:
        """How many callbacks there are in each state."""
        return await self._run(records.callback_counts, durable=False)

    async def prune(self) -> int:
        """Forget what is old."""
        before = self._clock.now() - RETENTION
        return await self._run(lambda db: records.prune(db, before), durable=False)

    # --- in the thread ---

    def _connect(self) -> None:
        db = sqlite3.connect(self._path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        self._path.chmod(0o600)
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(records.SCHEMA)
        self._db = db

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    async def _reseal(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        return await self._run(job, durable=True)

    async def _tend(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run `job` in no transaction."""
        return await self._in_thread(job)

    async def _run(self, job: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        """One transaction. A `durable` one is on the disk when it returns; others survive a kill of the process."""

        def work(db: sqlite3.Connection) -> T:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                found = job(db)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            return found

        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        thread = self._thread
        if thread is None:
            raise self._not_open()

        def on_the_connection() -> T:
            if self._db is None:
                raise self._not_open()
            return work(self._db)

        try:
            return await asyncio.get_running_loop().run_in_executor(thread, on_the_connection)
        except (sqlite3.Error, RuntimeError) as error:
            raise self._failed(error) from error

    def _not_open(self) -> StorageError:
        return StorageError("the webhook task store is not open")

    def _failed(self, error: Exception) -> StorageError:
        return StorageError(
            f"the webhook task store failed: {error}", hint=f"free space in {self._path.parent} or make it writable"
        )


def _seen(writing: asyncio.Future[bool]) -> None:
    """Mark the outcome as seen; a look-up tells whether it was kept."""
    if not writing.cancelled():
        writing.exception()
