"""Our own contestant with Discord: the real daemon behind its command, beside a FakeDiscord in the load's process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from bench.daemon import launched, ready
from bench.process import Contestant, free_port
from phantom.testing.fake_discord import FakeDiscord

HEARTBEAT = 600.0
"""Seconds: no heartbeat comes in between, so frames may be prepared past the fake's own compressor."""


class Rows:
    """The daemon's journal as another process sees it: only what was committed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "phantom.sqlite"

    def newest(self) -> int:
        """The number of the last row; rows are numbered without gaps, duplicates get none."""
        return self._ask("SELECT coalesce(max(seq), 0) FROM inbox")

    def open(self) -> int:
        """How many rows still need work."""
        return self._ask("SELECT count(*) FROM inbox WHERE state < 3")

    def _ask(self, sql: str) -> int:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            return int(connection.execute(sql).fetchone()[0])

    async def until_newest(self, number: int, seconds: float = 60.0) -> None:
        """Wait until row `number` is committed, without sleeping: this core must stay awake."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            async with asyncio.timeout(seconds):
                newest = "SELECT coalesce(max(seq), 0) FROM inbox"
                while connection.execute(newest).fetchone()[0] < number:  # noqa: ASYNC110 - another process's file
                    await asyncio.sleep(0)

    async def until_worked_off(self, seconds: float = 60.0) -> None:
        """Wait until no row needs work any more."""
        async with asyncio.timeout(seconds):
            while self.open():  # noqa: ASYNC110 - another process's file
                await asyncio.sleep(0.02)


@dataclass(slots=True, kw_only=True)
class Rig:
    """A running daemon and its Discord."""

    daemon: Contestant
    fake: FakeDiscord
    rows: Rows


@asynccontextmanager
async def discord_daemon(fake: FakeDiscord, *, synchronous: str = "FULL", **extra: str) -> AsyncIterator[Rig]:
    """The daemon with that Discord, ready to admit."""
    environ = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url, **extra}
    async with launched(free_port(), synchronous, environ) as (contestant, folder):
        await ready(contestant)
        yield Rig(daemon=contestant, fake=fake, rows=Rows(folder))
