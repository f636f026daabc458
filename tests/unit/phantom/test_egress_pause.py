"""Rate limits that are over already or say nonsense: still a pause, so that no delivery keeps the loop busy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from phantom.egress import Egress
from phantom.errors import PhantomError, RateLimited
from phantom.journal import Journal
from phantom.messages import ConversationKind, ConversationRef, MessageRef, OutboundMessage, Receipt
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.redaction import Redactor
from phantom.storage.outbox import Outbox
from phantom.testing.fake_channel import FakeChannel, FakePlatform
from phantom.testing.manual_clock import ManualClock

THERE = ConversationRef(channel="fake", tenant="t1", place="room", thread="m1", kind=ConversationKind.PUBLIC)


class Limited(FakeChannel):
    """Says so without asking anybody: a limiter of its own, whose time may be over when it tells."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(FakePlatform())
        self.retry_after = retry_after
        self.asked = 0

    async def edit(self, target: MessageRef, message: OutboundMessage) -> Receipt:
        self.asked += 1
        raise RateLimited("too fast", retry_after=self.retry_after)


class AlwaysUsable:
    async def usable(self, channel: str) -> None:
        return None

    def refused(self, channel: str, error: PhantomError) -> None:
        raise AssertionError("nothing is refused here")


@pytest.mark.parametrize("retry_after", [-5.0, -0.3, 0.0, 1e-9, float("nan")])
async def test_there_is_always_a_pause(tmp_path: Path, retry_after: float) -> None:
    clock, meter, channel = ManualClock(), PrometheusMeter(), Limited(retry_after)
    journal = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=meter)
    await journal.open()
    outgoing = Outgoing(Redactor(), clock, meter)
    egress = Egress(Outbox(journal, clock), clock, meter, AlwaysUsable(), outgoing)
    message = OutboundMessage(conversation=THERE, text="hello", idempotency_key="t1/answer/0")
    editing = asyncio.create_task(
        egress.edit(channel, MessageRef(conversation=THERE, message_id="m2"), message, patient=True)
    )
    for number in range(1, 4):
        await clock.wait_for_sleepers(1, timeout=5)
        assert channel.asked == number
        before = clock.monotonic()
        while channel.asked == number:
            await clock.run_for(0.01)
        assert clock.monotonic() - before >= 0.04
    editing.cancel()
    await asyncio.wait((editing,))
    await journal.aclose()
