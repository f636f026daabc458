"""Turns in PostgreSQL: an engine whose connections wait for a usable server, and the watch that says when there is one.

Whoever needs a connection (the pool, DBOS's listener, its migrations) gets it from `_connection`, in a worker thread,
and waits there as long as the server is away or refuses the password. One task on the loop, the watch, looks after the
rest: it asks the secret's source again, finds out when the server is back, and keeps one connection of its own that
holds the schema's lock. So no thread ever calls into the loop and waits for it. What does *not* live here: how a
connection is made (`postgres_link.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import PhantomError, StorageError
from phantom.secrets import Secret
from phantom.storage.postgres_address import PostgresAddress
from phantom.storage.postgres_keeper import IN_USE, Keeper
from phantom.storage.postgres_link import (
    NO_PASSWORD,
    REFUSED,
    NoNewConnection,
    Password,
    PostgresLink,
    hang_up,
    hung_up,
)
from phantom.storage.turns_schema import schema_name

if TYPE_CHECKING:
    import sqlalchemy as sa
    from psycopg import Connection

log = structlog.get_logger("phantom.turns")

BEAT = 2.0
"""Seconds between two looks at a server that is well."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 3.0
"""Seconds before the server is tried again; doubled after each failure."""
STEADY = 5.0
"""Seconds after which a server that is well counts as well for good."""
REFRESH_SECONDS = 20.0
OVERLAP_BEAT = 5.0
"""Seconds between two logins that only see whether the server has the new password yet."""
REFUSED_BEAT = 60.0
"""The same, once the value before does not count any more: some servers shut out who fails often."""
LOOK_SECONDS = 12.0
"""How long a look may take, with both passwords tried; a server that answers nothing at all is away."""
CLOSE_SECONDS = 3.0
POOL = 16
CLOSED = "turns_database_closed"


class PostgresTurns:
    """Implements `TurnsDatabase`. One a process; used from the loop that opened it, its engine from any thread."""

    driver = "psycopg"

    def __init__(
        self,
        address: PostgresAddress,
        folder: Path,
        password: Password,
        *,
        clock: Clock,
        meter: Meter,
        threads: int,
    ) -> None:
        self.address = address
        self.threads = threads
        self.trouble: StorageError | None = None
        self._folder = folder
        self._secret = password
        self._clock = clock
        self._meter = meter
        self._link = PostgresLink(address, self._password, "phantom turns")
        self._keeper: Keeper | None = None
        self._engine: sa.Engine | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="phantom-turns-database")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._gate = threading.Event()
        self._closed = False
        self._doubtful = False
        self._changes = 0
        self._curious = False
        self._look_at = 0.0
        self._warning: StorageError | None = None
        self._subscribed: Secret | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._wake = asyncio.Event()
        self._usable = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told = ""
        self._failures = 0
        self._complained = ""
        self._made: weakref.WeakSet[Connection[Any]] = weakref.WeakSet()
        self._making = threading.Lock()

    @property
    def url(self) -> str:
        """For DBOS's configuration, which wants one; connections are made by `_connection`."""
        return str(self.address.url().set(drivername="postgresql"))

    @property
    def schema(self) -> str:
        """This data folder's own."""
        if self._keeper is None:
            raise StorageError("the turns database is not open", code=CLOSED)
        return self._keeper.schema

    def engine(self) -> sa.Engine:
        import sqlalchemy as sa

        if self._engine is None:
            from phantom.storage.postgres_pool import PatientPool

            # The threads are the limit: a second queue in front of the server could not be left.
            pool = PatientPool(self._connection, POOL)
            self._engine = sa.create_engine(self.address.url(), pool=pool, hide_parameters=True)
        return self._engine

    # --- on the loop ---

    async def open(self) -> None:
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        if self._keeper is None:
            schema = await self._in_thread(schema_name, self._folder)
            self._keeper = Keeper(self._link, schema)
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="turns database")
            self._task.add_done_callback(self._watch_ended)
        await self._usable.wait()

    async def usable(self) -> None:
        await self._usable.wait()

    async def launch_failed(self, error: Exception) -> None:
        """The server took us and then failed in the middle of making tables: it is looked at anew."""
        cause = getattr(error, "orig", None) or error
        what = f"PostgreSQL at {self.address} failed while turns were set up: {type(cause).__name__}"
        state = getattr(cause, "sqlstate", None)
        self._lost(StorageError(f"{what} {state}" if state else what, hint="see the server's log"))
        await self._clock.sleep(LONGEST_PAUSE)
        await self._usable.wait()

    async def _watch(self) -> None:
        up_since = self._clock.monotonic()
        pause = 0.0
        while True:
            self._wake.clear()
            try:
                await self._look()
            except NoNewConnection as error:
                self._is_short(error)
            except StorageError as error:
                self._is_down(error)
            else:
                self._is_up()
            if not self._gate.is_set():
                pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
                await self._rest(pause)
                up_since = self._clock.monotonic()
                continue
            await self._rest(BEAT)
            if self._clock.monotonic() - up_since > STEADY:
                pause = 0.0
            if self._doubtful:
                # The server is there, but somebody did not get a connection: not at once again and again.
                await self._clock.sleep(pause)
                pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
                up_since = self._clock.monotonic()

    async def _look(self) -> None:
        """Raises `StorageError` unless a connection can be had now."""
        changes = self._changes
        try:
            await self._try()
        except StorageError as error:
            if error.code not in (REFUSED, NO_PASSWORD) or not await self._asked_again(changes):
                raise
            await self._try()
        now = self._clock.monotonic()
        if self._curious and now >= self._look_at:
            self._look_at = now + OVERLAP_BEAT
            await self._see_password()

    async def _see_password(self) -> None:
        """After a change of the password: does the server take it? If not, that is only told, for whoever is
        connected stays so.
        """
        try:
            await self._in_thread(lambda: self._link.connect().close())
        except StorageError as error:
            self._look_at = self._clock.monotonic() + REFUSED_BEAT
            self._warn(error)
        else:
            self._warning = None
            self._curious = self._link.accepted == "previous"

    async def _try(self) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        doubtful, self._doubtful = self._doubtful, False
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._in_thread(keeper.look, doubtful)
        except StorageError:
            self._doubtful = True
            raise
        except TimeoutError:
            self._doubtful = True
            what = f"PostgreSQL at {self.address} has not answered for {LOOK_SECONDS:.0f} s"
            raise StorageError(what, hint="check the server and the network; turns wait") from None
        if doubtful:
            self._warning = None  # a new connection was had

    async def _asked_again(self, changes: int) -> bool:
        """Ask the password's source once. Whether there is another password to try now."""
        secret = self._subscribed
        if secret is None:
            return False
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                changed = await secret.refresh()
        except (PhantomError, TimeoutError) as error:
            log.debug("turns_database_password_not_refreshed", error=type(error).__name__)
            changed = False
        return changed or self._changes != changes

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless somebody lost a connection or the password changed."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleep, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()

    def warnings(self) -> tuple[str, ...]:
        error = self._warning
        return () if error is None else (f"turns go on over open connections only: {error.message}; {error.hint}",)

    def _warn(self, error: StorageError) -> None:
        if self._warning is None:
            about_password = error.code in (REFUSED, NO_PASSWORD)
            event = "turns_database_password_not_taken" if about_password else "turns_database_no_new_connection"
            log.warning(event, what=error.message, cure=error.hint)
        self._warning = error

    def _is_short(self, error: NoNewConnection) -> None:
        """Whoever has a connection, or gets one that comes back, goes on; only new ones have to wait."""
        self._gate.clear()
        self._warn(error)
        self._works()

    def _is_up(self) -> None:
        if not self._told or self.trouble is not None:
            log.info("turns_database_ready", at=str(self.address), schema=self.schema, password=self._link.accepted)
        elif self._told != self._link.accepted:
            log.info("turns_database_password_taken", password=self._link.accepted)
        self._told = self._link.accepted
        self._works()
        self._gate.set()

    def _works(self) -> None:
        self._failures = 0
        self._complained = ""
        self.trouble = None
        self._meter.gauge("phantom_turns_database_up", 1)
        self._usable.set()

    def _is_down(self, error: StorageError) -> None:
        self._gate.clear()
        self._usable.clear()
        self._meter.gauge("phantom_turns_database_up", 0)
        self.trouble, self._warning = error, None
        self._failures += 1
        # A predecessor that was just killed still holds its lock for a moment: that alone is not worth a line.
        if self._complained != error.code and (error.code != IN_USE or self._failures >= 3):
            self._complained = error.code
            log.warning("turns_database_not_usable", what=error.message, cure=error.hint)

    def _watch_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            trace = "".join(traceback.format_exception(error))
            log.critical("turns_database_watch_broke", error=type(error).__name__, traceback=trace)
            self._is_down(StorageError("the watch over the turns database broke", hint="restart the daemon"))

    def let_go(self) -> None:
        self._closed = True
        self._gate.set()
        if self.trouble is None:
            return
        # Threads may wait for a server that is frozen, and the process for them.
        with self._making:
            made = list(self._made)
        for connection in made:
            hang_up(connection)
        if self._keeper is not None:
            self._keeper.hang_up()

    async def aclose(self) -> None:
        self.let_go()
        self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._engine is not None:
                    await self._in_thread(self._engine.dispose)
                if self._keeper is not None:
                    await self._in_thread(self._keeper.close)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *arguments)

    # --- in worker threads ---

    def _password(self) -> Secret | None:
        """The handle, watched from the first time that there is one."""
        secret = self._secret()
        if secret is not None and secret is not self._subscribed:
            self._subscribed = secret
            self._unsubscribe = secret.on_change(self._password_changed)
        return secret

    def _password_changed(self) -> None:
        """Seen now whether the server takes it, not when the next connection is needed."""
        self._changes += 1
        self._curious = True
        self._look_at = 0.0
        self._call_watch()

    def _connection(self, wait: bool) -> Connection[Any]:
        """A connection for the pool; with `wait`, once there is one, else `NoNewConnection` while there is none.
        Raises `StorageError` once the daemon stops, which nobody takes for a reason to try again.
        """
        while True:
            if threading.get_ident() == self._loop_thread and not self._gate.is_set():
                raise StorageError("the turns database is away, and the loop cannot wait for it")
            if not wait and not self._gate.is_set():
                raise NoNewConnection("no new connection can be had now")
            self._gate.wait()
            if self._closed:
                raise StorageError("the turns database is closed", code=CLOSED)
            try:
                return self._prepared(self._link.connect())
            except StorageError as error:
                self._lost(error)

    def _prepared(self, connection: Connection[Any]) -> Connection[Any]:
        import psycopg

        try:
            # A daemon that is frozen in the middle of a transaction shall not hold its locks for ever.
            connection.execute("SET idle_in_transaction_session_timeout = '60s'")
            connection.set_autocommit(False)
        except psycopg.Error as error:
            connection.close()
            raise hung_up(self.address, error) from None
        with self._making:
            self._made.add(connection)
        return connection

    def _lost(self, error: StorageError) -> None:
        """Nobody gets a connection until the watch has had one."""
        log.debug("turns_database_connection_failed", what=error.message)
        if self._closed:
            return
        self._gate.clear()
        self._doubtful = True
        self._call_watch()

    def _call_watch(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)
