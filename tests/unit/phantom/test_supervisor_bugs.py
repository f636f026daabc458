"""What looks after channels may itself break: it never ends in silence."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from phantom.channel import Channel, Inbox
from phantom.errors import AuthError
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.supervisor import SupervisedChannel, Supervisor
from phantom.testing.conformance import ConformanceInbox
from phantom.testing.fake_channel import FakeChannel, FakePlatform
from phantom.testing.manual_clock import ManualClock


class Refused(FakeChannel):
    name = "refused"

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        raise AuthError("refused")


class Odd(HeldSource):
    """A secret's source with a bug."""

    async def refresh(self) -> bool:
        raise KeyError("a bug")


def supervised(channel: FakeChannel, source: HeldSource, clock: ManualClock) -> SupervisedChannel:
    return SupervisedChannel(
        channel, ConformanceInbox(), clock, PrometheusMeter(), [Secret("token", source)], _greet_badly
    )


async def _greet_badly(channel: Channel) -> None:
    raise KeyError("a bug in the greeting")


async def test_a_supervisor_that_breaks_ends_the_daemon_and_not_its_channel_alone() -> None:
    clock, supervisor = ManualClock(), Supervisor()
    supervisor.add(supervised(Refused(FakePlatform()), Odd("token", "one"), clock))
    supervisor.add(supervised(FakeChannel(FakePlatform()), HeldSource("token", "one"), clock))
    supervisor.start()
    try:
        async with asyncio.timeout(10):
            with pytest.raises(KeyError, match="a bug"):
                await supervisor.until_fatal()
    finally:
        await supervisor.aclose()


async def test_a_greeting_that_breaks_is_told_and_costs_nothing_else() -> None:
    supervisor = Supervisor()
    supervisor.add(supervised(FakeChannel(FakePlatform()), HeldSource("token", "one"), ManualClock()))
    with structlog.testing.capture_logs() as logs:
        supervisor.start()
        try:
            async with asyncio.timeout(30):
                await supervisor.usable("fake")
                while not any(line["event"] == "greeting_broke" for line in logs):
                    await asyncio.sleep(0)
        finally:
            await supervisor.aclose()
    assert [report.health.state for report in supervisor.reports()] == ["stopped"]
