"""Delivery with a real journal and the fake channel: once for ever, in order, truthful, patient where that helps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from phantom.capabilities import Capability
from phantom.egress import PACED, PROGRESS_BURST, Egress
from phantom.errors import (
    AuthError,
    ConnectError,
    DeliveryUnknown,
    Forbidden,
    MetadataError,
    PhantomError,
    RateLimited,
    SecretError,
)
from phantom.journal import Journal
from phantom.messages import ConversationKind, ConversationRef, MessageRef, OutboundMessage, Outcome, Receipt
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.redaction import Redactor
from phantom.secrets import held
from phantom.storage.outbox import Outbox
from phantom.testing.fake_channel import FakeChannel, FakePlatform
from phantom.testing.manual_clock import ManualClock


class Troubled(FakeChannel):
    """Raises what it is told, before or after the message was put up."""

    def __init__(self, platform: FakePlatform) -> None:
        super().__init__(platform)
        self.before: list[PhantomError] = []
        self.after: list[PhantomError] = []

    async def send(self, message: OutboundMessage) -> Receipt:
        if self.before:
            raise self.before.pop(0)
        receipt = await super().send(message)
        if self.after:
            raise self.after.pop(0)
        return receipt


class Blind(Troubled):
    """Cannot look for what it sent."""

    capabilities = FakeChannel.capabilities & ~Capability.LOOKUP


class Secretive(Troubled):
    """Finds what everybody sees, and keeps no record of what only one person does."""

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        if message.only_for is not None:
            raise DeliveryUnknown("no record")
        return await super().find(message, since)


@dataclass
class OpenGate:
    refusals: list[PhantomError] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def usable(self, channel: str) -> None:
        await self.open.wait()

    def refused(self, channel: str, error: PhantomError) -> None:
        self.refusals.append(error)


@dataclass
class Stand:
    journal: Journal
    clock: ManualClock
    platform: FakePlatform
    gate: OpenGate

    def egress(self) -> Egress:
        outbox = Outbox(self.journal, self.clock)
        redactor = Redactor(lambda: [held("its_name", "s3cret-value-0001")])
        outgoing = Outgoing(redactor, self.clock, PrometheusMeter())
        return Egress(outbox, self.clock, PrometheusMeter(), self.gate, outgoing)

    def texts(self) -> list[str]:
        return [post.text for post in self.platform.by_bot()]


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await journal.open()
    gate = OpenGate()
    gate.open.set()
    yield Stand(journal, ManualClock(), FakePlatform(), gate)
    await journal.aclose()


def message(text: str = "hello", key: str = "t1/answer/0", place: str = "room") -> OutboundMessage:
    there = ConversationRef(channel="fake", tenant="t1", place=place, thread="m1", kind=ConversationKind.PUBLIC)
    return OutboundMessage(conversation=there, text=text, idempotency_key=key)


async def test_one_key_is_one_message_even_over_a_restart(stand: Stand) -> None:
    channel = Troubled(stand.platform)
    receipts = [await stand.egress().deliver(channel, message()) for _ in range(3)]
    assert stand.texts() == ["hello"]
    assert {receipt.message_ids for receipt in receipts} == {receipts[0].message_ids}


async def test_secrets_are_masked(stand: Stand) -> None:
    channel = Troubled(stand.platform)
    receipt = await stand.egress().deliver(channel, message("the s3cret-value-0001"))
    assert stand.texts() == ["the ***"]
    edited = replace(message("again s3cret-value-0001"), idempotency_key="k2")
    post = stand.platform.find(receipt.message_ids[0])
    assert post is not None
    target = MessageRef(conversation=message().conversation, message_id=post.id)
    assert (await stand.egress().edit(channel, target, edited, patient=False)).outcome is Outcome.SENT
    assert post.text == "again ***"


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("slow down", retry_after=7.0),
        ConnectError("away"),
        AuthError("refused", hint="renew"),
        SecretError("gone"),
        MetadataError("away"),
        DeliveryUnknown("lost before"),
    ],
)
async def test_what_surely_did_not_arrive_is_sent_again(stand: Stand, error: PhantomError) -> None:
    channel = Troubled(stand.platform)
    channel.before.append(error)
    started = stand.clock.monotonic()
    receipt = await stand.clock.run(stand.egress().deliver(channel, message()))
    assert receipt.outcome is Outcome.SENT
    assert stand.texts() == ["hello"]
    assert stand.clock.monotonic() - started >= (error.retry_after or 0)
    expected = [error] if isinstance(error, AuthError | SecretError | MetadataError) else []
    assert stand.gate.refusals == expected


async def test_what_may_have_arrived_is_looked_for(stand: Stand) -> None:
    channel = Troubled(stand.platform)
    channel.after.append(DeliveryUnknown("lost after"))
    receipt = await stand.clock.run(stand.egress().deliver(channel, message()))
    assert (receipt.outcome, stand.texts()) == (Outcome.SENT, ["hello"])
    assert receipt.message_ids == (stand.platform.by_bot()[0].id,)


async def test_what_cannot_be_looked_for_is_never_sent_blindly_again(stand: Stand) -> None:
    blind = Blind(stand.platform)
    blind.after.append(DeliveryUnknown("lost after"))
    assert (await stand.egress().deliver(blind, message())).outcome is Outcome.UNKNOWN
    private = replace(message(key="k2"), only_for="ann")
    channel = Secretive(stand.platform)
    channel.after.append(DeliveryUnknown("lost after"))
    assert (await stand.egress().deliver(channel, private)).outcome is Outcome.UNKNOWN
    assert stand.texts() == ["hello", "hello"]


async def test_a_send_that_a_crash_cut_off_is_looked_for_first(stand: Stand) -> None:
    outbox = Outbox(stand.journal, stand.clock)
    arrived, never = message("arrived", "k1"), message("never", "k2")
    for one in (arrived, never):
        assert await outbox.begin(one.idempotency_key, one.conversation.place_key) is None
    channel = Troubled(stand.platform)
    await channel.send(arrived)
    egress = stand.egress()
    assert (await egress.known(channel, arrived)) is not None
    assert (await egress.known(channel, never)) is None
    assert (await egress.deliver(channel, arrived)).outcome is Outcome.SENT
    assert (await egress.deliver(channel, never)).outcome is Outcome.SENT
    assert stand.texts() == ["arrived", "never"]
    assert await egress.known(channel, message("x", "k3")) is None
    blind = Blind(stand.platform)
    await outbox.begin("k4", "place")
    assert (await egress.deliver(blind, message("cut off", "k4"))).outcome is Outcome.UNKNOWN


async def test_a_refusal_is_final_and_remembered(stand: Stand) -> None:
    channel = Troubled(stand.platform)
    channel.before.append(Forbidden("no", code="missing_scope"))
    for _ in range(2):
        receipt = await stand.egress().deliver(channel, message())
        assert (receipt.outcome, receipt.detail) == (Outcome.FAILED, "missing_scope")
    assert stand.texts() == []


async def test_order_is_kept_in_a_place_and_places_do_not_wait_for_each_other(stand: Stand) -> None:
    channel = Troubled(stand.platform)
    channel.before.append(RateLimited("slow", retry_after=30.0))
    egress = stand.egress()
    slow = [asyncio.create_task(egress.deliver(channel, message(f"{n}", f"k{n}"))) for n in range(3)]
    await stand.clock.wait_for_sleepers()
    await egress.deliver(channel, message("elsewhere", "k9", place="dm"))
    assert stand.texts() == []
    await stand.clock.run_for(31.0)
    async with asyncio.timeout(30):
        await asyncio.gather(*slow)
    assert stand.texts() == ["0", "1", "2"]


async def test_nothing_is_sent_before_the_gate_opens(stand: Stand) -> None:
    stand.gate.open.clear()
    sending = asyncio.create_task(stand.egress().deliver(Troubled(stand.platform), message()))
    await asyncio.sleep(0.05)
    assert stand.texts() == []
    stand.gate.open.set()
    assert (await asyncio.wait_for(sending, 30)).outcome is Outcome.SENT


async def test_progress_edits_have_a_budget_that_answers_do_not_share(stand: Stand) -> None:
    """Turns that show their progress side by side must not use up what their answers need."""
    egress, channel = stand.egress(), FakeChannel(stand.platform)
    sent = await egress.deliver(channel, message())
    target = MessageRef(conversation=message().conversation, message_id=sent.message_ids[0])
    receipts = [await egress.edit(channel, target, message(text=f"step {n}"), patient=False) for n in range(6)]
    assert [one.detail for one in receipts] == [""] * PROGRESS_BURST + [PACED] * (6 - PROGRESS_BURST)
    assert (await egress.edit(channel, target, message(text="done"), patient=True)).outcome is Outcome.SENT
