"""The built-in agent: useful in the first minute, honest about what it is, deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.agent import (
    AgentEvent,
    ApprovalNeeded,
    Failed,
    Final,
    HistoryEntry,
    TextDelta,
    ToolFinished,
    ToolStarted,
    Turn,
)
from phantom.agents.offline import MAX_SLOW_SECONDS, OfflineAgent, pieces
from phantom.messages import Author, ConversationKind, ConversationRef, LocalFile

NOON = 1_735_732_800.0  # 2025-01-01 12:00:00 UTC
CONVERSATION = ConversationRef(channel="slack", tenant="T1", place="D1", thread=None, kind=ConversationKind.DIRECT)


def turn(text: str, *, history: Sequence[HistoryEntry] = (), **more: Any) -> Turn:
    return Turn(
        id="slack:T1:E1",
        conversation=CONVERSATION,
        author=Author(id="U1", display_name="Ada"),
        text=text,
        history=history,
        **more,
    )


def said(*lines: str) -> list[HistoryEntry]:
    return [HistoryEntry(role="user", text=line, author_id="U1") for line in lines]


class Slept:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def events(text: str, sleep: Slept | None = None, **more: Any) -> list[AgentEvent]:
    agent = OfflineAgent(phantom_name="Casper", now=lambda: NOON, sleep=sleep or Slept())
    return [event async for event in agent.reply(turn(text, **more))]


async def answer(text: str, **more: Any) -> str:
    last = (await events(text, **more))[-1]
    assert isinstance(last, Final)
    return last.text


@pytest.mark.parametrize("text", ["hi", "Hello!", "hey there", "<@UBOT> hello", "@casper: hi", ""])
async def test_a_greeting_is_answered_by_name_with_what_to_try_next(text: str) -> None:
    reply = await answer(text)
    assert reply.startswith("Hello, Ada! I am Casper")
    assert "offline" in reply
    assert "not a language model" in reply
    assert "`help`" in reply
    assert len(reply) < 700


@pytest.mark.parametrize("text", ["help", "Help!", "?", "what can you do?"])
async def test_help_names_every_word_and_how_to_plug_in_a_model(text: str) -> None:
    reply = await answer(text)
    for word in ("echo", "time", "remember", "status", "slow", "approve", "long", "fail", "PHANTOM_MODEL"):
        assert word in reply


async def test_it_never_pretends_to_understand() -> None:
    reply = await answer("write me a poem about the sea")
    assert "cannot answer that" in reply
    assert "PHANTOM_MODEL" in reply


async def test_it_streams_pieces_that_add_up_to_the_final_text() -> None:
    got = await events("help")
    assert len(got) > 5
    assert "".join(e.text for e in got if isinstance(e, TextDelta)) == got[-1].text  # type: ignore[union-attr]
    assert isinstance(got[-1], Final)


@given(st.text(max_size=400), st.integers(min_value=1, max_value=60))
def test_pieces_lose_nothing(text: str, size: int) -> None:
    assert "".join(pieces(text, size)) == text


async def test_echo_says_it_back_exactly() -> None:
    assert await answer("echo  two  spaces and `code`") == "two  spaces and `code`"
    assert "nothing after it" in await answer("echo")


async def test_time_is_a_tool_call_and_comes_from_the_clock() -> None:
    got = await events("what time is it?")
    assert [type(e) for e in got[:2]] == [ToolStarted, ToolFinished]
    assert got[-1] == Final(text="It is 12:00:00 UTC on Wednesday, 1 January 2025.")


@pytest.mark.parametrize(
    ("text", "result"),
    [("2*21", "**42**"), ("what is 2 + 2?", "**4**"), ("calc (1+2)^3", "**27**"), ("7 / 2 =", "**3.5**")],
)
async def test_arithmetic_is_a_tool_call(text: str, result: str) -> None:
    got = await events(text)
    assert isinstance(got[0], ToolStarted)
    assert got[0].tool == "calculator"
    assert isinstance(got[-1], Final)
    assert result in got[-1].text


async def test_a_calculation_without_an_answer_is_a_failed_tool_call() -> None:
    got = await events("1 / 0")
    assert isinstance(got[1], ToolFinished)
    assert not got[1].ok
    assert await answer("1 / 0") == "I could not calculate that: dividing by zero has no answer."


async def test_it_remembers_within_the_conversation() -> None:
    history = said("my name is Ada Lovelace", "remember my cat is called Mia", "remember that I live in Bern")
    assert await answer("what is my name?", history=history) == "Your name is Ada Lovelace."
    assert await answer("What is my cat called?", history=history) == "You told me that your cat is called Mia."
    assert await answer("where do I live?", history=history) == "You told me that you live in Bern."
    everything = await answer("what do you remember?", history=history)
    assert everything.count("\n- ") == 3
    assert await answer("what is my name?") == "You have not told me your name yet. Try `my name is Ada`."


async def test_it_forgets_when_asked() -> None:
    history = said("remember my cat is called Mia", "remember the door code is 1234")
    assert "door code" in await answer("forget the door code", history=history)
    later = [*history, *said("forget the door code")]
    assert "Mia" in await answer("what do you remember?", history=later)
    assert "1234" not in await answer("what do you remember?", history=later)
    nothing = await answer("what do you remember?", history=[*history, *said("forget everything")])
    assert nothing.startswith("Nothing yet")


async def test_names_are_each_writers_own() -> None:
    history = [
        HistoryEntry(role="user", text="my name is Ada", author_id="U1"),
        HistoryEntry(role="user", text="call me Grace", author_id="U2"),
        HistoryEntry(role="assistant", text="my name is Phantom", author_id="UBOT"),
    ]
    assert await answer("what is my name?", history=history) == "Your name is Ada."


@pytest.mark.parametrize("text", ["remember me?", "call me later", "can you forget things?"])
async def test_talk_about_memory_is_not_memory(text: str) -> None:
    assert (await answer("what do you remember?", history=said(text))).startswith("Nothing yet")


async def test_status_tells_what_it_sees() -> None:
    reply = await answer("status", history=said("hi", "remember x is y"), attempt=2)
    assert "earlier messages I can see in this conversation: 2" in reply
    assert "remember: 1" in reply
    assert "attempt 2" in reply


async def test_attachments_are_counted_and_described() -> None:
    files = [
        LocalFile(name="notes.txt", media_type="text/plain", path="/x/notes.txt", size=12),
        LocalFile(name="cat.png", media_type="image/png", path="/x/cat.png", size=2048),
    ]
    reply = await answer("look at these", attachments=files)
    assert "2 files" in reply
    assert "`notes.txt`: text/plain, 12 bytes" in reply
    assert "`cat.png`: image/png, 2.0 KiB" in reply
    assert "one file" in await answer("echo this", attachments=files[:1])


async def test_slow_shows_each_second_and_is_bounded() -> None:
    slept = Slept()
    got = await events("slow 3", sleep=slept)
    assert slept.seconds == [1, 1, 1]
    assert sum(isinstance(e, ToolStarted) for e in got) == 3
    slept = Slept()
    await events("slow 9999", sleep=slept)
    assert len(slept.seconds) == MAX_SLOW_SECONDS


async def test_long_has_a_fence_a_table_and_more_than_one_message() -> None:
    reply = await answer("long")
    assert len(reply) > 4500
    assert "```python" in reply
    assert "| --- |" in reply
    assert reply.count("```") % 2 == 0


@pytest.mark.parametrize("text", ["long time no see", "slow down please", "status of my cat", "fail better"])
async def test_words_inside_a_sentence_are_not_commands(text: str) -> None:
    got = await events(text)
    assert isinstance(got[-1], Final)
    assert "cannot answer that" in got[-1].text


async def test_fail_fails() -> None:
    got = await events("fail")
    assert isinstance(got[-1], Failed)


async def test_approve_asks_and_then_obeys() -> None:
    (asked,) = await events("approve launch the rocket")
    assert isinstance(asked, ApprovalNeeded)
    assert "launch the rocket" in asked.prompt
    assert "You said yes" in await answer("approve x", approvals={asked.approval_id: True})
    assert "You said no" in await answer("approve x", approvals={asked.approval_id: False})


@given(st.text(max_size=300))
async def test_any_text_gets_exactly_one_end(text: str) -> None:
    got = await events(text)
    ends = [e for e in got if isinstance(e, Final | Failed | ApprovalNeeded)]
    assert len(ends) == 1
    assert got[-1] is ends[0]
