"""The kill test itself, for either transport: load, SIGKILL at random instants, restart, and the count at the end.

Each conversation has several messages under way: a person writes the next one as soon as the last was acked, not when
it was answered. So the order of admission is the order of writing, and answers must come in that order.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import FakeChannel, FakeUser

HERE = Path(__file__).parent
ANSWER = re.compile(r"answer (\d+)\.")


def kills(normally: int) -> int:
    """How many kills: `PHANTOM_KILLS`, or what fits into the normal suite."""
    return int(os.environ.get("PHANTOM_KILLS", "0")) or normally


@dataclass
class Talk:
    """One conversation: a DM, or one thread of a channel. `asked` are the numbers in the order they were acked."""

    user: FakeUser
    place: FakeChannel
    root: FakeMessage | None = None
    asked: list[int] = field(default_factory=list)


class Load:
    """People who keep writing, whatever becomes of the daemon."""

    def __init__(self, slack: FakeSlack, *, dms: int = 4, threads: int = 6) -> None:
        self.slack = slack
        self.talks = [Talk(user, slack.dm(user)) for user in (slack.add_user(f"u{n}") for n in range(dms))]
        self.talks += [Talk(slack.owner, slack.general) for _ in range(threads)]
        self._next = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Write until `stop`, then return once everything written is acked."""
        async with asyncio.TaskGroup() as group:
            for talk in self.talks:
                group.create_task(self._write(talk))

    def stop(self) -> None:
        """Write no more."""
        self._stop.set()

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
            with_pause = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait((with_pause,), timeout=pause)
            with_pause.cancel()


def answers(slack: FakeSlack, talk: Talk) -> list[int]:
    """The numbers that the bot answered with in this conversation, in the order of its messages."""
    place = slack.channel(talk.place)
    found: list[tuple[str, int]] = []
    for message in place.messages.values():
        in_talk = talk.root is None or message.thread_ts == talk.root.ts
        if message.user == slack.bot.id and in_talk and not message.deleted:
            found += [(message.ts, int(number)) for number in ANSWER.findall(message.shown)]
    return [number for _, number in sorted(found)]


async def survive(slack: FakeSlack, daemon: DaemonProcess, count: int, *, seed: int) -> None:
    """Kill `count` times under load, then prove that every question was answered once, in order."""
    instants = random.Random(seed)
    load = Load(slack)
    writing = asyncio.create_task(load.run())
    await daemon.start()
    for _ in range(count):
        # From before it listens, over recovery, to the middle of full work.
        await asyncio.sleep(instants.choice((0.05, 0.3, 0.6, 0.9)) + instants.uniform(0.0, 1.6))
        assert daemon.alive, daemon.output[-4000:]
        await daemon.kill()
        await daemon.start(ready=False)
    load.stop()
    await daemon.until_ready()
    await asyncio.wait_for(writing, 60)
    total = sum(len(talk.asked) for talk in load.talks)

    def all_answered() -> bool:
        return all(len(set(answers(slack, talk))) >= len(talk.asked) for talk in load.talks)

    try:
        await slack.wait_for(all_answered, timeout=60)
    except TimeoutError:
        pass  # told below, by number
    await daemon.until(lambda health: health["journal"]["backlog"] == 0, within=30)
    assert daemon.starts == count + 1
    for talk in load.talks:
        assert answers(slack, talk) == talk.asked, f"{talk.place.name} of {total} questions: {daemon.output[-6000:]}"
    assert "Traceback" not in daemon.output, daemon.output[-8000:]
