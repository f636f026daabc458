"""How a turn looks, with the fake channel: progress that becomes the answer, marks, parts, unsendable files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from phantom.egress import Egress
from phantom.journal import Journal
from phantom.messages import (
    Author,
    ConversationKind,
    ConversationRef,
    InboundMessage,
    LocalFile,
    Outcome,
    Tone,
    TurnStatus,
)
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.presenter import Presenter, QueuedMarks
from phantom.redaction import Redactor
from phantom.storage.outbox import Outbox
from phantom.testing.fake_channel import FakeChannel, FakePlatform, FakePost
from phantom.testing.manual_clock import ManualClock


class AlwaysUsable:
    async def usable(self, channel: str) -> None:
        return None

    def refused(self, channel: str, error: Exception) -> None:
        raise AssertionError("nothing is refused here")


@dataclass
class Stand:
    platform: FakePlatform
    channel: FakeChannel
    clock: ManualClock
    egress: Egress
    journal: Journal
    asked: FakePost
    message: InboundMessage

    def presenter(self, *, resumed: bool = False, shown: TurnStatus | None = None) -> Presenter:
        return Presenter(self.channel, self.egress, self.clock, "t1", self.message, resumed=resumed, shown=shown)

    async def until(self, holds: Callable[[], object]) -> None:
        """Move the clock on by small steps, and never past a thread of the journal's that is slow: what a turn shows
        depends on how long it has lasted.
        """
        async with asyncio.timeout(30):
            while not holds():
                await self.clock.run_for(0.05)
                await self.journal.read(lambda _: None)
                await self.journal.write(lambda _: None)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await journal.open()
    platform, clock = FakePlatform(), ManualClock()
    asked = platform.say("<@bot> hello")
    message = InboundMessage(
        event_id="E1",
        logical_id="L1",
        conversation=ConversationRef(
            channel="fake", tenant="t1", place="room", thread=asked.id, kind=ConversationKind.PUBLIC
        ),
        message_id=asked.id,
        author=Author(id="ann"),
        text="hello",
        sent_at=0.0,
    )
    egress = Egress(
        Outbox(journal, clock), clock, PrometheusMeter(), AlwaysUsable(), Outgoing(Redactor(), clock, PrometheusMeter())
    )
    yield Stand(platform, FakeChannel(platform), clock, egress, journal, asked, message)
    await journal.aclose()


async def test_a_quick_turn_is_one_message_and_one_mark(stand: Stand) -> None:
    shows = stand.presenter()
    await shows.start()
    receipt = await shows.finish("the answer", Tone.ANSWER)
    assert receipt.outcome is Outcome.SENT
    assert [post.text for post in stand.platform.by_bot()] == ["the answer"]
    assert stand.asked.marks == ["done"]


async def test_a_long_turn_shows_its_draft_which_becomes_the_answer(stand: Stand) -> None:
    shows = stand.presenter(shown=TurnStatus.QUEUED)
    await stand.channel.show_status(_ref(stand), TurnStatus.QUEUED, None)
    await shows.start()
    shows.text("so far ")
    await stand.until(stand.platform.by_bot)
    await stand.until(lambda: stand.asked.marks == ["thinking"])
    (progress,) = stand.platform.by_bot()
    assert progress.text.startswith("so far")
    shows.status(TurnStatus.TOOL, "Counting…")
    await stand.until(lambda: "Counting" in progress.text)
    await shows.finish("the answer", Tone.ERROR)
    assert [(post.id, post.text) for post in stand.platform.by_bot()] == [(progress.id, "the answer")]
    assert stand.asked.marks == ["error"]


async def test_a_resumed_turn_takes_up_its_progress_message(stand: Stand) -> None:
    first = stand.presenter()
    await first.start()
    await stand.until(stand.platform.by_bot)
    await first.abandon()
    stand.asked.marks.append("thinking")
    second = stand.presenter(resumed=True)
    await second.start()
    for _ in range(2):
        await second.finish("the answer", Tone.ANSWER)
    assert [post.text for post in stand.platform.by_bot()] == ["the answer"]
    assert stand.asked.marks == ["done"]


async def test_a_turn_that_was_answered_before_a_crash_shows_nothing_more(stand: Stand) -> None:
    first = stand.presenter()
    await first.start()
    await stand.until(stand.platform.by_bot)
    await first.finish("the answer", Tone.ANSWER)
    again = stand.presenter(resumed=True)
    await again.start()
    again.status(TurnStatus.TOOL, "Counting…")
    await stand.clock.run_for(10.0)
    assert [post.text for post in stand.platform.by_bot()] == ["the answer"]
    await again.finish("the answer", Tone.ANSWER)
    assert [post.text for post in stand.platform.by_bot()] == ["the answer"]
    assert stand.asked.marks == ["done"]


async def test_a_long_answer_is_several_messages_and_one_receipt(stand: Stand) -> None:
    shows = stand.presenter()
    await shows.start()
    text = "\n\n".join(f"paragraph {number} " + "word " * 100 for number in range(20))
    receipt = await shows.finish(text, Tone.ANSWER)
    posts = stand.platform.by_bot()
    assert len(posts) > 1
    assert receipt.message_ids == tuple(post.id for post in posts)
    assert all(len(post.text) <= stand.channel.limits.max_chars for post in posts)


async def test_words_are_not_lost_with_a_file(stand: Stand) -> None:
    gone = LocalFile(name="gone.txt", media_type="text/plain", path="/nonexistent/gone.txt", size=1)
    shows = stand.presenter()
    await shows.start()
    receipt = await shows.finish("the answer", Tone.ANSWER, files=[gone])
    assert receipt.outcome is Outcome.PARTIAL
    (post,) = stand.platform.by_bot()
    assert post.text.startswith("the answer")
    assert "gone.txt" in post.text


async def test_queued_marks_are_replaced_or_taken_away(stand: Stand) -> None:
    marks = QueuedMarks()
    marks.put(stand.channel, stand.message)
    assert await marks.take(stand.channel, stand.message) is TurnStatus.QUEUED
    assert stand.asked.marks == ["queued"]
    assert await marks.take(stand.channel, stand.message) is None
    stand.asked.marks.append("thinking")
    marks.suspect(stand.message)
    assert await marks.take(stand.channel, stand.message) is None
    assert stand.asked.marks == []
    marks.put(stand.channel, stand.message)
    await marks.lift(stand.channel, stand.message)
    assert stand.asked.marks == []
    marks.suspect(stand.message)
    marks.forget(stand.message)
    stand.asked.marks.append("somebody else's")
    await marks.lift(stand.channel, stand.message)
    assert stand.asked.marks == ["somebody else's"]
    marks.put(stand.channel, replace(stand.message, message_id=""))
    assert await marks.take(stand.channel, replace(stand.message, message_id="")) is None


def _ref(stand: Stand):  # type: ignore[no-untyped-def]
    from phantom.presenter import message_ref

    return message_ref(stand.message)
