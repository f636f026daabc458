"""Start, memory, and the latency that the daemon adds to the agent's own time."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

from bench.daemon import Rig, daemon

MESSAGES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One start. Seconds and megabytes; latencies from a person's post to the answer in the workspace."""

    ready: float
    first_answer: float
    idle_mb: float
    latencies: tuple[float, ...]


async def once() -> Life:
    """Start, ask at once, ask on, look at the memory."""
    async with daemon() as rig:
        asked = time.perf_counter()
        await _ask(rig, 0)
        first = time.perf_counter() - rig.daemon.started_at
        await asyncio.sleep(2.0)
        idle = rig.daemon.memory_mb()
        latencies = []
        for number in range(1, MESSAGES + 1):
            asked = time.perf_counter()
            await _ask(rig, number)
            latencies.append(time.perf_counter() - asked)
        return Life(ready=rig.ready_after, first_answer=first, idle_mb=idle, latencies=tuple(latencies))


async def _ask(rig: Rig, number: int) -> None:
    """The offline agent answers `echo` at once, so what is measured is ours."""
    slack = rig.slack
    question = await slack.post(slack.owner, slack.general, f"{slack.mention} echo {number}")
    await slack.wait_for(lambda: bool(slack.replies(question)), timeout=20)


async def measure(rounds: int = 5) -> str:
    """A Markdown list of medians."""
    lives = [await once() for _ in range(rounds)]
    latencies = sorted(one for life in lives for one in life.latencies)
    return "\n".join(
        [
            f"- start to `/ready` (admits and acks): {statistics.median(life.ready for life in lives):.2f} s",
            f"- start to the first answer: {statistics.median(life.first_answer for life in lives):.2f} s",
            f"- RSS idle, offline agent: {statistics.median(life.idle_mb for life in lives):.0f} MB",
            f"- latency added to a reply: p50 {latencies[len(latencies) // 2] * 1e3:.0f} ms,"
            f" p99 {latencies[int(len(latencies) * 0.99)] * 1e3:.0f} ms ({len(latencies)} messages)",
        ]
    )
