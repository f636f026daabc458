"""Work that waits for a person or an outage steps aside: few places serve everybody who could go on."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from phantom.access import AccessRules
from phantom.channel import Envelope
from phantom.errors import ConnectError, PhantomError
from phantom.journal import Journal
from phantom.lanes import Lanes
from phantom.messages import AuthorFacts, ConversationRef
from phantom.metrics import PrometheusMeter
from phantom.pipeline import Pipeline
from phantom.presenter import QueuedMarks
from phantom.sessions import Sessions
from phantom.storage.turns_database import turns_database
from phantom.testing.fake_channel import FakeChannel, FakePlatform
from phantom.testing.manual_clock import ManualClock
from phantom.turn_runner import TurnRunner

STRANGERS = 80
"""More than the places that messages have while it is found out who sent them."""


async def until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.001)


async def test_who_waits_aside_leaves_the_place_to_others_and_takes_one_again() -> None:
    lanes, answer, seen = Lanes(places=1), asyncio.Event(), list[str]()

    async def asks() -> None:
        seen.append("asks")
        async with lanes.aside():
            await answer.wait()
        seen.append("knows")

    async def other() -> None:
        seen.append("other")
        answer.set()
        await asyncio.sleep(0.01)  # who has been answered has to wait for the place
        seen.append("other ends")

    lanes.push("a", asks)
    lanes.push("b", other)
    await until(lambda: not lanes.busy)
    assert seen == ["asks", "other", "other ends", "knows"]


async def test_what_is_there_at_once_costs_no_place() -> None:
    lanes, seen = Lanes(places=1), list[str]()
    there = asyncio.Event()
    there.set()

    async def first() -> None:
        await lanes.wait_aside(_wait(there))
        seen.append("first")

    async def second() -> None:
        seen.append("second")

    lanes.push("a", first)
    lanes.push("b", second)
    await until(lambda: not lanes.busy)
    assert seen == ["first", "second"]


async def test_the_end_reaches_who_waits_aside() -> None:
    lanes, begun = Lanes(places=1), asyncio.Event()

    async def waits() -> None:
        begun.set()
        await lanes.wait_aside(_wait(asyncio.Event()))

    lanes.push("a", waits)
    await begun.wait()
    async with asyncio.timeout(30):
        await lanes.cancel()
    assert not lanes.busy


async def test_who_ends_aside_waits_for_no_place_and_leaves_none_over() -> None:
    lanes, free, log = Lanes(places=1), asyncio.Event(), list[str]()
    asking: list[asyncio.Task[None]] = []

    async def asks() -> None:
        waiting = asyncio.ensure_future(lanes.wait_aside(_wait(asyncio.Event())))
        asking.append(waiting)
        await asyncio.wait((waiting,))
        log.append("gave up")

    async def holds(name: str) -> None:
        log.append(name)
        await free.wait()
        log.append(f"{name} ends")

    lanes.push("a", asks)
    lanes.push("b", partial(holds, "b"))
    await until(lambda: "b" in log)
    asking[0].cancel()
    await until(lambda: "gave up" in log)
    for name in "cd":
        lanes.push(name, partial(holds, name))
    free.set()
    await until(lambda: not lanes.busy)
    assert log == ["b", "gave up", "b ends", "c", "c ends", "d", "d ends"]


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


class Silent(FakeChannel):
    """A platform that is away when it is asked about people."""

    name = "silent"
    asked = 0

    async def author_facts(self, conversation: ConversationRef, author_id: str) -> AuthorFacts:
        self.asked += 1
        raise ConnectError("away")


class AlwaysUsable:
    async def usable(self, channel: str) -> None:
        return None

    def refused(self, channel: str, error: PhantomError) -> None:
        raise AssertionError("nothing is refused here")


async def test_a_platform_that_does_not_say_who_they_are_holds_up_its_own_people_only(tmp_path: Path) -> None:
    clock, meter = ManualClock(), PrometheusMeter()
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=meter)
    await journal.open()
    away, fine = Silent(FakePlatform()), FakeChannel(FakePlatform())
    database = turns_database("", tmp_path, lambda: None, clock=clock, meter=meter, concurrency=1)
    turns = Lanes(1)
    turns.pause()  # what is to have a turn is all that is looked at
    nobody: Any = None  # no press, no command
    pipeline = Pipeline(
        journal=journal,
        sessions=Sessions(journal),
        channels={"silent": away, "fake": fine},
        rules={"silent": AccessRules(allowed_users=frozenset({"boss"}), allowed_channels=frozenset({"room"}))}
        | {"fake": AccessRules()},
        runner=TurnRunner(database, journal, clock, meter),
        side=nobody,
        lanes=turns,
        gate=AlwaysUsable(),
        queued=QueuedMarks(),
        clock=clock,
        meter=meter,
    )
    running = asyncio.create_task(pipeline.run())
    try:
        for number in range(STRANGERS):
            await journal.admit(_asked("silent", f"s{number}", "stranger"))
        await until(lambda: away.asked >= STRANGERS)
        assert turns.busy == 0
        await journal.admit(_asked("fake", "f1", "ann"))
        await journal.admit(_asked("silent", "s-boss", "boss"))  # who is listed needs no look-up
        await until(lambda: turns.busy == 2)
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await pipeline.cancel()
        await journal.aclose()


def _asked(channel: str, post: str, author: str) -> Envelope:
    fields = {"id": post, "place": "room", "thread": None, "author": author, "text": "<@bot> hello"}
    return Envelope(
        channel=channel, tenant="t1", event_id=post, kind="post", body=orjson.dumps(fields), received_at=0.0
    )
