"""Connections of the turns' database while the server gives no new ones: whoever waits gets one that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import LiteralString

import pytest
import sqlalchemy as sa
from psycopg import sql

from phantom.clock import SystemClock
from phantom.errors import StorageError
from phantom.metrics import PrometheusMeter
from phantom.secrets import held
from phantom.storage.postgres_address import PostgresAddress
from phantom.storage.postgres_turns import PostgresTurns
from tests.scenario.postgres_kit import PostgresServer, postgres
from tests.scenario.webhook_kit import until


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as found:
        yield found


@asynccontextmanager
async def opened(server: PostgresServer, folder: Path) -> AsyncIterator[PostgresTurns]:
    password = held("database_password", server.password)
    turns = PostgresTurns(
        PostgresAddress.parse(server.url),
        folder,
        lambda: password,
        clock=SystemClock(),
        meter=PrometheusMeter(),
        threads=4,
    )
    await turns.open()
    try:
        yield turns
    finally:
        await turns.aclose()


def backend(connection: sa.Connection) -> int:
    """The server's process behind it."""
    return int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())


async def warned(turns: PostgresTurns) -> None:
    async def holds() -> bool:
        return bool(turns.warnings())

    await until(holds)


async def test_who_finds_the_pool_empty_gets_the_connection_that_comes_back(
    tmp_path: Path, server: PostgresServer
) -> None:
    async with opened(server, tmp_path) as turns:
        engine = turns.engine()
        first = await asyncio.to_thread(engine.connect)
        process = await asyncio.to_thread(backend, first)
        with server.full():
            waits = asyncio.create_task(asyncio.to_thread(engine.connect))
            await warned(turns)
            assert "connection" in turns.warnings()[0]
            assert (turns.trouble, waits.done()) == (None, False)
            await asyncio.to_thread(first.close)
            second = await waits
            assert await asyncio.to_thread(backend, second) == process
            waits = asyncio.create_task(asyncio.to_thread(engine.connect))
        third = await waits
        assert await asyncio.to_thread(backend, third) != process
        assert turns.warnings() == ()
        for connection in (second, third):
            await asyncio.to_thread(connection.close)


async def test_who_waits_for_a_connection_is_let_go_when_the_daemon_stops(
    tmp_path: Path, server: PostgresServer
) -> None:
    async with opened(server, tmp_path) as turns:
        engine = turns.engine()
        first = await asyncio.to_thread(engine.connect)
        with server.full():
            waits = asyncio.create_task(asyncio.to_thread(engine.connect))
            await warned(turns)
            turns.let_go()
            with pytest.raises(StorageError, match="closed"):
                await waits
        await asyncio.to_thread(first.close)


@pytest.mark.parametrize(
    ("mishap", "remedy", "cure"),
    [
        ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1", "max_connections"),
        ("NOLOGIN", "LOGIN", 'ALTER ROLE "phantom" LOGIN'),
    ],
    ids=["full", "no login"],
)
async def test_a_new_connection_that_is_refused_is_told_with_its_cure(
    tmp_path: Path, server: PostgresServer, mishap: LiteralString, remedy: LiteralString, cure: str
) -> None:
    async with opened(server, tmp_path) as turns:
        server.run(sql.SQL("ALTER ROLE phantom " + mishap).format())
        try:
            waits = asyncio.create_task(asyncio.to_thread(turns.engine().connect))
            await warned(turns)
            assert cure in turns.warnings()[0]
        finally:
            server.run(sql.SQL("ALTER ROLE phantom " + remedy).format())
        await asyncio.to_thread((await waits).close)
        assert turns.warnings() == ()
