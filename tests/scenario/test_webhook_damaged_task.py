"""A task's row that does not open: the answer is kept once and not sent again and again, which would never end."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import structlog

from channels.webhook.tasks import FILE
from phantom.messages import Outcome
from phantom.sealing import MAGIC
from tests.scenario.webhook_kit import running, wired


async def test_an_answer_to_a_damaged_task_is_kept_all_the_same(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire):
        status, _ = await wire.ask({"text": "what is up?", "mode": "async"})
        assert status == 202
        message = await wire.until_asked()
        (database,) = tmp_path.rglob(FILE)
        with contextlib.closing(sqlite3.connect(database, timeout=10)) as db:
            db.execute("UPDATE tasks SET notice = ?", (MAGIC + b"no key for this",))
            db.commit()
        with structlog.testing.capture_logs() as logs:
            receipt = await wire.answer(message, "all is well")
        assert receipt.outcome is Outcome.SENT
        assert "webhook_task_does_not_open" in [line["event"] for line in logs]
