"""What the agent remembers of a conversation, on a real file: earlier lines, fresh starts, who spoke, suggestions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phantom.journal import Journal
from phantom.messages import Author, ConversationKind, ConversationRef
from phantom.metrics import PrometheusMeter
from phantom.sessions import HISTORY_LINES, Sessions

ANN, BOB = Author(id="ann"), Author(id="bob")


def place(thread: str | None = "1", name: str = "C1") -> ConversationRef:
    return ConversationRef(channel="fake", tenant="T1", place=name, thread=thread, kind=ConversationKind.PUBLIC)


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await journal.open()
    yield Sessions(journal)
    await journal.aclose()


async def test_a_turn_sees_what_came_before_it_and_is_recorded_once(sessions: Sessions) -> None:
    for number in range(2):
        session, before = await sessions.begin_turn(place(), f"t{number}", ANN, f"question {number}", number)
        again, same = await sessions.begin_turn(place(), f"t{number}", ANN, f"question {number}", number)
        assert (session, before) == (again, same)
        for _ in range(2):
            await sessions.end_turn(session, f"t{number}", f"answer {number}", number)
    _, lines = await sessions.begin_turn(place(), "t2", ANN, "question 2", 2)
    assert [(line.role, line.text) for line in lines] == [
        ("user", "question 0"),
        ("assistant", "answer 0"),
        ("user", "question 1"),
        ("assistant", "answer 1"),
    ]
    _, elsewhere = await sessions.begin_turn(place("2"), "t3", ANN, "hello", 3)
    assert elsewhere == []


async def test_only_the_latest_lines_are_given(sessions: Sessions) -> None:
    for number in range(HISTORY_LINES + 5):
        _, lines = await sessions.begin_turn(place(), f"t{number}", ANN, f"q{number}", number)
    assert len(lines) == HISTORY_LINES
    assert lines[-1].text == f"q{HISTORY_LINES + 3}"


async def test_a_fresh_start_forgets_what_its_author_took_part_in(sessions: Sessions) -> None:
    await sessions.begin_turn(place(), "t1", ANN, "mine", 1)
    await sessions.begin_turn(place("2"), "t2", BOB, "his", 1)
    assert await sessions.renew(place(None), "ann") == 1
    assert (await sessions.begin_turn(place(), "t3", ANN, "again", 2))[1] == []
    assert len((await sessions.begin_turn(place("2"), "t4", BOB, "again", 2))[1]) == 1
    assert await sessions.renew(place(None, "C9"), "ann") == 0


async def test_engagement_counts_turns_that_wait(sessions: Sessions) -> None:
    key = place().key
    assert await sessions.engagement(key, "ann") == (False, False)
    sessions.addressed(key, "ann")
    assert await sessions.engagement(key, "ann") == (True, True)
    assert await sessions.engagement(key, "bob") == (True, False)
    await sessions.begin_turn(place(), "t1", ANN, "hello", 1)
    assert await sessions.engagement(key, "ann") == (True, True)
    assert await sessions.engagement(key, "bob") == (True, False)
    assert sessions.known(key)


async def test_known_conversations_survive_a_restart(sessions: Sessions) -> None:
    await sessions.begin_turn(place(), "t1", ANN, "hello", 1)
    other = Sessions(sessions._journal)
    assert not other.known(place().key)
    await other.load()
    assert other.known(place().key)


@pytest.mark.parametrize("typed", ["", "50%", "a_b", "\\", "HELLO"])
async def test_suggestions_take_what_was_typed_literally(sessions: Sessions, typed: str) -> None:
    texts = ["hello world", "50% off", "a_b", "axb", "back\\slash"]
    for number, text in enumerate(texts):
        await sessions.begin_turn(place(str(number)), f"t{number}", ANN, text, number)
    await sessions.begin_turn(place("9"), "t9", BOB, "hello from bob", 9)
    found = [row.label for row in await sessions.recent("fake", "T1", "ann", typed)]
    assert found == [text for text in reversed(texts) if typed.lower() in text.lower()]
