"""What keeps a crash, or Discord in trouble, from losing what was said meanwhile: how far we had seen, which direct
messages there are, which chain a reply goes on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from phantom.channel import Admission, Envelope
from phantom.messages import ConversationKind, ConversationRef, InboundMessage, OutboundMessage
from phantom.testing.conformance_bench import ConformanceInbox
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.manual_clock import ManualClock
from tests.scenario.discord_kit import Wire, running, wired


def texts(wire: Wire) -> list[str]:
    return [event.text for event in wire.events() if isinstance(event, InboundMessage)]


async def test_history_that_cannot_be_read_at_first_is_read_later_and_in_order(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} before")
            await wire.until_said("before")
        await fake.post(fake.owner, fake.general, f"{fake.mention} missed")
        fake.faults.reply("list_messages", 502, times=4)
        async with wired(tmp_path, fake) as later, running(later, later.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} now")
            await later.until_said("now")
            assert [text for text in texts(later) if text != "before"] == ["missed", "now"]


async def test_what_could_not_be_read_is_not_forgotten_by_what_could(tmp_path: Path) -> None:
    """Elsewhere life goes on for long, then the process ends: how far we had seen is still before what is missing."""
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake:
        elsewhere = fake.add_channel("elsewhere")
        async with wired(tmp_path, fake, clock=clock) as wire, running(wire, wire.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} before")
            await wire.until_said("before")
        clock.advance(60)
        await fake.post(fake.owner, fake.general, f"{fake.mention} missed")
        fake.faults.reply("list_messages", 502, times=100_000)
        async with wired(tmp_path, fake, clock=clock) as wire, running(wire, wire.inbox):
            clock.advance(60)
            await fake.post(fake.owner, elsewhere, f"{fake.mention} elsewhere")
            await wire.until_said("elsewhere")
            await clock.run_for(60)
        fake.faults.clear()
        clock.advance(60)
        async with wired(tmp_path, fake, clock=clock) as wire, running(wire, wire.inbox):
            await wire.until_said("missed")


async def test_a_token_that_is_refused_while_history_is_read_ends_the_run(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} before")
            await wire.until_said("before")
        await fake.post(fake.owner, fake.general, f"{fake.mention} missed")
        fake.faults.fail("list_messages", status=401)
        async with wired(tmp_path, fake) as wire:
            run = asyncio.create_task(wire.channel.run(wire.inbox, asyncio.Event()))
            await asyncio.wait((run,), timeout=30)
            assert type(run.exception()).__name__ == "AuthError"
            assert "missed" not in texts(wire)
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await wire.until_said("missed")


@dataclass
class WatchfulInbox(ConformanceInbox):
    """Looks at something whenever an event is offered."""

    look: Callable[[Envelope], None] = lambda envelope: None

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        self.look(envelope)
        super().submit(envelope, done)


async def test_direct_messages_are_found_again_whoever_began_them(tmp_path: Path) -> None:
    """They are listed nowhere: ours is the only note of them, so it is on disk before anything else is."""
    noted: list[bool] = []
    book = tmp_path / "discord" / "directs.jsonl"
    async with FakeDiscord() as fake:
        inbox = WatchfulInbox(look=lambda envelope: noted.append(theirs.id in book.read_text()))
        theirs, bob = fake.dm(fake.owner), fake.add_user("bob")
        async with wired(tmp_path, fake) as wire, running(wire, inbox):
            for word in ("one", "two"):
                await fake.post(fake.owner, theirs, word)
            await inbox.until(lambda: len(inbox.envelopes) == 2)
            assert all(noted), "whenever an event is offered, be it once more"
            where = ConversationRef(
                channel="discord", tenant=wire.tenant, place=fake.general.id, thread=None, kind=ConversationKind.PUBLIC
            )
            await wire.channel.send(
                OutboundMessage(conversation=where, text="psst", idempotency_key="k/answer/0", only_for=bob.id)
            )
            await wire.until(lambda: fake.dm(bob).id in book.read_text())
        await fake.post(bob, fake.dm(bob), "yes?")
        await fake.post(fake.owner, theirs, "three")
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await wire.until_said("yes?")
            await wire.until_said("three")


async def test_a_reply_goes_on_with_its_chain_although_our_answer_was_not_noted(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            root = await fake.post(fake.owner, fake.general, f"{fake.mention} one")
            chain = (await wire.until_said("one")).conversation
            assert chain.thread == f"re-{root.id}"
            first = wire.message(await wire.channel.send(wire.answer(root, "first")))
            asked = await fake.post(fake.owner, fake.general, "two", reply_to=first)
            assert (await wire.until_said("two")).conversation == chain
            answer = OutboundMessage(
                conversation=chain, text="second", idempotency_key="t2/answer/0", reply_to=asked.id
            )
            second = wire.message(await wire.channel.send(answer))
        memo = tmp_path / "discord" / "memo.jsonl"
        lines = [line for line in memo.read_bytes().splitlines() if line]
        kept = [line for line in lines if orjson.loads(line)[0] != f"root:{second.id}"]
        assert len(kept) == len(lines) - 1
        memo.write_bytes(b"\n".join(kept) + b"\n")
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await fake.post(fake.owner, fake.general, "three", reply_to=second)
            assert (await wire.until_said("three")).conversation == chain
