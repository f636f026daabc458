"""One run of an agent that never waits, that never ends, or that is cut off: the daemon lives on, the turn ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from phantom.agent import Agent, AgentEvent, Final, TextDelta, Turn
from phantom.agent_run import AgentRun, TurnOutcome, sound
from phantom.clock import SystemClock
from phantom.egress import Egress
from phantom.errors import PhantomError
from phantom.journal import Journal
from phantom.messages import Author, ConversationKind, ConversationRef, InboundMessage
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.presenter import Presenter
from phantom.redaction import Redactor
from phantom.storage.outbox import Outbox
from phantom.testing.fake_channel import FakeChannel, FakePlatform

PLACE = ConversationRef(channel="fake", tenant="t1", place="room", thread="m1", kind=ConversationKind.PUBLIC)


class AlwaysUsable:
    async def usable(self, channel: str) -> None:
        return None

    def refused(self, channel: str, error: PhantomError) -> None:
        raise AssertionError("nothing is refused here")


class Breathless:
    """Has the next event at hand whenever it is asked, for ever."""

    name = "breathless"

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        while True:
            yield TextDelta(text="")


class Deaf:
    """Takes no notice of being cancelled, until it is let go."""

    name = "deaf"

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        while not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.let_go.wait()
        yield Final(text="too late")


@pytest.fixture
async def presenter(tmp_path: Path) -> AsyncIterator[Presenter]:
    clock, meter = SystemClock(), PrometheusMeter()
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=meter)
    await journal.open()
    outgoing = Outgoing(Redactor(), clock, meter)
    egress = Egress(Outbox(journal, clock), clock, meter, AlwaysUsable(), outgoing)
    asked = InboundMessage(
        event_id="E1",
        logical_id="L1",
        conversation=PLACE,
        message_id="m1",
        author=Author(id="ann"),
        text="hello",
        sent_at=0.0,
    )
    yield Presenter(FakeChannel(FakePlatform()), egress, clock, "t1", asked, resumed=False)
    await journal.aclose()


def run_of(agent: Agent, presenter: Presenter, *, limit: float, ending: float = 30.0) -> AgentRun:
    turn = Turn(id="t1", conversation=PLACE, author=Author(id="ann"), text="hello", history=[])
    return AgentRun(agent, turn, presenter, SystemClock(), limit=limit, stall=60.0, ending=ending)


async def test_the_limit_reaches_an_agent_that_never_waits(presenter: Presenter) -> None:
    async with asyncio.timeout(30):
        outcome = await run_of(Breathless(), presenter, limit=0.05).outcome()
    assert outcome.kind == "failed"
    assert "gave up" in outcome.text


async def test_so_does_a_stop(presenter: Presenter) -> None:
    run = run_of(Breathless(), presenter, limit=60.0)
    asyncio.get_running_loop().call_later(0.02, run.stop)
    async with asyncio.timeout(30):
        assert (await run.outcome()).kind == "stopped"


async def test_an_agent_that_does_not_end_keeps_no_turn(presenter: Presenter) -> None:
    agent = Deaf()
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(30):
            outcome = await run_of(agent, presenter, limit=0.05, ending=0.05).outcome()
    assert outcome.kind == "failed"
    assert [line["event"] for line in logs] == ["agent_does_not_end"]
    agent.let_go.set()


async def test_a_turn_that_is_cut_off_while_its_agent_ends_is_cut_off(presenter: Presenter) -> None:
    agent = Deaf()
    run = run_of(agent, presenter, limit=60.0)
    task = asyncio.create_task(run.outcome())
    run.stop()
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(30):
        await asyncio.wait((task,))
    assert task.cancelled()
    agent.let_go.set()


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("plain", "plain"),
        ("\U0001f600", "\U0001f600"),
        ("\ud83d\ude00", "\U0001f600"),
        ("half \ud83d.", "half \ufffd."),
    ],
)
def test_half_a_character_is_no_reason_for_silence(said: str, heard: str) -> None:
    outgoing = Outgoing(Redactor(), SystemClock(), PrometheusMeter())
    assert sound(said) == heard
    assert TurnOutcome(kind="final", text=said).masked(outgoing, "t1").text == heard
