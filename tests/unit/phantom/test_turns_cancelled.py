"""Turns at the end of a daemon: one of which DBOS knows, but that does not run yet, is cut off as well."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from phantom.clock import SystemClock
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.storage.turns_database import turns_database
from phantom.turn_runner import TurnRunner


async def test_a_turn_that_has_begun_but_does_not_run_yet_is_cut_off(tmp_path: Path) -> None:
    clock, meter = SystemClock(), PrometheusMeter()
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=meter)
    await journal.open()
    database = turns_database("", tmp_path, lambda: None, clock=clock, meter=meter, concurrency=4)
    runner = TurnRunner(database, journal, clock, meter)
    unused: Any = None  # nothing runs that would need services
    await runner.load(lambda: unused, "boot")
    from dbos import DBOS

    from phantom import turns

    before = asyncio.all_tasks()
    handle = await DBOS.start_workflow_async(turns.turn_workflow, "turn", "slack", 1)
    (begun,) = asyncio.all_tasks() - before
    await runner.aclose()
    await journal.aclose()
    assert handle.get_workflow_id()
    assert begun.cancelled()
