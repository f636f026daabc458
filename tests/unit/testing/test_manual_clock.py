"""The clock that tests own."""

from __future__ import annotations

import asyncio

import pytest

from phantom import testing
from phantom.clock import Clock
from phantom.testing import ManualClock


async def test_stands_still_and_moves_both_times() -> None:
    clock: Clock = ManualClock(now=100.0, monotonic=5.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 5.0)
    assert isinstance(clock, ManualClock)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 7.5)
    clock.set_now(1.0)
    assert (clock.now(), clock.monotonic()) == (1.0, 7.5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock = ManualClock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 3.0), ("early", 1.0), ("same", 1.0), ("never", 9.0)):
            group.create_task(sleeper(name, seconds))
        await clock.wait_for_sleepers(4)
        clock.advance(5)
        await clock.run_for(0)
        assert woken == ["early", "same", "late"]
        assert clock.sleeping == 1
        clock.advance(4)
    assert woken[-1] == "never"


async def test_run_for_lets_a_loop_sleep_again() -> None:
    clock = ManualClock(monotonic=0.0)
    seen: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            seen.append(clock.monotonic())

    task = asyncio.create_task(ticker())
    await clock.run_for(35)
    assert seen == [10.0, 20.0, 30.0]
    assert clock.monotonic() == 35.0
    task.cancel()
    await asyncio.wait({task})
    assert clock.sleeping == 0


async def test_run_moves_on_whenever_somebody_waits() -> None:
    clock = ManualClock(monotonic=0.0)

    async def work() -> str:
        await clock.sleep(1)
        await asyncio.sleep(0)
        await clock.sleep(1)
        return "done"

    assert await clock.run(work()) == "done"
    assert clock.monotonic() == 2.0


async def test_waiting_is_bounded_and_no_time_is_no_wait() -> None:
    clock = ManualClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    with pytest.raises(TimeoutError):
        await clock.wait_for_sleepers(1, timeout=0.01)


def test_the_kit_gives_what_it_names() -> None:
    for name in ("FakeMetadata", "FakeSlack", "ManualClock", "MetadataRequest", "ScriptedAgent"):
        assert getattr(testing, name).__name__ == name
    assert not hasattr(testing, "Nothing")
