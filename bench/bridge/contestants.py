"""What is measured: our daemon, and the npm package's own server where the package is at hand."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bridge.socket_app import SocketApp, Tally, connect
from bench.daemon import launched, ready
from bench.process import Contestant, free_port, python_module
from scripts.shardwire import NotHere, find

SECRET = "bench-secret-of-32-characters---"
OURS, PEER = "phantom", "shardwire 2.2.0"
MOST_APPS = 50
PEER_SERVER = Path(__file__).parents[1] / "peers" / "shardwire_server.mjs"


class Stage:
    """The FakeDiscord process, driven through its input."""

    def __init__(self, process: asyncio.subprocess.Process, places: list[Mapping[str, Any]]) -> None:
        self._process = process
        self.places = places

    def burst(self, which: int, count: int) -> None:
        self._tell(f"BURST {which} {count}")

    def paced(self, which: int, count: int, per_second: float) -> None:
        self._tell(f"PACED {which} {count} {per_second}")

    def _tell(self, command: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{command}\n".encode())


@asynccontextmanager
async def stage(places: int) -> AsyncIterator[Stage]:
    """Discord, so many times."""
    process = await asyncio.create_subprocess_exec(
        *python_module("bench.bridge.stage", str(places)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        out = process.stdout
        lines = [await asyncio.wait_for(out.readline(), 30) for _ in range(places)] if out is not None else []
        yield Stage(process, [json.loads(line) for line in lines])
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()


@dataclass(slots=True, kw_only=True)
class Bot:
    """A contestant that serves apps. `which` Discord it is in, and channels there; `idle_mb` before any app came."""

    name: str
    process: Contestant
    which: int
    channels: list[str]
    tally: Tally
    apps: list[SocketApp]
    idle_mb: float


def contestants() -> tuple[list[str], str]:
    """Their names, and why the peer is not among them ("" when it is)."""
    try:
        find()
    except NotHere as missing:
        return [OURS], str(missing)
    return [PEER, OURS], ""


@asynccontextmanager
async def bots(names: list[str], theatre: Stage) -> AsyncIterator[list[Bot]]:
    """All of them, with their apps logged in and none subscribed."""
    async with AsyncExitStack() as stack:
        found = []
        for which, name in enumerate(names):
            place = theatre.places[which]
            opened = _ours(place) if name == OURS else _peer(place)
            process = await stack.enter_async_context(opened)
            await asyncio.sleep(2.0)  # what a start leaves to do: commands synced, servers shown
            idle = process.memory_mb()
            tally, apps = await connect(process.port, SECRET, MOST_APPS)
            found.append(
                Bot(
                    name=name,
                    process=process,
                    which=which,
                    channels=place["channels"],
                    tally=tally,
                    apps=list(apps),
                    idle_mb=idle,
                )
            )
        yield found


@asynccontextmanager
async def _ours(place: Mapping[str, Any]) -> AsyncIterator[Contestant]:
    secret = {"id": "bench", "value": SECRET, "allow": {"events": "*", "actions": "*"}}
    with tempfile.TemporaryDirectory(prefix="bench-bridge-") as folder:
        (Path(folder) / "phantom.yaml").write_text(json.dumps({"bridge": {"secrets": [secret]}}))
        environ = {
            "DISCORD_BOT_TOKEN": place["token"],
            "DISCORD_API_BASE_URL": f"{place['url']}/api/v10",
            "PHANTOM_CONFIG_DIR": folder,
        }
        async with launched(free_port(), "FULL", environ) as (contestant, _):
            await ready(contestant)
            yield contestant


@asynccontextmanager
async def _peer(place: Mapping[str, Any]) -> AsyncIterator[Contestant]:
    port = free_port()
    arguments = [str(find()), str(port), f"{place['url']}/api", place["token"], SECRET]
    contestant = Contestant(PEER, ["node", str(PEER_SERVER), *arguments], port)
    await contestant.start()
    try:
        yield contestant
    finally:
        await contestant.stop()
