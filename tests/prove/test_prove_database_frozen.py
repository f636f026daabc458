"""A PostgreSQL server that keeps every connection and answers none: turns wait, the daemon does not, and it can stop.
Run with `PHANTOM_PROVE=1`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.scenario.daemon_kit import world
from tests.scenario.postgres_kit import postgres

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; set PHANTOM_PROVE=1"),
]


async def test_a_frozen_server_freezes_nobody_else(tmp_path: Path) -> None:
    with postgres() as server:
        env = {
            "PHANTOM_TURNS_DATABASE": server.url,
            "DATABASE_PASSWORD": server.password,
            "PHANTOM_DRAIN_SECONDS": "1",
        }
        async with world(tmp_path, env=env) as here:
            await here.answered(await here.ask("hello"), "heard: hello")
            gate = await here.ask("gate slow")
            await here.begun("slow")
            with server.frozen():
                here.open("slow")
                health = await here.daemon.until(lambda found: found["turns"]["state"] == "waiting", 90)
                assert "has not answered" in health["turns"]["fault"]
                question = await here.tell("meanwhile")
                await here.slack.settled()
                assert not here.said(question)
                assert health["loop_lag_seconds"] < 5, "it waits for the server no longer than for a busy machine"
            await here.answered(gate, "passed slow", 90)
            await here.answered(question, "heard: meanwhile", 90)
            await here.quiet()
            assert [len(here.said(one)) for one in (gate, question)] == [1, 1]
            with server.frozen():
                await here.daemon.until(lambda found: found["turns"]["state"] == "waiting", 90)
                began = time.monotonic()
                assert await here.daemon.stop(60) == 0
                print(f"stopped in {time.monotonic() - began:.1f} s")
            assert "Traceback" not in here.daemon.output
