"""The public agent for tests does what its script says and tells what happened to it."""

from __future__ import annotations

import asyncio

import pytest

from phantom.agent import Agent, AgentEvent, ApprovalNeeded, Failed, Final, TextDelta, Turn
from phantom.messages import Author, ConversationKind, ConversationRef
from phantom.testing.scripted_agent import Raise, ScriptedAgent, Wait, streamed


def turn(text: str = "hi", turn_id: str = "t1") -> Turn:
    ref = ConversationRef(channel="x", tenant="T", place="D", thread=None, kind=ConversationKind.DIRECT)
    return Turn(id=turn_id, conversation=ref, author=Author(id="U1"), text=text)


async def events(agent: Agent, made: Turn | None = None) -> list[AgentEvent]:
    return [event async for event in agent.reply(made or turn())]


async def test_the_script_is_played_in_order_then_the_function_answers() -> None:
    agent = ScriptedAgent("one", Failed(message="two"), by=lambda t: f"you said {t.text}")
    assert isinstance(agent, Agent)
    assert await events(agent) == [Final(text="one")]
    assert await events(agent) == [Failed(message="two")]
    assert await events(agent, turn("three")) == [Final(text="you said three")]
    assert agent.texts == ["hi", "hi", "three"]
    assert await events(ScriptedAgent()) == [Final(text="ok")]


async def test_it_streams_and_closes_a_list_without_an_end() -> None:
    got = await events(ScriptedAgent(streamed("hello world", 4)))
    assert "".join(e.text for e in got if isinstance(e, TextDelta)) == "hello world"
    assert got[-1] == Final(text="hello world")
    assert (await events(ScriptedAgent([TextDelta(text="a"), TextDelta(text="b")])))[-1] == Final(text="ab")


async def test_it_asks_for_approval_and_takes_the_next_answer() -> None:
    agent = ScriptedAgent(ApprovalNeeded(approval_id="a", prompt="May I?"), "done")
    assert isinstance((await events(agent))[-1], ApprovalNeeded)
    assert await events(agent) == [Final(text="done")]


async def test_it_blocks_until_it_may_go_on() -> None:
    go, started = asyncio.Event(), asyncio.Event()
    agent = ScriptedAgent([Wait(go, started), Final(text="now")])
    task = asyncio.create_task(events(agent))
    await agent.asked(1)
    await started.wait()
    assert not task.done()
    go.set()
    assert await task == [Final(text="now")]
    assert agent.finished == ["t1"]
    assert agent.cancelled == []


async def test_it_tells_when_it_was_cut_off() -> None:
    agent = ScriptedAgent([Wait(asyncio.Event())])
    task = asyncio.create_task(events(agent))
    await agent.asked(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.cancelled == ["t1"]


async def test_it_breaks_like_buggy_code_and_waiting_is_bounded() -> None:
    with pytest.raises(ZeroDivisionError):
        await events(ScriptedAgent(Raise(ZeroDivisionError("bug"))))
    with pytest.raises(TimeoutError):
        await ScriptedAgent().asked(1, timeout=0.01)
