"""The fake channel keeps every promise; channels that break one are caught, so the suite itself is proven too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from phantom.capabilities import Capability
from phantom.channel import Envelope, Inbox
from phantom.events import InboundEvent
from phantom.messages import (
    ConversationKind,
    ConversationRef,
    MessageRef,
    OutboundMessage,
    Outcome,
    Receipt,
    TurnStatus,
)
from phantom.testing.conformance import Bench, ChannelConformance, Shown, run_conformance
from phantom.testing.fake_channel import FakeChannel, FakePlatform


class FakeBench:
    """The fake channel and its platform."""

    person = "ann"

    def __init__(self, kind: type[FakeChannel] = FakeChannel) -> None:
        self.platform = FakePlatform()
        self.channel = kind(self.platform)
        self.conversation = self._place("room", "m000000")
        self.nowhere = self._place("nowhere", None)

    def _place(self, place: str, thread: str | None) -> ConversationRef:
        return ConversationRef(channel="fake", tenant="t1", place=place, thread=thread, kind=ConversationKind.PUBLIC)

    async def say(self, text: str) -> str:
        return self.platform.say(f"<@bot> {text}").id

    async def acked(self) -> bool:
        await asyncio.sleep(0)
        return all(post.id in self.platform.acked for post in self.platform.posts if post.author != "bot")

    async def shown(self) -> Sequence[Shown]:
        return [
            Shown(
                id=post.id, text=post.text, thread=post.thread, pings=post.pings, buttons=post.buttons, files=post.files
            )
            for post in self.platform.by_bot()
        ]

    async def marks(self, message_id: str) -> Sequence[str]:
        post = self.platform.find(message_id)
        return [] if post is None else list(post.marks)

    def refuse_credentials(self) -> None:
        self.platform.token_works = False

    def lose_next_answer(self) -> None:
        self.platform.lose_answers += 1


def maker(kind: type[FakeChannel]) -> Callable[[], AbstractAsyncContextManager[Bench]]:
    @asynccontextmanager
    async def make() -> AsyncIterator[Bench]:
        yield FakeBench(kind)

    return make


class TestFakeChannel(ChannelConformance):
    def make(self) -> AbstractAsyncContextManager[Bench]:
        return maker(FakeChannel)()


class Overclaiming(FakeChannel):
    """Promises what it does not have."""

    capabilities = FakeChannel.capabilities | Capability.TYPING


class Underclaiming(FakeChannel):
    """Has what it does not promise."""

    capabilities = FakeChannel.capabilities & ~Capability.EDIT


class ReadyTooEarly(FakeChannel):
    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        ready.set()
        await super().run(inbox, ready)

    def health(self):  # type: ignore[no-untyped-def]
        return type(super().health())(state="ready")


class Leaking(FakeChannel):
    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        self.forgotten = asyncio.create_task(asyncio.sleep(60))
        await super().run(inbox, ready)


class Raising(FakeChannel):
    def normalise(self, envelope: Envelope) -> Sequence[InboundEvent]:
        envelope.body.decode()
        return super().normalise(envelope)


class Lying(FakeChannel):
    async def send(self, message: OutboundMessage) -> Receipt:
        return Receipt(outcome=Outcome.SENT, message_ids=("m1",))


class Pinging(FakeChannel):
    async def send(self, message: OutboundMessage) -> Receipt:
        receipt = await super().send(message)
        self._platform.posts[-1].text = message.text
        return receipt


class Piling(FakeChannel):
    async def show_status(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        post = self._platform.find(target.message_id)
        if post is not None and status is not None:
            post.marks.append(status.value)


class Forgetful(FakeChannel):
    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        return None


class Cutting(FakeChannel):
    async def send(self, message: OutboundMessage) -> Receipt:
        receipt = await super().send(message)
        self._platform.posts[-1].text = self._platform.posts[-1].text[:1000]
        return receipt


class AckingAnything(FakeChannel):
    def _hand_over(self, inbox: Inbox, post) -> None:  # type: ignore[no-untyped-def]
        super()._hand_over(inbox, post)
        self._platform.acked.add(post.id)


@pytest.mark.parametrize(
    "kind",
    [
        Overclaiming,
        Underclaiming,
        ReadyTooEarly,
        Leaking,
        Raising,
        Lying,
        Pinging,
        Piling,
        Forgetful,
        Cutting,
        AckingAnything,
    ],
)
async def test_a_broken_promise_is_caught(kind: type[FakeChannel], tmp_path: Path) -> None:
    with pytest.raises((AssertionError, ValueError)):
        await run_conformance(maker(kind), tmp_path)


async def test_the_suite_runs_without_pytest(tmp_path: Path) -> None:
    names = await run_conformance(maker(FakeChannel), tmp_path)
    assert len(names) >= 17
