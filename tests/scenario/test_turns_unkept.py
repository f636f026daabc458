"""The turns' own database takes nothing any more: health says so, and what was asked is answered once it does again."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from tests.scenario.daemon_kit import world


def _do(database: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=10)) as db:
        db.execute(sql)
        db.commit()


async def test_turns_that_cannot_be_kept_are_no_good_health(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.answered(await here.ask("one"), "heard: one")
        database = tmp_path / "data" / "turns.sqlite"
        _do(database, "ALTER TABLE workflow_status RENAME TO elsewhere")
        asked = await here.ask("two")
        await here.daemon.until(lambda health: health["status"] != "ok")
        health = await here.daemon.health()
        assert health["turns"]["state"] == "waiting"
        assert "no such table" in health["turns"]["fault"]
        assert health["turns"]["cure"]
        _do(database, "ALTER TABLE elsewhere RENAME TO workflow_status")
        await here.answered(asked, "heard: two")
        await here.daemon.until(lambda health: health["status"] == "ok")
        assert here.said(asked) == ["heard: two"]
