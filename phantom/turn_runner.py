"""The engine's handle on durable turns: loads the workflow machinery late, starts turns, stops them, approves.

What does *not* live here: the workflow itself (`turns.py`, which imports DBOS and is only imported by `load`).
"""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

import structlog

from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import StorageError
from phantom.journal import Journal
from phantom.lean_imports import deferred
from phantom.sealing import AtRest, DamagedRow
from phantom.storage.patience import RETRY_SECONDS
from phantom.storage.schema import STATE_CLAIMED, STATE_IGNORED
from phantom.storage.turns_database import TurnsDatabase

if TYPE_CHECKING:
    from phantom.at_rest import EncryptionAtRest
    from phantom.turns import TurnServices

log = structlog.get_logger("phantom.turns")

APPLICATION_VERSION = "phantom-turn-1"
"""DBOS recovers a workflow only under its own version, and its default is a hash of the code: an upgrade would strand
what is under way. Raised only when the workflow's steps change in a way that an old checkpoint cannot follow.
"""
SORRY = "Something went wrong on my side while I was answering. The operator's log has the details."
JOIN_SECONDS = 0.5
"""How often it is looked whether a turn that an earlier process began, and that DBOS took up, has ended. There may be
hundreds of them that wait for an approval.
"""
RECHECK_SECONDS = 5.0
"""Seconds after which a turn that waits for an approval looks in PostgreSQL whether it has missed it."""


@dataclass(slots=True)
class _Waiting:
    """Turns that wait in a lane, so that `/phantom stop` can find a person's own."""

    author: str
    conversation: str


class TurnRunner:
    """`database` is where turns are kept; `state` is starting, running, waiting (for that database) or failed."""

    def __init__(self, database: TurnsDatabase, journal: Journal, clock: Clock, meter: Meter) -> None:
        self.database = database
        self._journal = journal
        self._clock = clock
        self._meter = meter
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phantom-turns")
        self._seal_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phantom-turn-seals")
        """Of its own: whoever reseals may wait for a database that is away."""
        self._loaded = asyncio.Event()
        self._turns: Any = None
        self._dbos: Any = None
        self._launching: asyncio.Future[Any] | None = None
        """The last attempt to launch DBOS."""
        self._state = "starting"
        self._waiting: dict[int, _Waiting] = {}
        self._stuck: dict[str, str] = {}
        """Turns whose checkpoints cannot be written however often that is tried, and why."""

    async def load(self, make_services: Callable[[], TurnServices], boot: str) -> None:
        """Import and launch DBOS in worker threads; turns begin when this is done. Waits for a database that is away.
        Raises `StorageError`.
        """
        loop = asyncio.get_running_loop()
        try:
            self._turns = await loop.run_in_executor(self._pool, _import_turns, self.database.driver)
            # Before the launch: it resumes what an earlier process left, and that needs the services at once.
            self._turns.set_boot_id(boot)
            self._turns.configure(make_services())
            await self.database.open()
            self._dbos = await self._launched(loop)
        except (OSError, sqlite3.Error) as error:
            self._state = "failed"
            raise StorageError(f"turns cannot start: {error}", hint="check the data folder") from error
        self._state = "running"
        self._loaded.set()

    async def _launched(self, loop: asyncio.AbstractEventLoop) -> Any:
        from dbos import DBOS
        from sqlalchemy.exc import SQLAlchemyError

        while True:
            try:
                launch = loop.run_in_executor(self._pool, _launch, self.database, loop, self._journal.at_rest)
                self._launching = launch
                return await asyncio.shield(launch)
            except SQLAlchemyError as error:
                await loop.run_in_executor(self._pool, DBOS.destroy)
                await self.database.launch_failed(error)

    @property
    def state(self) -> str:
        """See the class."""
        return "waiting" if self.trouble is not None else self._state

    @property
    def trouble(self) -> StorageError | None:
        """Why turns cannot go on now, with the cure: their database is away, or takes nothing."""
        if self.database.trouble is not None or not self._stuck:
            return self.database.trouble
        why = next(iter(self._stuck.values()))
        cure = "free space and look at the turns database; they go on by themselves once it can be written"
        return StorageError(f"{len(self._stuck)} turn(s) cannot be kept: {why}", hint=cure)

    @property
    def running(self) -> int:
        """Turns whose agent is at work."""
        return 0 if self._turns is None else int(self._turns.running_count())

    def note_waiting(self, seq: int, author: str, conversation: str) -> None:
        """A turn queues in its lane."""
        self._waiting[seq] = _Waiting(author, conversation)

    def note_begun(self, seq: int) -> None:
        """It queues no longer."""
        self._waiting.pop(seq, None)

    async def run(self, workflow: str, channel: str, seq: int) -> str:
        """Run, resume, or read the end of the turn. Returns its outcome; "lost" or "crashed" when it can never end."""
        await self._loaded.wait()
        started = self._clock.monotonic()
        outcome = await self._finish(workflow, channel, seq)
        self._meter.observe("phantom_turn_seconds", self._clock.monotonic() - started, outcome=outcome)
        return outcome

    async def _finish(self, workflow: str, channel: str, seq: int) -> str:
        from dbos import error as dbos_error

        for run in (workflow, f"{workflow}#2"):
            attempt = asyncio.ensure_future(self._attempt(run, workflow, channel, seq))
            try:
                await asyncio.wait((attempt,))
            finally:
                attempt.cancel()
            error = attempt.exception()
            if error is None:
                return attempt.result()
            if isinstance(error, DamagedRow):
                log.error("turn_does_not_open", turn=run, what=error.message, cure=error.hint)
                continue
            if not isinstance(error, dbos_error.DBOSException):
                trace = "".join(traceback.format_exception(error))
                log.error("turn_crashed", turn=run, error=type(error).__name__, traceback=trace)
                return "crashed"
            # Checkpoints that no longer fit (another kind of agent since the crash), or too many recoveries. Run
            # afresh once: the turn's idempotency keys are the same, so nothing is sent twice.
            log.error("turn_checkpoints_unusable", turn=run, error=type(error).__name__, what=str(error))
        return "lost"

    async def _attempt(self, run: str, workflow: str, channel: str, seq: int) -> str:
        """Start the workflow, or join it, to its end. Where its checkpoints could not be written (a full disk), it is
        begun again without them once that works: its idempotency keys keep what was sent from being sent twice.
        """
        from dbos import SetWorkflowID
        from sqlalchemy.exc import SQLAlchemyError

        spoiled = False
        try:
            while True:
                await self.database.usable()
                try:
                    if spoiled:
                        await self._dbos.delete_workflows_async([run])
                        self._stuck.pop(run, None)
                    with SetWorkflowID(run):
                        handle = await self._dbos.start_workflow_async(
                            self._turns.turn_workflow, workflow, channel, seq
                        )
                    return str(await handle.get_result(polling_interval_sec=JOIN_SECONDS))
                except (SQLAlchemyError, sqlite3.Error) as error:
                    if spoiled:
                        self._stuck[run] = _why(error)
                    else:
                        log.warning("turn_checkpoint_not_written", turn=run, error=type(error).__name__)
                    spoiled = True
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._stuck.pop(run, None)

    def stop(self, prefix: str, author: str | None) -> int:
        """Stop running turns in conversations under `prefix`, of one author or (None) of all."""
        if self._turns is None:
            return 0
        runs = [run for run in self._turns.running(prefix) if author is None or run.turn.author.id == author]
        for run in runs:
            run.stop()
        return len(runs)

    async def drop_waiting(self, prefix: str, author: str | None) -> int:
        """Forget turns that wait in lanes under `prefix`. They were never begun, so nothing is half done."""
        seqs = [
            seq
            for seq, waiting in self._waiting.items()
            if waiting.conversation.startswith(prefix) and (author is None or waiting.author == author)
        ]

        def job(db: sqlite3.Connection) -> int:
            cursor = db.executemany(
                "UPDATE inbox SET state = ?, body = NULL, detail = 'stopped' WHERE seq = ? AND state = ?",
                [(STATE_IGNORED, seq, STATE_CLAIMED) for seq in seqs],
            )
            return cursor.rowcount

        return max(0, await self._journal.write(job)) if seqs else 0

    async def approve(self, workflow: str, approval: str, granted: bool) -> None:
        """Answer a turn that waits for a person."""
        await self._loaded.wait()
        await self.database.usable()
        await self._dbos.send_async(workflow, granted, approval)

    async def prune(self, before: datetime) -> int:
        """Forget the checkpoints of turns that began before `before` and have ended. Returns how many. Raises
        `StorageError`.
        """
        if self._dbos is None or self.database.trouble is not None:
            return 0
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return await self._prune(before)
        except SQLAlchemyError as error:
            what = f"old turns cannot be forgotten: {type(error).__name__}"
            raise StorageError(what, hint="tried again later") from error

    async def _prune(self, before: datetime) -> int:
        ended = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
        old = await self._dbos.list_workflows_async(
            status=ended, end_time=before.isoformat(), limit=500, load_input=False, load_output=False
        )
        if old:
            await self._dbos.delete_workflows_async([workflow.workflow_id for workflow in old])
        return len(old)

    def look_after_seals(self, encryption: EncryptionAtRest) -> None:
        """Have the checkpoints brought under the present key. After `load`."""
        if encryption.vault is None or self._dbos is None:
            return
        from dbos._dbos import _get_dbos_instance

        from phantom.storage.turn_seals import TurnResealing

        encryption.look_after(TurnResealing(_get_dbos_instance()._sys_db, encryption.vault, self._seal_pool))

    async def aclose(self) -> None:
        """Stop DBOS. Turns under way are resumed by the next start."""
        loop = asyncio.get_running_loop()
        if self._launching is not None and not self._launching.done():
            # It cannot be cut off: what it begins would be found by an interpreter that shuts down.
            self.database.let_go()
            await asyncio.gather(self._launching, return_exceptions=True)
        if self._turns is not None:
            await self._turns.cancel_all()
        self.database.let_go()
        if self._launching is not None:
            from dbos import DBOS

            # DBOS made its own pool the loop's default and now shuts it down: not from one of its own threads, and
            # whoever needs the default pool after this gets a fresh one.
            await loop.run_in_executor(self._pool, DBOS.destroy)
            loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="phantom"))
        if self._turns is not None:
            self._turns.configure(None)
        await self.database.aclose()
        self._seal_pool.shutdown(wait=False)


def _why(error: Exception) -> str:
    """SQLite's own words, which quote nothing that anybody said; of others' errors the name alone."""
    cause = getattr(error, "orig", None) or error
    return str(cause) if isinstance(cause, sqlite3.Error) else type(cause).__name__


def _import_turns(driver: str) -> ModuleType:
    """0.3 s and 30 MB, most of it DBOS."""
    if driver:
        importlib.import_module(driver)
    with deferred("psycopg"):  # without effect on what is loaded already
        from phantom import turns

    return turns


def _launch(database: TurnsDatabase, loop: asyncio.AbstractEventLoop, at_rest: AtRest) -> Any:
    """Start DBOS on the database. In a worker thread: the loop stays free meanwhile."""
    from dbos import DBOS, DBOSConfig
    from dbos._sys_db import SystemDatabase

    from phantom.storage.turn_seals import CheckpointSerializer

    config: DBOSConfig = {
        "name": "phantom",
        "system_database_url": database.url,
        "system_database_engine": database.engine(),
        "application_version": APPLICATION_VERSION,
        "executor_id": "phantom",
        "log_level": "ERROR",
        "max_executor_threads": database.threads,
        "notification_listener_polling_interval_sec": 0.1,
        "serializer": CheckpointSerializer(at_rest),
    }
    if database.schema is not None:
        config["dbos_system_schema"] = database.schema
        # What was said while DBOS's listening connection was cut is found by looking, by default once a minute.
        SystemDatabase._notification_fallback_polling_interval = RECHECK_SECONDS
    instance: Any = DBOS(config=config)
    # Recovered workflows must run on our loop. DBOS adopts the loop that runs where `launch` is called, which a worker
    # thread does not have, so it is told here; without a running loop its own detection leaves this value alone.
    instance._background_event_loop._main_loop = loop
    DBOS.launch()
    return DBOS
