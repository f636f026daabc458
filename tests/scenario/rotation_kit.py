"""People and programs that keep asking while secrets rotate, and forgers beside them; what became of each question.

Whoever asks waits for the answer before the next question, so the load paces itself and never pauses for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from phantom.bridge.client import BridgeApp, Timing
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeChannel, FakeDiscord
from phantom.testing.fake_model import Asked, Say
from phantom.testing.fake_slack import FakeSlack, sign_direct, sign_gateway_v1
from phantom.testing.fake_slack.model import FakeUser

QUICK = Timing(first_delay=0.05, longest_delay=0.3, action=15.0)
ANSWER = re.compile(r"(?:answer|heard: question) (\w+)\.")
"""An answer of the model's, or of the obedient agent's."""
_QUESTION = re.compile(r"question (\w+)\.")
_WITHIN = 60.0
Ask = Callable[[str], Coroutine[None, None, None]]
"""Asks the question of that number, and returns when it was answered."""


def say_answer(asked: Asked) -> Say:
    """What the model says: the number of the last question."""
    return Say(text=f"the answer {_QUESTION.findall(asked.text)[-1]}.")


@dataclass(kw_only=True)
class Signer:
    """What the sender signs with now, and what it signed with before."""

    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    retired: list[str] = field(default_factory=list)

    def renew(self, secret: str) -> None:
        self.retired.append(self.secret)
        self.secret = secret

    @property
    def forged(self) -> list[str]:
        """Secrets that must not be accepted: one that never was one, and every one older than the last two. In the
        second after a rotation the receiver may still know the two that it knew before (`SECRETS_FOR`).
        """
        return ["f" * 64, *self.retired[:-2]]


@dataclass(kw_only=True)
class Load:
    """Everybody who asks. `done` counts what was answered by asker; `refused` lists every surprise."""

    daemon: DaemonProcess
    done: Counter[str] = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)
    slowest: float = 0.0
    forged: int = 0
    answers: int = 0
    _stop: bool = False
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    def keep(self, name: str, ask: Ask, *, counts: bool = True) -> None:
        """Call `ask` with a fresh name again and again until the end. Without `counts` it is no question, and keeps to
        the pace of those who ask: once for each answer that anybody gets.
        """

        async def run() -> None:
            while not self._stop:
                if not counts:
                    await self._next_answer()
                number = f"{name}{self.done[name]}"
                if counts:
                    self.asked.append(number)
                began = time.monotonic()
                await ask(number)
                async with self._more:
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    self.done[name] += 1
                    self.answers += counts
                    self._more.notify_all()

        self._tasks[name] = asyncio.create_task(run())

    async def further(self, count: int = 2) -> None:
        """Wait until everybody got `count` more answers."""
        wanted = {name: self.done[name] + count for name in self._tasks}

        def reached() -> bool:
            for task in self._tasks.values():
                if task.done():
                    task.result()
            return all(self.done[name] >= number for name, number in wanted.items())

        try:
            async with asyncio.timeout(count * _WITHIN), self._more:
                while not reached():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._more.wait(), 0.5)
        except TimeoutError:
            raise TimeoutError(f"{self.done} of {wanted}\n{self._told()}") from None

    def _told(self) -> str:
        """The last that the daemon said, without what it says about each request."""
        return "\n".join(line for line in self.daemon.lines if '"httpx2"' not in line)[-6000:]

    async def _next_answer(self) -> None:
        seen = self.answers
        async with self._more:
            await self._more.wait_for(lambda: self._stop or self.answers > seen)

    async def end(self) -> None:
        """Let everybody have their last answer, and wait until the daemon has nothing left to do."""
        async with self._more:
            self._stop = True
            self._more.notify_all()
        async with asyncio.timeout(_WITHIN):
            await asyncio.gather(*self._tasks.values())
        await self.daemon.until(lambda health: health["journal"]["backlog"] == 0 and not health["turns"]["running"])

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()


@asynccontextmanager
async def load(daemon: DaemonProcess) -> AsyncIterator[Load]:
    """A load that must end in order: one process from first to last."""
    found = Load(daemon=daemon)
    pid = daemon.pid
    try:
        yield found
        await found.end()
        assert daemon.alive
        assert (daemon.pid, daemon.starts) == (pid, 1), "the process was restarted"
    finally:
        found.close()


def ask_on_slack(slack: FakeSlack, user: FakeUser) -> Ask:
    """The user asks in their direct conversation."""

    async def ask(number: str) -> None:
        question = await slack.post(user, slack.dm(user), f"question {number}.")
        await slack.wait_for(
            lambda: any(number in ANSWER.findall(one.shown) for one in slack.replies(question)), timeout=_WITHIN
        )

    return ask


def ask_on_discord(fake: FakeDiscord) -> Ask:
    """The owner asks in the general channel."""

    async def ask(number: str) -> None:
        question = await fake.post(fake.owner, fake.general, f"{fake.mention} question {number}.")
        await fake.wait_for(
            lambda: any(number in ANSWER.findall(one.content) for one in fake.replies(question)), timeout=_WITHIN
        )

    return ask


def forge(found: Load, slack: FakeSlack, signer: Signer, profile: str) -> Ask:
    """Posts that look right in every respect but the secret. Each must be refused."""

    async def post(number: str) -> None:
        which = found.forged % len(signer.forged)
        secret = signer.forged[which]
        body = f'{{"type":"event_callback","team_id":"{slack.team.id}","event_id":"Ev{number}"}}'.encode()
        headers = {"Content-Type": "application/json"}
        now = time.time()
        if profile == "direct":
            headers["X-Slack-Request-Timestamp"] = str(int(now))
            headers["X-Slack-Signature"] = sign_direct(secret, int(now), body)
        else:
            headers["X-Phantom-Forwarded-At"] = str(int(now * 1000))
            headers["X-Phantom-Slack-Event-Id"] = f"Ev{number}"
            headers["X-Phantom-Signature"] = sign_gateway_v1(secret, int(now * 1000), f"Ev{number}", body)
        status, _ = await slack.sender.post_raw("/slack/events", body, headers)
        assert status == 401, f"forged secret {which} of {len(signer.forged)} was answered {status}"
        found.forged += 1

    return post


@dataclass(kw_only=True)
class Program:
    """A bridge app that keeps posting through whichever connection is the present one."""

    url: str
    place: FakeChannel
    stack: AsyncExitStack
    app: BridgeApp | None = None
    posted: list[str] = field(default_factory=list)

    async def move(self, secret: str) -> BridgeApp | None:
        """Connect with `secret`, then use that; returns the connection before, which still works."""
        fresh = BridgeApp(self.url, secret, timing=QUICK)
        await self.stack.enter_async_context(fresh)
        await fresh.ready(timeout=30)
        before, self.app = self.app, fresh
        return before

    async def act(self, number: str) -> None:
        assert self.app is not None
        self.posted.append(f"posted {number}")
        await self.app.actions.send_message(
            channel_id=self.place.id, content=f"posted {number}", idempotency_key=number, timeout=60
        )


def slack_answers(slack: FakeSlack, users: list[FakeUser]) -> Counter[str]:
    """How often each number was answered."""
    shown = [one.shown for user in users for one in slack.messages(slack.dm(user)) if one.user == slack.bot.id]
    return Counter(number for text in shown for number in ANSWER.findall(text))


def refused(slack: FakeSlack, *, excused: str = "") -> list[list[str]]:
    """What became of each legitimate delivery that was not acknowledged at the first attempt, attempt by attempt. One
    attempt that ended `excused` before the good one is left out.
    """
    found = [[attempt.outcome for attempt in one.attempts] for one in slack.delivered.all]
    return [outcomes for outcomes in found if outcomes not in (["acked"], [excused, "acked"])]


def figures(found: Load) -> dict[str, float]:
    """What to show: answered by asker, forged attempts that were refused, the slowest answer in seconds."""
    told = {**found.done, "forged": found.forged, "slowest": round(found.slowest, 2)}
    sys.stdout.write(json.dumps(told) + "\n")
    return told
