"""Lanes: in order within one, side by side across, bounded; a break-down stays its own; pausing and cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from phantom.lanes import Lanes, Work


class Recorder:
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.most = 0
        self.gate = asyncio.Event()

    def work(self, name: str, *, wait: bool = False, broken: bool = False) -> Work:
        async def run() -> None:
            self.begun.append(name)
            self.most = max(self.most, len(self.begun) - len(self.ended))
            await (self.gate.wait() if wait else asyncio.sleep(0))
            if broken:
                raise KeyError(name)
            self.ended.append(name)

        return run


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0)


async def empty(lanes: Lanes) -> None:
    await until(lambda: not lanes.busy)


async def test_a_lane_works_in_order_and_says_who_waits() -> None:
    lanes, record = Lanes(places=4), Recorder()
    assert [lanes.push("a", record.work(str(n))) for n in range(4)] == [False, True, True, True]
    assert lanes.push("b", record.work("b")) is False
    await empty(lanes)
    assert [name for name in record.ended if name != "b"] == ["0", "1", "2", "3"]
    assert lanes.push("a", record.work("later")) is False
    await empty(lanes)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=40), st.integers(1, 3))
def test_whatever_breaks_the_rest_goes_on_in_order(pushed: list[tuple[str, bool]], places: int) -> None:
    async def run() -> None:
        lanes, record = Lanes(places=places), Recorder()
        for number, (key, broken) in enumerate(pushed):
            lanes.push(key, record.work(f"{key}{number}", broken=broken))
        await empty(lanes)
        for key in "abcd":
            wanted = [f"{key}{number}" for number, (lane, broken) in enumerate(pushed) if lane == key and not broken]
            assert [name for name in record.ended if name.startswith(key)] == wanted
        assert len(record.begun) == len(pushed)

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    assert sum(line["event"] == "work_broke" for line in lines) == sum(broken for _, broken in pushed)


async def test_places_are_shared() -> None:
    lanes, record = Lanes(places=2), Recorder()
    for number in range(6):
        lanes.push(str(number), record.work(str(number)))
    await empty(lanes)
    assert record.most <= 2


async def test_draining_starts_nothing_not_even_what_waits_for_a_place() -> None:
    lanes, record = Lanes(places=1), Recorder()
    lanes.push("a", record.work("a1", wait=True))
    lanes.push("a", record.work("a2"))
    lanes.push("b", record.work("b1"))
    await until(lambda: record.begun)
    assert await lanes.drain(0.01) is False
    record.gate.set()
    assert await lanes.drain(30) is True
    assert record.begun == ["a1"]
    lanes.push("c", record.work("c1"))
    await asyncio.sleep(0.01)
    assert record.begun == ["a1"]


async def test_cancelling_reaches_the_work() -> None:
    lanes, record = Lanes(places=2), Recorder()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        try:
            await record.gate.wait()
        finally:
            ended.set()

    lanes.push("a", stubborn)
    async with asyncio.timeout(30):
        await begun.wait()
        await lanes.cancel()
    assert ended.is_set()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("lane")]


async def test_draining_nothing_is_done_at_once() -> None:
    assert await Lanes(places=1).drain(0) is True
    with pytest.raises(ValueError, match="Semaphore"):
        Lanes(places=-1)
