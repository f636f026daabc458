"""The password of the turns' database, rotated `rounds` times under signed load, with every connection cut each time.

Asserts everything itself. What does *not* live here: the other secrets (`rotation_rounds.py`), and the load
(`rotation_kit.py`).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario import rotation_kit as kit
from tests.scenario.postgres_kit import PostgresServer

HERE = Path(__file__).parent
NAME = "database_password"


@dataclass(kw_only=True)
class Rotation:
    """Who takes part."""

    server: PostgresServer
    metadata: FakeMetadata
    daemon: DaemonProcess
    load: kit.Load

    async def server_first(self) -> None:
        """ALTER ROLE, the old connections ended, then the source. Nobody tells the daemon."""
        fresh = secrets.token_hex(16)
        self.server.set_password(fresh)
        await self._cut()
        self.metadata.rotate(NAME, fresh)
        await self.load.further()

    async def source_first(self) -> None:
        """The source, a SIGHUP, then ALTER ROLE within the overlap; connections ended before and after."""
        fresh = secrets.token_hex(16)
        self.metadata.rotate(NAME, fresh)
        count = len(self.daemon.events("secrets_reread"))
        os.kill(self.daemon.pid, signal.SIGHUP)
        await self.daemon.until_logged("secrets_reread", count + 1, within=30)
        await self._cut()
        await self.load.further()
        self.server.set_password(fresh)
        await self._cut()
        await self.load.further()

    async def _cut(self) -> None:
        """End every connection, once there are some again after the last time."""
        async with asyncio.timeout(30):
            while self.server.connections() < 2:
                await asyncio.sleep(0.05)
        assert self.server.cut()


async def password_of_the_database(server: PostgresServer, folder: Path, rounds: int) -> dict[str, float]:
    """Figures: answered by asker, forged posts that were refused, the slowest answer in seconds."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="http"))
        metadata = await stack.enter_async_context(FakeMetadata())
        metadata.rotate(NAME, server.password)
        signer = kit.Signer()
        env = gateway_env(slack, metadata, secret=signer.secret) | {
            "SECRET_SOURCE": "metadata",
            "PHANTOM_TURNS_DATABASE": server.url,
            "PHANTOM_AGENT": "obedient_agent:make",
            "PHANTOM_LOG_LEVEL": "debug",
            "GATES": str(folder),
        }
        daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=folder / "data", python_path=[HERE]))
        retry = RetrySchedule((0.1,), forever=True)
        # However long an answer takes: it is a refusal that must not come.
        slack.deliver_over_http(
            daemon.url, profile="gateway", secret=lambda: signer.secret, schedule=retry, timeout=30.0
        )
        await daemon.until(lambda health: health["turns"]["state"] == "running", 30)
        users = [slack.add_user(f"u{number}") for number in range(3)]
        load = await stack.enter_async_context(kit.load(daemon))
        for number, user in enumerate(users):
            load.keep(f"slack{number}n", kit.ask_on_slack(slack, user))
        load.keep("forged", kit.forge(load, slack, signer, "gateway"), counts=False)
        await load.further()
        rotation = Rotation(server=server, metadata=metadata, daemon=daemon, load=load)
        for _ in range(rounds):
            await rotation.server_first()
            await rotation.source_first()
        await load.end()
        assert not kit.refused(slack)
        answers = kit.slack_answers(slack, users)
        assert {number: answers[number] for number in load.asked} == dict.fromkeys(load.asked, 1)
        for trouble in ("turn_checkpoint_not_written", "turn_checkpoints_unusable", "turn_crashed"):
            assert not daemon.events(trouble), "a turn was begun again, and its model paid twice"
        await _shows_nothing(daemon, server)
        assert "Traceback" not in daemon.output, daemon.output[-6000:]
        figures = {**load.done, "forged": load.forged, "slowest": round(load.slowest, 2)}
        sys.stdout.write(json.dumps(figures) + "\n")
        return figures


async def _shows_nothing(daemon: DaemonProcess, server: PostgresServer) -> None:
    pages = await asyncio.gather(daemon.get("/health"), daemon.get("/metrics"))
    shown = [daemon.output.encode(), *(text.encode() for _, text in pages)]
    shown += [path.read_bytes() for path in daemon.data_dir.rglob("*") if path.is_file()]
    assert not [password for password in server.given if any(password.encode() in text for text in shown)]
