"""Where DBOS keeps the checkpoints of turns: embedded SQLite by default, PostgreSQL by one setting.

What does *not* live here: the journal, which stays in SQLite in either case (decision 0017), and what PostgreSQL needs
beyond an engine (`postgres_turns.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import StorageError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from phantom.storage.postgres_link import Password

EXECUTOR_THREADS = 16
"""Worker threads of DBOS; its default is unbounded. It also becomes the loop's default executor."""


class TurnsDatabase(Protocol):
    """What the turn runner needs of either database."""

    @property
    def url(self) -> str:
        """An SQLAlchemy URL without a password."""
        ...

    @property
    def schema(self) -> str | None:
        """The schema that holds DBOS's tables; None: no schema."""
        ...

    @property
    def threads(self) -> int:
        """How many worker threads DBOS may have."""
        ...

    @property
    def driver(self) -> str:
        """The module that must be loaded, not deferred, before DBOS is; "" for none."""
        ...

    @property
    def trouble(self) -> StorageError | None:
        """Why turns wait for the database now, with the cure."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """What is wrong while turns go on, with the cure."""
        ...

    def engine(self) -> sa.Engine:
        """The one engine; made at the first call, which may be made in a worker thread. It connects by itself."""
        ...

    async def open(self) -> None:
        """Return once the database takes us. Raises `StorageError` or `ConfigError` for what waiting does not cure."""
        ...

    async def usable(self) -> None:
        """Return at once when the database is there, else when it is back."""
        ...

    async def launch_failed(self, error: Exception) -> None:
        """DBOS could not begin: return when another try is worth it, or raise `StorageError`."""
        ...

    def let_go(self) -> None:
        """From now on nobody waits for a connection, and nobody gets a new one."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class SqliteTurns:
    """A file in the data folder.

    synchronous NORMAL is enough here: a checkpoint lost to a power cut only repeats a step, while the journal (FULL)
    still holds the event and the outbox what was sent.
    """

    schema: str | None = None
    threads = EXECUTOR_THREADS
    driver = ""
    trouble: StorageError | None = None

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._engine: sa.Engine | None = None

    def engine(self) -> sa.Engine:
        import sqlalchemy as sa

        if self._engine is not None:
            return self._engine
        engine = self._engine = sa.create_engine(self.url, hide_parameters=True)

        @sa.event.listens_for(engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            connection.isolation_level = "IMMEDIATE"
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 30000", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")

        return engine

    def warnings(self) -> tuple[str, ...]:
        return ()

    async def open(self) -> None:
        return

    async def usable(self) -> None:
        return

    async def launch_failed(self, error: Exception) -> None:
        raise StorageError(f"turns cannot start: {error}", hint="check the data folder") from error

    def let_go(self) -> None:
        return

    async def aclose(self) -> None:
        return


def turns_database(
    url: str, folder: Path, password: Password, *, clock: Clock, meter: Meter, concurrency: int
) -> TurnsDatabase:
    """The database that the setting names; "" is the file in the data folder. `concurrency`: turns at once."""
    if not url:
        return SqliteTurns(folder / "turns.sqlite")
    from phantom.storage.postgres_address import PostgresAddress
    from phantom.storage.postgres_turns import PostgresTurns

    # A turn holds a thread while it waits for the server; that many more leave the rest of the daemon its own.
    threads = EXECUTOR_THREADS + concurrency
    return PostgresTurns(PostgresAddress.parse(url), folder, password, clock=clock, meter=meter, threads=threads)
