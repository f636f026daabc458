"""The kill test itself, for either transport: load, SIGKILL at random instants, restart, and the count at the end.

Each conversation has several messages under way: a person writes the next one as soon as the last was acked, not when
it was answered. So the order of admission is the order of writing, and answers must come in that order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import GATEWAY_SECRET, DaemonProcess, gateway_env, socket_env
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.changes import MessageChanged
from phantom.testing.fake_slack.deliveries import RetrySchedule
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import FakeChannel, FakeUser

HERE = Path(__file__).parent
ANSWER = re.compile(r"answer (\d+)\.")
AHEAD = 4


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
    """People who keep writing, whatever becomes of the daemon; each has at most `AHEAD` questions unanswered."""

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

    async def stop(self) -> None:
        """Write no more."""
        self._stop.set()
        async with self._more:
            self._more.notify_all()

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
        await asyncio.sleep(instants.choice((0.05, 0.5, 1.0, 1.2)) + instants.uniform(0.0, 1.4))
        assert daemon.alive, daemon.output[-4000:]
        await daemon.kill()
        await daemon.start(ready=False)
    await load.stop()
    await daemon.until_ready()
    await asyncio.wait_for(writing, 60)
    total = sum(len(talk.asked) for talk in load.talks)

    def all_answered() -> bool:
        return all(len(set(answers(slack, talk))) >= len(talk.asked) for talk in load.talks)

    with contextlib.suppress(TimeoutError):  # what is missing is told below, by number
        await slack.wait_for(all_answered, timeout=60)
    await daemon.until(lambda health: health["journal"]["backlog"] == 0, within=30)
    assert daemon.starts == count + 1
    for talk in load.talks:
        assert answers(slack, talk) == talk.asked, f"{talk.place.name} of {total} questions: {daemon.output[-6000:]}"
    assert "Traceback" not in daemon.output, daemon.output[-8000:]
    print(f"{count} kills, {total} questions over {slack.transport}, each answered once and in order")


async def survive_socket(folder: Path, count: int, *, seed: int = 1) -> None:
    """The test over Socket Mode."""
    async with FakeSlack() as slack:
        slack.sockets.schedule = RetrySchedule((0.05,), forever=True)
        daemon = _daemon(socket_env(slack), folder)
        try:
            await survive(slack, daemon, count, seed=seed)
        finally:
            await daemon.aclose()


async def survive_http(folder: Path, count: int, *, seed: int = 2) -> None:
    """The test over signed posts."""
    async with FakeSlack(transport="http") as slack, FakeMetadata() as metadata:
        daemon = _daemon(gateway_env(slack, metadata), folder)
        schedule = RetrySchedule((0.05,), forever=True)
        slack.deliver_over_http(daemon.url, profile="gateway", secret=GATEWAY_SECRET, schedule=schedule)
        try:
            await survive(slack, daemon, count, seed=seed)
        finally:
            await daemon.aclose()


def _daemon(env: dict[str, str], folder: Path) -> DaemonProcess:
    return DaemonProcess(
        env=env | {"PHANTOM_AGENT": "counting_agent:make"}, data_dir=folder / "data", python_path=[HERE]
    )
