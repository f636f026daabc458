"""Sealed checkpoints: DBOS's serializer, and what brings its rows under the present key, on SQLite and PostgreSQL.

A sealed checkpoint is the text `pe1:<key id>:<base64>`. All rows are written under one serializer's name, sealed or
plain, so that turning encryption on or off needs no other reader; rows of DBOS's own pickle serializer stay readable
and are renamed when they are sealed. DBOS does not tell a serializer which row it is asked for, so a checkpoint is
bound to the turns' database, not to its row. Imports DBOS: only `turn_runner.py` imports this, and late.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
import structlog
from dbos import Serializer
from dbos._serialization import DBOSDefaultSerializer
from sqlalchemy.exc import SQLAlchemyError

from phantom.errors import StorageError
from phantom.sealing import MAGIC, MARK, AtRest, DamagedRow, as_text, from_text, mark_of
from phantom.storage.reseal import Batch

if TYPE_CHECKING:
    from phantom.storage.vault import Vault

log = structlog.get_logger("phantom.storage")
T = TypeVar("T")

NAME = "phantom"
PLACE = "turns.checkpoint"
_VALUES = ("inputs", "output", "error", "message", "value")
"""What DBOS calls the columns that serialized values are in."""
_OWN_NAME = ("operation_outputs", "notifications", "workflow_events", "workflow_events_history", "streams")
"""Tables whose rows name their serializer. Those of a workflow's inputs and output go by the workflow's row."""


class CheckpointSerializer(Serializer):
    """Pickles, as DBOS does by default, and seals."""

    def __init__(self, at_rest: AtRest) -> None:
        self._at_rest = at_rest

    def name(self) -> str:
        return NAME

    def serialize(self, data: Any) -> str:
        return stored_text(self._at_rest, pickle.dumps(data))

    def deserialize(self, serialized_data: str) -> Any:
        return pickle.loads(opened(self._at_rest, serialized_data))  # noqa: S301 - our own checkpoints


def stored_text(at_rest: AtRest, data: bytes) -> str:
    """A value as DBOS's TEXT column holds it, sealed or plain."""
    stored = at_rest.seal(data, PLACE)
    return as_text(stored) if stored.startswith(MAGIC) else base64.b64encode(stored).decode()


def opened(at_rest: AtRest, text: str) -> bytes:
    """What was serialized. Raises `DamagedRow`."""
    if text.startswith(MARK):
        return at_rest.open(from_text(text), PLACE)
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise DamagedRow("a turn's checkpoint is damaged", hint="the turn is begun anew") from error


class TurnResealing:
    """`phantom.storage.reseal.Resealing` of DBOS's database. `pool` has the threads that it works in."""

    name = "turns"

    def __init__(self, system_database: Any, vault: Vault, pool: Executor) -> None:
        self._engine: sa.Engine = system_database.engine
        self._vault = vault
        self._pool = pool
        tables = system_database.tables
        self._status, self._inputs, self._outputs = (
            tables.workflow_status,
            tables.workflow_input,
            tables.workflow_output,
        )
        self._tables: Sequence[sa.Table] = [getattr(tables, name) for name in _OWN_NAME if hasattr(tables, name)]
        self._at = 0
        self._after: tuple[Any, ...] | None = None
        self._prepared = False

    def rewind(self) -> None:
        self._at, self._after = 0, None

    async def left(self) -> int:
        """See `Resealing.left`."""
        return await self._call(lambda: sum(self._count(select) for select, _, _ in self._walks()))

    async def under(self, key_id: str) -> int:
        """See `Resealing.under`."""
        mark = f"{mark_of(key_id)}%"

        def count() -> int:
            tables = (self._status, self._inputs, self._outputs, *self._tables)
            with self._engine.connect() as db:
                return sum(
                    db.execute(
                        sa.select(sa.func.count())
                        .select_from(table)
                        .where(sa.or_(*(column.like(mark) for column in _values_of(table))))
                    ).scalar_one()
                    for table in tables
                )

        return await self._call(count)

    async def step(self, limit: int) -> Batch:
        """See `Resealing.step`."""
        return await self._call(lambda: self._step(limit))

    async def scrub(self, most_bytes: int) -> bool:
        """See `Resealing.scrub`. A PostgreSQL server vacuums by itself."""
        return await self._call(lambda: self._scrub(most_bytes))

    async def checkpoint(self) -> None:
        """See `Resealing.checkpoint`."""
        if self._is_sqlite:
            await self._call(lambda: self._alone("PRAGMA wal_checkpoint(TRUNCATE)"))

    async def _call(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, job)
        except SQLAlchemyError as error:
            raise StorageError(f"the turns' database failed: {type(error).__name__}", hint="check it") from error

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def _alone(self, *statements: str) -> list[Any]:
        """Run in no transaction; the rows of each."""
        rows: list[Any] = []
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            for statement in statements:
                found = db.exec_driver_sql(statement)
                rows.append(found.fetchall() if found.returns_rows else [])
        return rows

    def _scrub(self, most_bytes: int) -> bool:
        if not self._is_sqlite:
            return True
        pages, size = (int(rows[0][0]) for rows in self._alone("PRAGMA page_count", "PRAGMA page_size"))
        if pages * size > most_bytes:
            return False
        self._alone("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
        return True

    # --- rows ---

    def _walks(self) -> list[tuple[sa.Select[Any], Sequence[sa.Column[Any]], Sequence[sa.Table]]]:
        """For each part: its rows that are not as they should be, their key, and the tables that the row is made of."""
        status, inputs, outputs = self._status, self._inputs, self._outputs
        joined = status.outerjoin(inputs, inputs.c.workflow_uuid == status.c.workflow_uuid).outerjoin(
            outputs, outputs.c.workflow_uuid == status.c.workflow_uuid
        )
        parts: list[tuple[Any, sa.Table, Sequence[sa.Table]]] = [(joined, status, (status, inputs, outputs))]
        parts += [(table, table, (table,)) for table in self._tables]
        walks: list[tuple[sa.Select[Any], Sequence[sa.Column[Any]], Sequence[sa.Table]]] = []
        for source, first, tables in parts:
            key = list(first.primary_key.columns)
            values = [column for table in tables for column in _values_of(table)]
            labelled = [column.label(f"{column.table.name}.{column.name}") for column in values]
            select = (
                sa.select(*key, first.c.serialization.label("named"), *labelled)
                .select_from(source)
                .where(sa.or_(first.c.serialization.is_(None), first.c.serialization.in_([NAME, _PICKLE])))
                .where(sa.or_(*(self._stale(column) for column in values)))
            )
            walks.append((select, key, tables))
        for orphaned in (inputs, outputs):  # what DBOS has not swept yet
            key = list(orphaned.primary_key.columns)
            values = _values_of(orphaned)
            labelled = [column.label(f"{column.table.name}.{column.name}") for column in values]
            known = sa.select(status.c.workflow_uuid)
            select = (
                sa.select(*key, sa.literal(NAME).label("named"), *labelled)
                .where(orphaned.c.workflow_uuid.not_in(known))
                .where(sa.or_(*(self._stale(column) for column in values)))
            )
            walks.append((select, key, (orphaned,)))
        return walks

    def _stale(self, column: sa.Column[Any]) -> Any:
        head = self._vault.head
        if not head:
            return column.like(f"{MARK}%")
        return sa.and_(column.is_not(None), column.not_like(f"{mark_of(head[len(MAGIC) :].hex())}%"))

    def _count(self, select: sa.Select[Any]) -> int:
        with self._engine.connect() as db:
            return int(db.execute(sa.select(sa.func.count()).select_from(select.subquery())).scalar_one())

    def _step(self, limit: int) -> Batch:
        walks = self._walks()
        if self._at >= len(walks):
            return Batch(changed=0, damaged=0, over=True)
        select, key, tables = walks[self._at]
        if self._after is not None:
            select = select.where(sa.tuple_(*key) > sa.tuple_(*(sa.literal(part) for part in self._after)))
        with self._engine.connect() as db:
            rows = db.execute(select.order_by(*key).limit(limit)).mappings().all()
        outcomes = [self._reseal(row, key, tables) for row in rows]
        if len(rows) < limit:
            self._at, self._after = self._at + 1, None
        else:
            self._after = tuple(rows[-1][column.name] for column in key)
        damaged = outcomes.count("damaged")
        return Batch(changed=outcomes.count("changed"), damaged=damaged, over=self._at >= len(walks))

    def _reseal(self, row: Any, key: Sequence[sa.Column[Any]], tables: Sequence[sa.Table]) -> str:
        """One row, in one transaction that gives way to whoever changed it meanwhile."""
        fresh: dict[sa.Column[Any], str] = {}
        try:
            for table in tables:
                for column in _values_of(table):
                    old = row[f"{table.name}.{column.name}"]
                    if old:
                        fresh[column] = stored_text(self._vault, opened(self._vault, old))
        except DamagedRow as error:
            log.error("row_does_not_open", what=error.message, row=str(row[key[0].name]), cure=error.hint)
            return "damaged"
        with self._engine.begin() as db:
            if self._is_sqlite:
                db.exec_driver_sql("PRAGMA secure_delete = ON")
            for table in tables:
                changes = {column: text for column, text in fresh.items() if column.table is table}
                named = "serialization" in table.c and row["named"] != NAME and self._vault.head
                if not changes and not named:
                    continue
                update = sa.update(table).values({column.name: text for column, text in changes.items()})
                if named:
                    update = update.values(serialization=NAME)
                own = [table.c[column.name] == row[column.name] for column in key]
                same = [column == row[f"{table.name}.{column.name}"] for column in changes]
                if db.execute(update.where(*own, *same)).rowcount != 1:
                    db.rollback()
                    return "changed meanwhile"
        return "changed"


_PICKLE = DBOSDefaultSerializer.name()


def _values_of(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.columns if column.name in _VALUES]
