"""Where an edit notifies nobody, a long turn ends with a message of its own; and the typing line while it runs."""

from __future__ import annotations

import pytest

from phantom import presenter, typing_line
from phantom.capabilities import Capability
from phantom.messages import ConversationRef, Tone
from phantom.testing.fake_channel import FakeChannel
from tests.unit.phantom import test_presenter_steps as steps

open_stand = steps.stand


class SilentChannel(FakeChannel):
    """A fake channel on a platform that says nothing of edits, and that shows a typing line."""

    capabilities = FakeChannel.capabilities | Capability.SILENT_EDIT | Capability.TYPING
    lines: list[bool]

    async def typing(self, conversation: ConversationRef, active: bool) -> None:
        self.lines.append(active)


@pytest.fixture
def stand(open_stand: steps.Stand) -> steps.Stand:
    channel = SilentChannel(open_stand.platform)
    channel.lines = []
    open_stand.channel = channel
    return open_stand


async def test_a_short_turn_ends_with_an_edit(stand: steps.Stand) -> None:
    shows = stand.presenter()
    await shows.start()
    await stand.until(stand.platform.by_bot)
    (progress,) = stand.platform.by_bot()
    await shows.finish("the answer", Tone.ANSWER)
    assert [(post.id, post.text) for post in stand.platform.by_bot()] == [(progress.id, "the answer")]


async def test_a_long_turn_ends_with_a_fresh_message_and_without_its_progress(stand: steps.Stand) -> None:
    shows = stand.presenter()
    await shows.start()
    await stand.until(stand.platform.by_bot)
    (progress,) = stand.platform.by_bot()
    await stand.clock.run_for(presenter.NOTIFY_AFTER + 1)
    await shows.finish("the answer", Tone.ANSWER)
    (answer,) = stand.platform.by_bot()
    assert answer.text == "the answer"
    assert answer.id != progress.id


async def test_a_resumed_turn_does_not_remove_what_had_become_the_answer(stand: steps.Stand) -> None:
    first = stand.presenter()
    await first.start()
    await stand.until(stand.platform.by_bot)
    await first.finish("the answer", Tone.ANSWER)
    second = stand.presenter(resumed=True)
    await second.start()
    await second.finish("the answer", Tone.ANSWER)
    assert [post.text for post in stand.platform.by_bot()] == ["the answer"]


async def test_the_typing_line_is_renewed_and_cleared(stand: steps.Stand) -> None:
    channel = stand.channel
    assert isinstance(channel, SilentChannel)
    shows = stand.presenter()
    await shows.start()
    assert channel.lines == []
    await stand.clock.run_for(typing_line.SETTLE + 0.1)
    assert channel.lines == [True]
    await stand.clock.run_for(typing_line.RENEW + 0.1)
    assert channel.lines == [True, True]
    await shows.finish("the answer", Tone.ANSWER)
    assert channel.lines == [True, True, False]


async def test_a_quick_turn_shows_no_typing_line(stand: steps.Stand) -> None:
    channel = stand.channel
    assert isinstance(channel, SilentChannel)
    shows = stand.presenter()
    await shows.start()
    await shows.finish("the answer", Tone.ANSWER)
    assert channel.lines == []
