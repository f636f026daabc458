"""People who keep writing on Discord while the daemon is killed, and what became of their questions.

The gateway wants no acknowledgement: what is written is written, whether the daemon lives or not, and must be answered.
A command is different: whom Discord tells "the application did not respond" has no answer coming, though one may.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from phantom.testing.fake_discord import FakeDiscord, FakeInteraction, FakeMessage
from phantom.testing.fake_discord.changes import CallMade
from phantom.testing.fake_discord.model import FakeChannel, FakeUser
from tests.scenario.sigkill_kit import AHEAD, ANSWER, AtWork, Moment, Tally, at_the_start, in_full_work

PAUSES = (0.0, 0.0, 0.05, 0.3, 1.5)
TELLING = (
    "create_message",
    "update_message",
    "list_messages",
    "create_interaction_response",
    "update_original_webhook_message",
    "delete_message",
)
"""Calls after which a kill hurts: between what Discord did and the daemon's note of it."""


CHANGING = ("create_message", "update_message", "update_original_webhook_message")


def said(message: FakeMessage) -> str:
    """Everything that a message shows."""
    return "\n".join([message.content, *(str(one.get("description")) for one in message.embeds)])


def numbers(message: FakeMessage) -> list[int]:
    """The questions that a message answers."""
    return [int(number) for number in ANSWER.findall(said(message))]


def after_a_call(fake: FakeDiscord) -> Moment:
    """The instant after Discord has done something that it was asked, when the daemon may not know of it yet."""

    async def moment(instants: random.Random, at_work: AtWork) -> None:
        await at_work()
        await asyncio.sleep(instants.uniform(0.0, 1.0))
        route = instants.choice(TELLING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0), fake.subscribe() as changes:
                async for change in changes:
                    if isinstance(change, CallMade) and change.call.route == route and change.call.applied:
                        return

    return moment


def unanswered_call(fake: FakeDiscord) -> Moment:
    """Something was posted, edited or answered, and Discord's word on it is lost for good."""

    async def moment(instants: random.Random, at_work: AtWork) -> None:
        await at_work()
        await asyncio.sleep(instants.uniform(0.0, 1.0))
        fake.faults.clear()
        fake.faults.drop_after(instants.choice(CHANGING))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0), fake.subscribe() as changes:
                async for change in changes:
                    if isinstance(change, CallMade) and change.call.lost:
                        return

    return moment


def moments(fake: FakeDiscord) -> list[Moment]:
    """Half of the kills anywhere, half where they hurt."""
    return [in_full_work, after_a_call(fake), at_the_start, unanswered_call(fake)]


@dataclass
class Talk:
    """One conversation: direct messages, a thread, or a chain of replies that begins with `root` in a channel."""

    user: FakeUser
    place: FakeChannel
    chain: bool = False
    asked: dict[int, FakeMessage] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.user.name} in {self.place.name or 'dm'}"


class DiscordLoad:
    """Talks over the gateway; each person has at most `AHEAD` questions unanswered."""

    name = "discord"

    def __init__(self, fake: FakeDiscord, *, dms: int = 6, threads: int = 4, chains: int = 3) -> None:
        self.fake = fake
        self._sizes = (threads, chains)
        self.talks = [Talk(user, fake.dm(user)) for user in (fake.add_user(f"d{n}") for n in range(dms))]
        self._next = 10_000
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Write until `stop`."""
        threads, chains = self._sizes
        for n in range(threads):
            place = self.fake.add_channel(f"parent{n}")
            self.talks.append(Talk(self.fake.owner, await self.fake.create_thread(self.fake.owner, place, f"t{n}")))
        for n in range(chains):
            # All chains in one channel, so that their answers stand between each other.
            self.talks.append(Talk(self.fake.add_user(f"chain{n}"), self.fake.general, chain=True))
        async with asyncio.TaskGroup() as group:
            for talk in self.talks:
                group.create_task(self._write(talk))

    async def met(self) -> None:
        """Discord lists a bot's direct messages nowhere: a person has to have written to it once."""
        await self.fake.wait_for(
            lambda: len(self.talks) > sum(self._sizes) and all(self.answers(talk) for talk in self.talks), timeout=30
        )

    async def stop(self) -> None:
        """Write no more."""
        self._stop.set()

    async def settled(self, within: float) -> None:
        """Wait until every question has an answer and nothing of ours is under way."""
        with contextlib.suppress(TimeoutError):
            await self.fake.wait_for(lambda: not (self.tally().lost or self.tally().stray), timeout=within)

    def tally(self) -> Tally:
        """What became of the questions up to now."""
        tally = Tally(name=self.name)
        for talk in self.talks:
            found = self.messages(talk)
            tally.add(talk.name, list(talk.asked), self.answers(talk))
            tally.stray += [f"{talk.name}: {said(one)!r}" for one in found if not numbers(one)]
        for call in self.fake.violations:
            tally.stray.append(f"violation: {call}")
        return tally

    def messages(self, talk: Talk) -> list[FakeMessage]:
        """What the bot shows in this conversation, oldest first."""
        found = [one for one in self.fake.messages(talk.place) if one.author is self.fake.bot]
        if talk.chain:
            mine = {one.id for one in talk.asked.values()}
            found = [one for one in found if one.replied_to is not None and one.replied_to.id in mine]
        return found

    def answers(self, talk: Talk) -> list[int]:
        """The numbers that the bot answered with in this conversation, in the order of its messages."""
        return [number for message in self.messages(talk) for number in numbers(message)]

    async def _write(self, talk: Talk) -> None:
        random_ = random.Random(talk.name)
        while not self._stop.is_set():
            self._next += 1
            number = self._next
            # A chain is carried on by a reply to any answer of its own.
            there = [one for one in self.messages(talk) if numbers(one)] if talk.chain else []
            on = random_.choice(there) if there else None
            mention = "" if talk.place.is_dm or on else f"{self.fake.mention} "
            talk.asked[number] = await self.fake.post(
                talk.user, talk.place, f"{mention}question {number}", reply_to=on, ping_author=random_.random() < 0.5
            )
            first = talk.chain and on is None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), random_.choice(PAUSES))
            await self._until(lambda ahead=1 if first else AHEAD: self._unanswered(talk) < ahead)  # type: ignore[misc]

    def _unanswered(self, talk: Talk) -> int:
        answered = set(self.answers(talk))
        return sum(number not in answered for number in talk.asked)

    async def _until(self, holds: Callable[[], bool]) -> None:
        await self.fake.wait_for(lambda: self._stop.is_set() or holds(), timeout=600)


@dataclass
class Asker:
    """A person who uses `/phantom ask`. `unheard`: Discord has said that nobody responded."""

    user: FakeUser
    asked: dict[int, FakeInteraction] = field(default_factory=dict)
    unheard: dict[int, FakeInteraction] = field(default_factory=dict)


class CommandLoad:
    """People who use `/phantom ask` in a channel, over whichever way interactions are sent."""

    name = "discord commands"

    def __init__(self, fake: FakeDiscord, *, people: int = 3) -> None:
        self.fake = fake
        self.askers = [Asker(fake.add_user(f"asker{n}")) for n in range(people)]
        self.replayed = 0
        self._next = 20_000
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Ask until `stop`."""
        await self.fake.wait_for(self.fake.commands, timeout=30)
        async with asyncio.TaskGroup() as group:
            for asker in self.askers:
                group.create_task(self._ask(asker))

    async def met(self) -> None:
        """The commands are registered once and for all."""
        await self.fake.wait_for(lambda: all(asker.asked for asker in self.askers), timeout=30)

    async def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    async def settled(self, within: float) -> None:
        """Wait until every question that Discord took has an answer."""
        with contextlib.suppress(TimeoutError):
            await self.fake.wait_for(lambda: not self.tally().lost, timeout=within)

    def tally(self) -> Tally:
        """What became of the questions up to now."""
        tally = Tally(name=self.name)
        for asker in self.askers:
            tally.add(asker.user.name, list(asker.asked), self.answers(asker), maybe=list(asker.unheard))
            direct = [one for one in self.fake.messages(self.fake.dm(asker.user)) if one.author is self.fake.bot]
            tally.stray += [f"{asker.user.name}: {said(one)!r}" for one in direct if not numbers(one)]
        return tally

    def answers(self, asker: Asker) -> list[int]:
        """What the person was answered, by when it could be seen: over the interaction, or as a direct message."""
        shown: list[tuple[float, int]] = []
        for interaction in (*asker.asked.values(), *asker.unheard.values()):
            first = [interaction.original] if interaction.original is not None else []
            for message in (*first, *interaction.followups):
                shown += [(message.edited_at or message.sent_at, number) for number in numbers(message)]
        for message in self.fake.messages(self.fake.dm(asker.user)):
            shown += [(message.sent_at, number) for number in numbers(message)]
        return [number for _, number in sorted(shown)]

    async def _ask(self, asker: Asker) -> None:
        random_ = random.Random(asker.user.name)
        while not self._stop.is_set():
            self._next += 1
            number = self._next
            asked = await self.fake.command(
                asker.user, self.fake.general, "phantom", "ask", {"question": f"question {number}"}
            )
            await asked.settled.wait()
            (asker.asked if asked.acknowledged else asker.unheard)[number] = asked
            if asked.over_http and random_.random() < 0.4:
                await self._replay(asked)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.1 + random_.choice(PAUSES))
            await self.fake.wait_for(lambda: self._stop.is_set() or self._unanswered(asker) < AHEAD, timeout=600)

    async def _replay(self, asked: FakeInteraction) -> None:
        """Somebody on the way sends the same signed post again."""
        posted = next(one for one in reversed(self.fake.sender.posted) if f'"{asked.id}"'.encode() in one.body)
        again = await self.fake.sender.replay(posted)
        self.replayed += again.status == 200

    def _unanswered(self, asker: Asker) -> int:
        answered = set(self.answers(asker))
        return sum(number not in answered for number in asker.asked)
