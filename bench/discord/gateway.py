"""Gateway events a second, from the frame to the committed row, beside discord.py's own `on_message`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.discord.frames import Pump
from bench.discord.rig import HEARTBEAT, Rig, discord_daemon
from bench.discord.table import Measured, render
from bench.process import Contestant, free_port, python_module
from phantom.testing.fake_discord import FakeDiscord

TALK, MENTIONS, SINGLE = 20_000, 4_000, 300
NOBODY = "1"
"""The only user who may talk to the bot: questions are stored, then refused by policy, so that no agent works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A connected contestant. `reached(n)` returns once `n` messages are where they belong; `settled` once nothing is
    left to do behind them.
    """

    process: Contestant
    reached: Callable[[int], Awaitable[None]]
    settled: Callable[[], Awaitable[None]]


Opener = Callable[[FakeDiscord], AbstractAsyncContextManager[Running]]


def _ours(synchronous: str) -> Opener:
    @asynccontextmanager
    async def opened(fake: FakeDiscord) -> AsyncIterator[Running]:
        async with discord_daemon(fake, synchronous=synchronous, DISCORD_ALLOWED_USERS=NOBODY) as rig:
            yield Running(process=rig.daemon, reached=_committed(rig), settled=rig.rows.until_worked_off)

    return opened


def _committed(rig: Rig) -> Callable[[int], Awaitable[None]]:
    before = rig.rows.newest()

    async def reached(count: int) -> None:
        await rig.rows.until_newest(before + count)

    return reached


def _peer(loop: str) -> Opener:
    @asynccontextmanager
    async def opened(fake: FakeDiscord) -> AsyncIterator[Running]:
        async with discord_client(fake, loop) as contestant:
            reader, writer = await asyncio.open_connection("127.0.0.1", contestant.port)

            async def reached(count: int) -> None:
                writer.write(b"%d\n" % count)
                async with asyncio.timeout(60):
                    await reader.readline()

            try:
                yield Running(process=contestant, reached=reached, settled=_nothing)
            finally:
                writer.close()

    return opened


@asynccontextmanager
async def discord_client(fake: FakeDiscord, loop: str) -> AsyncIterator[Contestant]:
    """discord.py with default settings, ready."""
    port = free_port()
    command = python_module("bench.peers.discord_client", str(port), fake.api_url, fake.gateway_url, fake.token, loop)
    contestant = Contestant(f"discord.py {loop}", command, port)
    await contestant.start()
    try:
        yield contestant
    finally:
        await contestant.stop()


async def _nothing() -> None:
    """Nothing is kept, so nothing is left to do."""


BARE = "discord.py, `on_message`"
CONTESTANTS: dict[str, Opener] = {
    BARE: _peer("asyncio"),
    "discord.py, `on_message`, uvloop": _peer("uvloop"),
    "phantom, committed, FULL": _ours("FULL"),
    "phantom, committed, NORMAL": _ours("NORMAL"),
}


class _Talk:
    """A contestant and those who talk to it. `sent` counts what was sent so far."""

    def __init__(self, running: Running, pump: Pump) -> None:
        self._running = running
        self._pump = pump
        self._sent = 0

    async def flood(self, count: int, *, mention: bool = False) -> Measured:
        """As fast as it goes. CPU is counted until nothing is left to do behind the events."""
        running, process = self._running, self._running.process
        frames = self._pump.frames(count, mention=mention)
        self._sent += count
        process.go_on()
        cpu, started = process.cpu_seconds(), time.perf_counter()
        sending = asyncio.create_task(self._pump.send(frames))
        await running.reached(self._sent)
        seconds = time.perf_counter() - started
        await sending
        await running.settled()
        spent = process.cpu_seconds() - cpu
        process.pause()
        return Measured(rate=count / seconds, cpu_us=spent / count * 1e6, peak_mb=process.memory_mb("VmHWM"))

    async def singly(self, count: int) -> Measured:
        """The next one when the last is where it belongs."""
        running, process = self._running, self._running.process
        frames, times = self._pump.frames(count), []
        process.go_on()
        cpu = process.cpu_seconds()
        for frame in frames:
            started = time.perf_counter()
            await self._pump.send([frame])
            self._sent += 1
            await running.reached(self._sent)
            times.append(time.perf_counter() - started)
        spent = process.cpu_seconds() - cpu
        process.pause()
        times.sort()
        return Measured(
            rate=count / sum(times),
            cpu_us=spent / count * 1e6,
            peak_mb=process.memory_mb("VmHWM"),
            p50_ms=times[count // 2] * 1e3,
            p99_ms=times[int(count * 0.99)] * 1e3,
        )


async def measure(rounds: int = 3) -> str:
    """Every load `rounds` times on every contestant, in turn; the others stand still. A Markdown table of medians."""
    found: dict[str, dict[str, list[Measured]]] = {}
    async with AsyncExitStack() as stack:
        talks = {}
        for name, opener in CONTESTANTS.items():
            fake = await stack.enter_async_context(FakeDiscord(heartbeat_interval=HEARTBEAT))
            pump = Pump(fake)
            running = await stack.enter_async_context(opener(fake))
            await asyncio.sleep(1.0)  # what a start leaves to do: commands synced, a greeting
            pump.attach()
            running.process.pause()
            talks[name] = _Talk(running, pump)
        for _ in range(rounds):
            for name, talk in talks.items():
                found.setdefault("talk", {}).setdefault(name, []).append(await talk.flood(TALK))
            for name, talk in talks.items():
                asked = await talk.flood(MENTIONS, mention=True)
                found.setdefault("questions to the bot", {}).setdefault(name, []).append(asked)
            for name, talk in talks.items():
                found.setdefault("talk, one at a time", {}).setdefault(name, []).append(await talk.singly(SINGLE))
    return render(found, beside=BARE, latency=False)
