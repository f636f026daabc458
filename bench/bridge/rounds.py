"""Rounds of every load on every contestant, in turn, and a table of medians with the ratios of ours to the peer's."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.bridge.contestants import OURS, PEER, Bot, Stage, bots, contestants, stage

BURST = 100
BURSTS = {1: 100, 10: 60, 50: 20}
"""Bursts a round by the number of apps."""
PACED_APPS, PACED_EVENTS, PACED_RATE = 10, 500, 100.0
ACTIONS = {1: 600, 64: 2000}
"""`sendMessage` a round by how many are under way at once."""
WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `aim` is what ours is to have of the peer's; `more` whether more is better."""

    what: str
    aim: float
    more: bool


ROWS = {
    "out1": Row("deliveries/s, 1 app", 1.0, more=True),
    "out10": Row("deliveries/s, 10 apps", 1.2, more=True),
    "out50": Row("deliveries/s, 50 apps", 1.2, more=True),
    "cpu1": Row("bot CPU a delivery, 1 app, µs", 0.5, more=False),
    "cpu10": Row("bot CPU a delivery, 10 apps, µs", 0.5, more=False),
    "cpu50": Row("bot CPU a delivery, 50 apps, µs", 0.5, more=False),
    "p50": Row("latency at 100 events/s, 10 apps, p50 ms", 1.0, more=False),
    "p99": Row("latency at 100 events/s, 10 apps, p99 ms", 1.0, more=False),
    "act1": Row("sendMessage/s, 1 at once", 2.0, more=True),
    "act64": Row("sendMessage/s, 64 at once", 1.0, more=True),
    "actcpu1": Row("bot CPU an action, 1 at once, µs", 1.0, more=False),
    "actcpu64": Row("bot CPU an action, 64 at once, µs", 1.0, more=False),
    "idle": Row("RSS before any app, MB", 0.5, more=False),
    "rss": Row("RSS with 50 apps, after the load, MB", 0.5, more=False),
}


async def fan_out(bot: Bot, theatre: Stage, apps: int) -> dict[str, float]:
    """Bursts of messages to so many apps; the next burst when every app has the last one whole."""
    listening = bot.apps[:apps]
    await asyncio.gather(*(app.listen() for app in listening))
    await _burst(bot, theatre, apps)
    bursts = BURSTS[apps]
    cpu, began = bot.process.cpu_seconds(), time.perf_counter()
    for _ in range(bursts):
        await _burst(bot, theatre, apps)
    seconds = time.perf_counter() - began
    spent = bot.process.cpu_seconds() - cpu
    await asyncio.gather(*(app.listen(on=False) for app in listening))
    deliveries = bursts * BURST * apps
    return {f"out{apps}": deliveries / seconds, f"cpu{apps}": spent / deliveries * 1e6}


async def _burst(bot: Bot, theatre: Stage, apps: int) -> None:
    arrived = bot.tally.expect(BURST * apps)
    theatre.burst(bot.which, BURST)
    await asyncio.wait_for(arrived, WITHIN)


async def latency(bot: Bot, theatre: Stage) -> dict[str, float]:
    """From the writing of an event into the gateway to its arrival at each of ten apps."""
    listening = bot.apps[:PACED_APPS]
    await asyncio.gather(*(app.listen() for app in listening))
    ages = bot.tally.ages = []
    arrived = bot.tally.expect(PACED_EVENTS * PACED_APPS)
    theatre.paced(bot.which, PACED_EVENTS, PACED_RATE)
    await asyncio.wait_for(arrived, WITHIN)
    bot.tally.ages = None
    await asyncio.gather(*(app.listen(on=False) for app in listening))
    ages.sort()
    return {"p50": ages[len(ages) // 2] / 1e6, "p99": ages[int(len(ages) * 0.99)] / 1e6}


async def actions(bot: Bot, at_once: int) -> dict[str, float]:
    """Round trips of `sendMessage` over one connection, in forty channels by turns."""
    app, count = bot.apps[0], ACTIONS[at_once]
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await app.post(bot.channels[number % len(bot.channels)], f"posted by the benchmark, number {number}")

    cpu, began = bot.process.cpu_seconds(), time.perf_counter()
    await asyncio.wait_for(asyncio.gather(*(worker() for _ in range(at_once))), WITHIN)
    seconds = time.perf_counter() - began
    spent = bot.process.cpu_seconds() - cpu
    return {f"act{at_once}": count / seconds, f"actcpu{at_once}": spent / count * 1e6}


async def measure(rounds: int = 3) -> str:
    """Everything `rounds` times on each contestant, in turn. A Markdown table."""
    names, missing = contestants()
    found: dict[str, dict[str, list[float]]] = {name: {row: [] for row in ROWS} for name in names}

    def note(bot: Bot, figures: Mapping[str, float]) -> None:
        for row, figure in figures.items():
            found[bot.name][row].append(figure)

    notes = [f"peer not available: {missing}"] if missing else []
    async with stage(len(names)) as theatre, bots(names, theatre) as running:
        for _ in range(rounds):
            for apps in BURSTS:
                for bot in running:
                    note(bot, await fan_out(bot, theatre, apps))
            for bot in running:
                note(bot, await latency(bot, theatre))
            for at_once in ACTIONS:
                for bot in running:
                    note(bot, await actions(bot, at_once))
        for bot in running:
            note(bot, {"idle": bot.idle_mb, "rss": bot.process.memory_mb()})
            notes.append(f"{bot.name}: {bot.tally.bytes / max(1, bot.tally.events):,.0f} bytes an event")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{render(found)}\n\n{'; '.join(notes)}; load of the machine {load}"


def render(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Medians; the ratio is the median of each round's own."""
    peer, ours = found.get(PEER), found[OURS]
    lines = ["| figure | phantom | shardwire | × | aim |", "|---|---:|---:|---:|---|"]
    for name, row in ROWS.items():
        mine = statistics.median(ours[name])
        theirs = ratio = aim = ""
        if peer is not None:
            theirs = _shown(statistics.median(peer[name]))
            times = statistics.median(one / other for one, other in zip(ours[name], peer[name], strict=True))
            met = times >= row.aim if row.more else times <= row.aim
            ratio, aim = f"{times:.2f}", f"{'≥' if row.more else '≤'} {row.aim:g}, {'met' if met else 'missed'}"
        lines.append(f"| {row.what} | {_shown(mine)} | {theirs} | {ratio} | {aim} |")
    return "\n".join(lines)


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}" if figure < 10 else f"{figure:.1f}"
