"""Brings the rows of one SQLite file under the present key, or back to plain: a batch at a time, from where it stopped.

Nothing is remembered between runs: a row that is not yet as it should be is found by its first bytes, so a pass that
was killed goes on with what is left. What does *not* live here: when to run (`phantom/at_rest.py`), the turns' database
(`turn_seals.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from phantom.sealing import MAGIC, DamagedRow, SealedDatabase, SealedFile, SealedTable, place_of

if TYPE_CHECKING:
    from phantom.storage.vault import Vault

log = structlog.get_logger("phantom.storage")

CHECKPOINT_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one batch did. `over`: this pass has seen every row."""

    changed: int
    damaged: int
    over: bool


class Resealing(Protocol):
    """One store of sealed values. `step` after `rewind` until it is over."""

    @property
    def name(self) -> str: ...

    def rewind(self) -> None:
        """Begin a pass."""
        ...

    async def left(self) -> int:
        """How many values are not yet as they should be."""
        ...

    async def step(self, limit: int) -> Batch:
        """Bring up to `limit` rows under the present key. Raises `StorageError`."""
        ...

    async def under(self, key_id: str) -> int:
        """How many values are sealed with that key."""
        ...

    async def scrub(self, most_bytes: int) -> bool:
        """Leave nothing of what was deleted or replaced in the file. False: the file is larger, it was left alone."""
        ...

    async def checkpoint(self) -> None:
        """Let no replaced page stay in the write-ahead log."""
        ...


class DatabaseResealing:
    """A `SealedDatabase`, resealed with `vault`."""

    def __init__(self, database: SealedDatabase, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._table = 0
        self._after: object = None
        self._prepared = False

    @property
    def name(self) -> str:
        return self._database.name

    def rewind(self) -> None:
        self._table, self._after = 0, None

    async def left(self) -> int:
        """See `Resealing.left`."""
        head = self._vault.head
        return int(await self._database.write(lambda db: sum(_left(db, one, head) for one in self._database.tables)))

    async def step(self, limit: int) -> Batch:
        """See `Resealing.step`."""
        if not self._prepared:
            await self._database.alone(lambda db: db.execute("PRAGMA secure_delete = ON").fetchall() and None)
            self._prepared = True
        if self._table >= len(self._database.tables):
            return Batch(changed=0, damaged=0, over=True)
        table, after = self._database.tables[self._table], self._after
        last, seen, damaged = await self._database.write(lambda db: self._reseal(db, table, after, limit))
        if seen < limit:
            self._table, self._after = self._table + 1, None
        else:
            self._after = last
        over = self._table >= len(self._database.tables)
        return Batch(changed=seen - damaged, damaged=damaged, over=over)

    def _reseal(self, db: sqlite3.Connection, table: SealedTable, after: object, limit: int) -> tuple[Any, int, int]:
        head = self._vault.head
        columns = (*table.texts, *table.blobs)
        chosen = ", ".join((table.order, *table.identity, *columns))
        conditions = " OR ".join(_stale(column, head) for column in columns)
        beyond = "" if after is None else f"{table.order} > ? AND "
        sql = f"SELECT {chosen} FROM {table.name} WHERE {beyond}({conditions}) ORDER BY {table.order} LIMIT {limit}"  # noqa: S608 - names of our own
        rows = db.execute(sql, () if after is None else (after,)).fetchall()
        damaged = 0
        for row in rows:
            damaged += not self._reseal_row(db, table, row)
        return (rows[-1][0] if rows else None), len(rows), damaged

    def _reseal_row(self, db: sqlite3.Connection, table: SealedTable, row: Sequence[Any]) -> bool:
        identity = [str(part) for part in row[1 : 1 + len(table.identity)]]
        values = dict(zip((*table.texts, *table.blobs), row[1 + len(table.identity) :], strict=True))
        fresh: dict[str, str | bytes] = {}
        whole = True
        for column, stored in values.items():
            if not stored or self._is_right(stored):
                continue
            place = place_of(table.name, column, *identity)
            try:
                fresh[column] = (
                    self._vault.seal_text(self._vault.open_text(stored, place), place)
                    if column in table.texts
                    else self._vault.seal(self._vault.open(stored, place), place)
                )
            except DamagedRow as error:
                whole = False
                log.error("row_does_not_open", what=error.message, cure=error.hint)
        if fresh:
            names = ", ".join(f"{column} = ?" for column in fresh)
            sql = f"UPDATE {table.name} SET {names} WHERE {table.order} = ?"  # noqa: S608 - names of our own
            db.execute(sql, (*fresh.values(), row[0]))
        return whole

    def _is_right(self, stored: str | bytes) -> bool:
        data = stored if isinstance(stored, bytes) else b""
        head = self._vault.head
        return data.startswith(head) if head else not data.startswith(MAGIC)

    async def under(self, key_id: str) -> int:
        """See `Resealing.under`."""
        head = MAGIC + bytes.fromhex(key_id)

        def job(db: sqlite3.Connection) -> int:
            return sum(_count(db, table, "{start} = x'" + head.hex() + "'", len(head)) for table in self._tables)

        return int(await self._database.write(job))

    @property
    def _tables(self) -> Sequence[SealedTable]:
        return self._database.tables

    async def scrub(self, most_bytes: int) -> bool:
        """See `Resealing.scrub`."""
        return bool(await self._database.alone(lambda db: scrub(db, most_bytes)))

    async def checkpoint(self) -> None:
        """See `Resealing.checkpoint`."""
        await self._database.alone(checkpoint)


class FileResealing:
    """A `SealedFile`, written anew with `vault` once a key."""

    def __init__(self, file: SealedFile, vault: Vault) -> None:
        self._file = file
        self._vault = vault
        self._written: bytes | None = None

    @property
    def name(self) -> str:
        return self._file.name

    def rewind(self) -> None:
        """There is nothing to begin."""

    async def left(self) -> int:
        """One for all of it: who wrote the file before this process is not known."""
        return int(self._written != self._vault.head)

    async def step(self, limit: int) -> Batch:
        """All of it, whatever the limit."""
        head = self._vault.head
        await self._file.write_anew()
        self._written = head
        return Batch(changed=1, damaged=0, over=True)

    async def under(self, key_id: str) -> int:
        """None that a search of the data folder does not find."""
        return 0

    async def scrub(self, most_bytes: int) -> bool:
        """A file that was replaced has no free pages."""
        return True

    async def checkpoint(self) -> None:
        """There is no write-ahead log."""


def checkpoint(db: sqlite3.Connection) -> None:
    """Empty the write-ahead log, unless a reader holds on to it."""
    for _ in range(CHECKPOINT_TRIES):
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return


def scrub(db: sqlite3.Connection, most_bytes: int) -> bool:
    """Write the file anew without its free pages, unless it is larger than that."""
    size = sum(Path(file).stat().st_size for _, _, file in db.execute("PRAGMA database_list") if file)
    if size > most_bytes:
        return False
    db.execute("VACUUM")
    checkpoint(db)
    return True


def _stale(column: str, head: bytes) -> str:
    """The condition under which a value is not as it should be."""
    start = f"substr(CAST({column} AS BLOB), 1, {len(head or MAGIC)})"
    if not head:
        return f"{start} = x'{MAGIC.hex()}'"
    return f"({column} IS NOT NULL AND {column} <> '' AND {start} <> x'{head.hex()}')"


def _left(db: sqlite3.Connection, table: SealedTable, head: bytes) -> int:
    conditions = " OR ".join(_stale(column, head) for column in (*table.texts, *table.blobs))
    return int(db.execute(f"SELECT count(*) FROM {table.name} WHERE {conditions}").fetchone()[0])  # noqa: S608


def _count(db: sqlite3.Connection, table: SealedTable, condition: str, length: int) -> int:
    conditions = " OR ".join(
        condition.format(start=f"substr(CAST({column} AS BLOB), 1, {length})")
        for column in (*table.texts, *table.blobs)
    )
    return int(db.execute(f"SELECT count(*) FROM {table.name} WHERE {conditions}").fetchone()[0])  # noqa: S608
