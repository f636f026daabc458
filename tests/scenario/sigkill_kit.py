"""The kill test itself: load on every platform at once, SIGKILL at random instants, restart, and the count at the end.

What people do on a platform, and how an answer is told there, is in `sigkill_slack_kit.py` and
`sigkill_discord_kit.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from phantom.testing.daemon_process import DaemonProcess

HERE = Path(__file__).parent
ANSWER = re.compile(r"answer (\d+)\.")
AHEAD = 3
"""How many questions a person asks before the first of them is answered."""
SETTLE = 60.0
"""Seconds after the last kill until everything must be answered."""

AtWork = Callable[[], Awaitable[None]]
"""Returns once the daemon that was started last runs turns."""
Moment = Callable[[random.Random, AtWork], Awaitable[None]]
"""Called right after a start; returns at an instant that is worth a kill."""


def proving() -> bool:
    """Whether this is the long proof."""
    return bool(os.environ.get("PHANTOM_KILLS"))


def kills(normally: int) -> int:
    """How many kills: `PHANTOM_KILLS`, or what fits into the normal suite."""
    return int(os.environ.get("PHANTOM_KILLS", "0")) or normally


@dataclass
class Tally:
    """What became of the questions of one platform. `asked` counts those that must be answered."""

    name: str
    asked: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    """Messages of the bot that answer nothing: progress that was left behind, an answer to nobody's question."""

    def add(self, place: str, asked: Sequence[int], answers: Sequence[int], *, maybe: Sequence[int] = ()) -> None:
        """One conversation. `maybe` are questions that the platform has told the person were not taken: they may be
        answered, once, and wherever in the order.
        """
        self.asked += len(asked)
        counted = Counter(answers)
        self.lost += [f"{place}: {number}" for number in asked if number not in counted]
        self.doubled += [f"{place}: {number} x{count}" for number, count in counted.items() if count > 1]
        self.stray += [f"{place}: {number}" for number in counted if number not in asked and number not in maybe]
        firm = [number for number in dict.fromkeys(answers) if number in asked]
        if firm != [number for number in asked if number in counted]:
            self.disordered.append(f"{place}: asked {list(asked)}, answered {firm}")

    @property
    def faults(self) -> list[str]:
        """Everything that went wrong, a line each."""
        kinds = {"lost": self.lost, "doubled": self.doubled, "out of order": self.disordered, "stray": self.stray}
        return [f"{self.name} {kind}: {one}" for kind, found in kinds.items() for one in found]

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.asked} questions, {len(self.lost)} lost, {len(self.doubled)} doubled,"
            f" {len(self.disordered)} conversations out of order, {len(self.stray)} stray"
        )


class Load(Protocol):
    """People on one platform who keep asking, whatever becomes of the daemon."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Ask until `stop`, then return once the platform has delivered what it delivers."""
        ...

    async def met(self) -> None:
        """Wait until the daemon knows everybody whom it has to know to find what they wrote in its absence."""
        ...

    async def stop(self) -> None: ...

    async def settled(self, within: float) -> None:
        """Wait until every question is answered, at most so many seconds."""
        ...

    def tally(self) -> Tally: ...


async def at_the_start(instants: random.Random, at_work: AtWork) -> None:
    """From before it listens, over connecting, to recovery."""
    await asyncio.sleep(instants.uniform(0.0, 2.0))


async def in_full_work(instants: random.Random, at_work: AtWork) -> None:
    """While it takes up what was left and answers what is new."""
    await at_work()
    await asyncio.sleep(instants.uniform(0.0, 5.0 if proving() else 2.0))


async def _nothing() -> None:
    """The first start is at work already."""


def _work_of(daemon: DaemonProcess) -> AtWork:
    before = len(daemon.events("turns_running"))

    async def at_work() -> None:
        await daemon.until_logged("turns_running", before + 1, within=30)

    return at_work


def counting(env: dict[str, str], folder: Path) -> DaemonProcess:
    """A daemon whose agent answers "question 7" by "answer 7."."""
    return DaemonProcess(
        env=env | {"PHANTOM_AGENT": "counting_agent:make"},
        data_dir=folder / "data",
        python_path=[HERE],
        ready_within=30,
    )


@asynccontextmanager
async def under_load(daemon: DaemonProcess, loads: Sequence[Load]) -> AsyncIterator[None]:
    """Start it, and have people ask while the block disturbs it; then wait until all that they asked is settled."""
    await daemon.start()
    await daemon.until(lambda health: all(one["ok"] for one in health["channels"].values()), within=30)
    writing = [asyncio.create_task(load.run(), name=load.name) for load in loads]
    try:
        for load in loads:
            await load.met()
        yield
        for load in loads:
            await load.stop()
        await daemon.until_ready()
        await asyncio.wait_for(asyncio.gather(*writing), SETTLE)
    finally:
        for task in writing:
            task.cancel()
    for load in loads:
        await load.settled(SETTLE)
    await daemon.until(lambda health: health["journal"]["backlog"] == 0, within=30)


def count_up(daemon: DaemonProcess, loads: Sequence[Load], disturbed: str) -> None:
    """Every question was answered once, in order, in its place."""
    tallies = [load.tally() for load in loads]
    (daemon.data_dir.parent / "output.log").write_text(daemon.output)
    print(f"{disturbed}; " + "; ".join(map(str, tallies)))
    faults = [fault for tally in tallies for fault in tally.faults]
    assert not faults, "\n".join([*faults, *map(str, tallies), daemon.output[-6000:]])
    assert all(tally.asked for tally in tallies)


async def survive(
    daemon: DaemonProcess, loads: Sequence[Load], count: int, *, seed: int, moments: Sequence[Moment]
) -> None:
    """Kill `count` times under load, then prove that every question was answered once, in order, in its place."""
    instants = random.Random(seed)
    async with under_load(daemon, loads):
        at_work: AtWork = _nothing
        for number in range(count):
            # Each kind of moment in turn, so that few kills see all of them.
            await moments[number % len(moments)](instants, at_work)
            assert daemon.alive, daemon.output[-4000:]
            await daemon.kill()
            at_work = _work_of(daemon)
            await daemon.start(ready=False)
    count_up(daemon, loads, f"{count} kills")
    assert daemon.starts == count + 1
    assert "Traceback" not in daemon.output, daemon.output[-8000:]
