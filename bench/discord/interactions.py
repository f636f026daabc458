"""Signed interactions a second, answered once the journal holds them, beside endpoints that keep nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from bench.discord import posts
from bench.discord.rig import discord_daemon
from bench.discord.table import Measured, render
from bench.load import drive
from bench.process import Contestant, free_port, python_module
from phantom.testing.fake_discord import FakeDiscord

ROUND = {1: 1_500, 16: 4_000, 64: 6_000}

Settled = Callable[[], Awaitable[None]]
Opener = Callable[[FakeDiscord], AbstractAsyncContextManager[tuple[Contestant, Settled]]]


def _ours(synchronous: str) -> Opener:
    @asynccontextmanager
    async def opened(fake: FakeDiscord) -> AsyncIterator[tuple[Contestant, Settled]]:
        async with discord_daemon(fake, synchronous=synchronous, DISCORD_TRANSPORT="http") as rig:
            yield rig.daemon, rig.rows.until_worked_off

    return opened


def _peer(module: str) -> Opener:
    @asynccontextmanager
    async def opened(fake: FakeDiscord) -> AsyncIterator[tuple[Contestant, Settled]]:
        port = free_port()
        contestant = Contestant(module, python_module(module, str(port), fake.public_key), port)
        await contestant.start()
        try:
            yield contestant, _nothing
        finally:
            await contestant.stop()

    return opened


async def _nothing() -> None:
    """Nothing is kept, so nothing is left to do."""


BARE = "bare aiohttp: verify, answer, keep nothing"
CONTESTANTS: dict[str, Opener] = {
    BARE: _peer("bench.peers.discord_aiohttp"),
    "bare protocol: verify, answer, keep nothing": _peer("bench.peers.discord_protocol"),
    "phantom, durable, FULL": _ours("FULL"),
    "phantom, durable, NORMAL": _ours("NORMAL"),
}
LOADS: dict[str, tuple[int, Callable[[FakeDiscord, int], list[bytes]], int]] = {
    "1 connection": (1, posts.signed, 200),
    "16 connections": (16, posts.signed, 200),
    "64 connections": (64, posts.signed, 200),
    "64, refused forged": (64, posts.forged, 401),
    "64, refused unsigned": (64, posts.unsigned, 401),
}


async def measure(rounds: int = 3) -> str:
    """Every load `rounds` times on every contestant, in turn; the others stand still. A Markdown table of medians."""
    found: dict[str, dict[str, list[Measured]]] = {}
    async with FakeDiscord() as fake, AsyncExitStack() as stack:
        running = {}
        for name, opener in CONTESTANTS.items():
            running[name] = await stack.enter_async_context(opener(fake))
            running[name][0].pause()
        for _ in range(rounds):
            for what, (connections, make, status) in LOADS.items():
                for name, (contestant, settled) in running.items():
                    requests = make(fake, ROUND[connections])
                    contestant.go_on()
                    measured = await _round(contestant, settled, requests, connections, status)
                    contestant.pause()
                    found.setdefault(what, {}).setdefault(name, []).append(measured)
    return render(found, beside=BARE, latency=True)


async def _round(
    contestant: Contestant, settled: Settled, requests: list[bytes], connections: int, status: int
) -> Measured:
    """CPU is counted until nothing is left to do behind the answers."""
    before = contestant.cpu_seconds()
    load = await drive(contestant.port, requests, connections, status)
    await settled()
    if load.unexpected:
        raise RuntimeError(f"{contestant.name}: {load.unexpected} answers were not {status}")
    return Measured(
        rate=load.rate,
        cpu_us=(contestant.cpu_seconds() - before) / load.answered * 1e6,
        peak_mb=contestant.memory_mb("VmHWM"),
        p50_ms=load.p50 * 1e3,
        p99_ms=load.p99 * 1e3,
    )
