"""Signed events a second with the durable ack, beside servers that do less. Contestants alternate, medians count."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from bench.daemon import daemon
from bench.load import Load, drive, signed, unsigned
from bench.process import Contestant, free_port, python_module

CONNECTIONS = (1, 16, 64)
ROUND = {1: 4_000, 16: 20_000, 64: 40_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contestant at one number of connections: medians over the rounds."""

    name: str
    what: str
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    peak_mb: float
    unexpected: int


Opener = Callable[[], AbstractAsyncContextManager[Contestant]]


def _peer(name: str, module: str) -> Opener:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Contestant]:
        port = free_port()
        contestant = Contestant(name, python_module(module, str(port)), port)
        await contestant.start()
        try:
            yield contestant
        finally:
            await contestant.stop()

    return opened


def _ours(synchronous: str) -> Opener:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Contestant]:
        async with daemon(synchronous=synchronous) as rig:
            yield rig.daemon

    return opened


CONTESTANTS: dict[str, Opener] = {
    "phantom, durable ack, FULL": _ours("FULL"),
    "phantom, durable ack, NORMAL": _ours("NORMAL"),
    "bare protocol: verify, answer, keep nothing": _peer("bare protocol", "bench.peers.bare_protocol"),
    "bare aiohttp: answer 200": _peer("bare aiohttp", "bench.peers.bare_aiohttp"),
}


async def measure(rounds: int = 3) -> list[Row]:
    """Every contestant `rounds` times, in turn."""
    found: dict[tuple[str, str], list[tuple[Load, float, float]]] = {}
    for _ in range(rounds):
        for name, opener in CONTESTANTS.items():
            async with opener() as contestant:
                for connections in CONNECTIONS:
                    sample = await _round(contestant, signed(ROUND[connections]), connections, 200)
                    found.setdefault((name, f"{connections} connections"), []).append(sample)
                if name.startswith("phantom") or "verify" in name:
                    sample = await _round(contestant, unsigned(ROUND[64]), 64, 401)
                    found.setdefault((name, "64, refused unsigned"), []).append(sample)
    return [_row(name, what, samples) for (name, what), samples in found.items()]


async def _round(
    contestant: Contestant, requests: list[bytes], connections: int, status: int
) -> tuple[Load, float, float]:
    before = contestant.cpu_seconds()
    load = await drive(contestant.port, requests, connections, status)
    cpu = (contestant.cpu_seconds() - before) / load.answered
    return load, cpu, contestant.memory_mb("VmHWM")


def _row(name: str, what: str, samples: list[tuple[Load, float, float]]) -> Row:
    loads = [load for load, _, _ in samples]
    return Row(
        name=name,
        what=what,
        rate=statistics.median(load.rate for load in loads),
        p50_ms=statistics.median(load.p50 for load in loads) * 1e3,
        p99_ms=statistics.median(load.p99 for load in loads) * 1e3,
        cpu_us=statistics.median(cpu for _, cpu, _ in samples) * 1e6,
        peak_mb=max(peak for _, _, peak in samples),
        unexpected=sum(load.unexpected for load in loads),
    )


def render(rows: list[Row]) -> str:
    """A Markdown table."""
    lines = [
        "| contestant | load | requests/s | p50 ms | p99 ms | CPU µs each | peak MB | unexpected |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.name} | {row.what} | {row.rate:,.0f} | {row.p50_ms:.2f} | {row.p99_ms:.2f} | {row.cpu_us:.1f}"
        f" | {row.peak_mb:.0f} | {row.unexpected} |"
        for row in sorted(rows, key=lambda row: (row.what, row.name))
    ]
    return "\n".join(lines)
