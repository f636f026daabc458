"""A journal that takes nothing for long: what is held is bounded, reading waits, and all of it is taken in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from channels.discord.egress import Echoes
from channels.discord.intake import MAX_HELD, Ears, Intake
from channels.discord.memo import Memo
from channels.discord.token_seal import TokenSeal
from phantom.channel import Admission, Envelope
from phantom.metrics import PrometheusMeter
from phantom.testing.conformance import ConformanceInbox
from phantom.testing.manual_clock import ManualClock


class Disk(ConformanceInbox):
    """Takes everything or nothing."""

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        if self.stores:
            self.envelopes.append(envelope)
        done(Admission(stored=self.stores))


class Context:
    """As much of a `ChannelContext` as the intake looks at."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.meter = PrometheusMeter()


class Atlas:
    def whereabouts(self, guild: str, channel: str) -> str | None:
        return ""

    def our_role(self, guild: str) -> str:
        return ""


class All:
    def __contains__(self, guild: object) -> bool:
        return True


async def _nothing(*_: Any) -> Any:
    return ""


async def test_a_full_disk_does_not_fill_the_memory(tmp_path: Path) -> None:
    inbox, context, jobs = Disk(stores=False), Context(), list[asyncio.Task[None]]()
    ears = Ears(
        inbox=inbox,
        me="1",
        application="2",
        guilds=All(),
        memo=Memo(tmp_path / "memo"),
        directs=Memo(tmp_path / "directs"),
        echoes=Echoes(),
        seal=TokenSeal(tmp_path / "key", context.clock),
        look_up=_nothing,
        respond=_nothing,
        seen=lambda _: None,
        spawn=lambda job: jobs.append(asyncio.create_task(job)),
        left_to_apps=lambda _: False,
        missed=lambda _, *, kept: None,
    )
    given: Any = context
    intake = Intake(ears, Atlas(), given)
    taken = 0
    while not intake.behind and taken < 2 * MAX_HELD:
        taken += 1
        message = {"id": str(1000 + taken), "guild_id": "7", "channel_id": "8", "content": "x", "author": {"id": "9"}}
        intake.take("MESSAGE_CREATE", message)
    assert taken == MAX_HELD
    reading = asyncio.create_task(intake.caught_up())
    await context.clock.wait_for_sleepers(1)
    assert not reading.done()
    inbox.stores = True
    context.clock.advance(1.0)
    async with asyncio.timeout(20):
        await reading
        await asyncio.wait(jobs)
    assert not intake.behind
    assert [one.event_id for one in inbox.envelopes] == [f"m{1001 + number}" for number in range(MAX_HELD)]
