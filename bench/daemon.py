"""Our own contestant: the real daemon behind its command, with local stand-ins for Slack and the metadata service."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import SECRET, TEAM
from bench.process import Contestant, free_port
from phantom.testing.fake_metadata import FakeMetadata
from phantom.testing.fake_slack import FakeSlack


@dataclass(slots=True, kw_only=True)
class Rig:
    """A running daemon and its workspace. Times are seconds from the start of the process."""

    daemon: Contestant
    slack: FakeSlack
    ready_after: float


@asynccontextmanager
async def daemon(*, synchronous: str = "FULL", **extra: str) -> AsyncIterator[Rig]:
    """The daemon over HTTP behind a gateway, ready to admit."""
    port = free_port()
    async with FakeSlack(transport="http", team_id=TEAM) as slack, FakeMetadata() as metadata:
        metadata.identity = {
            "tenant_id": "bench",
            "slack": {
                "team_id": TEAM,
                "installer_user_id": slack.owner.id,
                "team_name": "Acme",
                "installed_at": "2024-01-01T00:00:00Z",
            },
        }
        metadata.rotate("slack_bot_token", slack.bot_token)
        metadata.rotate("slack_gateway_signing_secret", SECRET)
        slack.deliver_over_http(f"http://127.0.0.1:{port}", profile="gateway", secret=SECRET)
        environ = {
            "SLACK_TRANSPORT": "http",
            "SLACK_API_BASE_URL": slack.api_url,
            "PHANTOM_METADATA_URL": metadata.url,
            **extra,
        }
        async with launched(port, synchronous, environ) as (contestant, _):
            yield Rig(daemon=contestant, slack=slack, ready_after=await ready(contestant))


@asynccontextmanager
async def launched(port: int, synchronous: str, environ: Mapping[str, str]) -> AsyncIterator[tuple[Contestant, Path]]:
    """`phantom start` on a fresh data folder, listening; and that folder."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        common = {
            "PHANTOM_DATA_DIR": folder,
            "PHANTOM_JOURNAL_SYNCHRONOUS": synchronous,
            "PHANTOM_LOG_LEVEL": "error",
            "PORT": str(port),
        }
        command = [str(Path(sys.executable).with_name("phantom")), "start"]
        contestant = Contestant(f"phantom {synchronous}", command, port, common | dict(environ))
        await contestant.start()
        try:
            yield contestant, Path(folder)
        finally:
            await contestant.stop()


async def ready(contestant: Contestant) -> float:
    """Seconds from the start of the process to the first 200 of `/ready`."""
    async with asyncio.timeout(20):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", contestant.port)
            writer.write(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            answer = await reader.read(12)
            writer.close()
            if answer.endswith(b"200"):
                return time.perf_counter() - contestant.started_at
            await asyncio.sleep(0.002)
