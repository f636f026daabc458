"""The one connection that holds a schema's lock while a daemon works in it, and looks whether the server lives.

Blocking: for one worker thread. What does *not* live here: what follows from a look (`postgres_turns.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phantom.errors import StorageError
from phantom.storage.postgres_link import NoNewConnection, PostgresLink, facts_of, hang_up, hung_up, why_unfit
from phantom.storage.turns_schema import lock_key

if TYPE_CHECKING:
    from psycopg import Connection

IN_USE = "turns_database_in_use"


class Keeper:
    """Holds the lock of one schema. A copy of a data folder that is started elsewhere does not get it, and waits."""

    def __init__(self, link: PostgresLink, schema: str) -> None:
        self.schema = schema
        self._link = link
        self._connection: Connection[Any] | None = None

    def look(self, doubtful: bool) -> None:
        """Return when the server is there, fit, and the lock is ours. With `doubtful`, also only when it gives a new
        connection now. Raises `NoNewConnection` when only that fails, else `StorageError`.
        """
        if self._lives():
            if doubtful:
                self._one_more()
            return
        self._connection = self._locked()

    def close(self) -> None:
        """Give the lock back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def hang_up(self) -> None:
        """From any thread: whoever waits for an answer on the connection waits no longer."""
        if self._connection is not None:
            hang_up(self._connection)

    def _lives(self) -> bool:
        import psycopg

        if self._connection is None:
            return False
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self.close()
            return False
        return True

    def _one_more(self) -> None:
        try:
            self._link.connect().close()
        except StorageError as error:
            raise NoNewConnection(error.message, hint=error.hint, code=error.code) from None

    def _locked(self) -> Connection[Any]:
        """A fresh connection that holds the lock."""
        import psycopg

        connection = self._link.connect()
        trouble: StorageError | None
        try:
            trouble = why_unfit(facts_of(connection, self.schema), self._link.address, self.schema)
            if trouble is None and not self._got_lock(connection):
                what = f'schema "{self.schema}" in PostgreSQL at {self._link.address} is in use by another Phantom'
                cure = "stop the other one; if this data folder is a copy, delete its file turns-schema"
                trouble = StorageError(what, hint=cure, code=IN_USE)
        except psycopg.Error as error:
            trouble = hung_up(self._link.address, error)
        if trouble is not None:
            connection.close()
            raise trouble
        return connection

    def _got_lock(self, connection: Connection[Any]) -> bool:
        # The server gives the lock of a machine that vanished back within half a minute.
        connection.execute(
            "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),"
            " set_config('tcp_keepalives_count', '3', false)"
        )
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(self.schema),)).fetchone()
        return row is not None and bool(row[0])
