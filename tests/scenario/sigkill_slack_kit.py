"""People who keep writing on Slack while the daemon is killed, and what became of their questions.

Each conversation has several messages under way: a person writes the next one as soon as the last was acked, not when
it was answered. So the order of admission is the order of writing, and answers must come in that order.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.changes import MessageChanged
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import FakeChannel, FakeUser
from tests.scenario.sigkill_kit import AHEAD, ANSWER, Tally


@dataclass
class Talk:
    """One conversation: a DM, or one thread of a channel. `asked` are the numbers in the order they were acked."""

    user: FakeUser
    place: FakeChannel
    root: FakeMessage | None = None
    asked: list[int] = field(default_factory=list)


class SlackLoad:
    """People who keep writing, whatever becomes of the daemon; each has at most `AHEAD` questions unanswered."""

    name = "slack"

    def __init__(self, slack: FakeSlack, *, dms: int = 10, channels: int = 4, threads: int = 3) -> None:
        self.slack = slack
        self.talks = [Talk(user, slack.dm(user)) for user in (slack.add_user(f"u{n}") for n in range(dms))]
        for n in range(channels):
            place = slack.add_channel(f"c{n}", members=[slack.owner])
            self.talks += [Talk(slack.owner, place) for _ in range(threads)]
        self._next = 0
        self._stop = asyncio.Event()
        self._answered: set[int] = set()
        self._more = asyncio.Condition()

    async def run(self) -> None:
        """Write until `stop`, then return once everything written is acked."""
        watch = asyncio.create_task(self._watch())
        async with asyncio.TaskGroup() as group:
            for talk in self.talks:
                group.create_task(self._write(talk))
        watch.cancel()

    async def met(self) -> None:
        """Slack delivers again whatever was not acked, also to a daemon that never heard of the person."""

    async def stop(self) -> None:
        """Write no more."""
        self._stop.set()
        async with self._more:
            self._more.notify_all()

    async def settled(self, within: float) -> None:
        """Wait until every question has an answer; what is missing is told by `tally`."""
        with contextlib.suppress(TimeoutError):
            await self.slack.wait_for(lambda: not self.tally().lost, timeout=within)

    def tally(self) -> Tally:
        """What became of the questions up to now."""
        tally = Tally(name=self.name)
        for talk in self.talks:
            tally.add(talk.place.name, talk.asked, self._answers(talk))
        return tally

    async def _watch(self) -> None:
        async with self.slack.subscribe() as changes:
            async for change in changes:
                if isinstance(change, MessageChanged) and change.message.user == self.slack.bot.id:
                    found = {int(number) for number in ANSWER.findall(change.message.shown)}
                    if not found <= self._answered:
                        async with self._more:
                            self._answered |= found
                            self._more.notify_all()

    def _may_write(self, talk: Talk) -> bool:
        return self._stop.is_set() or sum(number not in self._answered for number in talk.asked) < AHEAD

    async def _write(self, talk: Talk) -> None:
        random_ = random.Random(id(talk))
        while not self._stop.is_set():
            self._next += 1
            number = self._next
            before = len(self.slack.delivered)
            mention = "" if talk.place.kind == "im" else f"{self.slack.mention} "
            message = await self.slack.post(
                talk.user,
                talk.place,
                f"{mention}question {number}",
                thread_ts=talk.root.ts if talk.root else None,
            )
            if talk.root is None and talk.place.kind != "im":
                talk.root = message
            sent = [one for one in self.slack.delivered.all[before:] if f"question {number}" in str(one.payload)]
            assert sent
            talk.asked.append(number)
            await asyncio.gather(*(one.settled.wait() for one in sent))
            assert all(one.acked for one in sent)
            pause = random_.choice((0.0, 0.0, 0.05, 0.3, 1.5))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
            async with self._more:
                await self._more.wait_for(lambda: self._may_write(talk))

    def _answers(self, talk: Talk) -> list[int]:
        """The numbers that the bot answered with in this conversation, in the order of its messages."""
        place = self.slack.channel(talk.place)
        found: list[tuple[str, int]] = []
        for message in place.messages.values():
            in_talk = talk.root is None or message.thread_ts == talk.root.ts
            if message.user == self.slack.bot.id and in_talk and not message.deleted:
                found += [(message.ts, int(number)) for number in ANSWER.findall(message.shown)]
        return [number for _, number in sorted(found)]
