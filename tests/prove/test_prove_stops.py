"""Stops at random instants under load, from the first import on: `PHANTOM_STOPS` of them. Run with `PHANTOM_PROVE=1`.

Each one ends in time with status 0 and without a traceback, and at the end every question was answered once, in order.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from phantom.testing.daemon_process import DaemonProcess, socket_env
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.sigkill_discord_kit import CommandLoad, DiscordLoad
from tests.scenario.sigkill_kit import Load, count_up, counting, under_load
from tests.scenario.sigkill_slack_kit import SlackLoad

STOPS = int(os.environ.get("PHANTOM_STOPS", "24"))
DRAIN = 1.0
WITHIN = DRAIN + 40.0
TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
ORDERS: Sequence[Sequence[signal.Signals]] = ((TERM,), (TERM, TERM), (HUP, TERM), (INT,), (TERM, HUP))
"""What operators, terminals, rotations and service managers send, one right after the other."""
COMPLAINTS = ("Traceback", "never retrieved", "never awaited", "loop is closed", "was destroyed", "nclosed")

pytestmark = [
    pytest.mark.timeout(120 + 45 * STOPS),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; set PHANTOM_PROVE=1"),
]


async def stop(daemon: DaemonProcess, order: Sequence[signal.Signals], printed: int) -> None:
    """Send the signals. It ends in time, well, and says nothing that nobody can act on. `printed`: lines of earlier
    starts.
    """
    for number in order:
        os.kill(daemon.pid, number)
    status = await daemon.wait(WITHIN)
    said = daemon.lines[printed:]
    if status in [-number for number in order] or any("KeyboardInterrupt" in line for line in said):
        # Python itself begins, and does what it always does: no line of ours was run yet.
        assert not [line for line in said if line.startswith("{")], f"{status} {order}\n" + "\n".join(said)
        return
    assert status == 0, f"{status} {order}\n" + "\n".join(said)
    assert not [line for line in said if any(one in line for one in COMPLAINTS)], "\n".join(said)


async def test_a_stop_at_any_instant_ends_the_daemon_and_loses_nothing(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeDiscord() as fake:
        slack.sockets.schedule = RetrySchedule((0.05,), forever=True)
        discord = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url}
        daemon = counting(socket_env(slack) | discord | {"PHANTOM_DRAIN_SECONDS": str(DRAIN)}, tmp_path)
        loads: list[Load] = [
            SlackLoad(slack, dms=3, channels=1),
            DiscordLoad(fake, dms=2, threads=1, chains=1),
            CommandLoad(fake, people=2),
        ]
        try:
            await _stopped_under_load(daemon, loads)
        finally:
            await daemon.aclose()
        count_up(daemon, loads, f"{STOPS} stops")


async def _stopped_under_load(daemon: DaemonProcess, loads: Sequence[Load]) -> None:
    instants = random.Random(1)
    async with under_load(daemon, loads):
        printed = 0
        for number in range(STOPS):
            await stop(daemon, ORDERS[number % len(ORDERS)], printed)
            printed = len(daemon.lines)
            await daemon.start(ready=False)
            await asyncio.sleep(instants.choice((instants.uniform(0.0, 0.3), instants.uniform(0.2, 3.0))))
