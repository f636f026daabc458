"""What a conformance check stands on: the bench around a channel, an inbox that keeps or refuses, odd envelopes.

What does *not* live here: the promises themselves (`conformance.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from phantom.channel import Admission, Channel, Envelope, Suggestion
from phantom.messages import ConversationRef

READY_WITHIN = 30.0
"""Seconds until a channel must be ready."""
LEFT_WITHIN = 5.0
"""Seconds until what a channel began must have ended after its `run` was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One message of the channel's as the platform shows it. `pings` is whom it notifies."""

    id: str
    text: str
    thread: str | None = None
    pings: Sequence[str] = ()
    buttons: Sequence[str] = ()
    files: Sequence[str] = ()


class Bench(Protocol):
    """The channel under test and the other side of its wire."""

    @property
    def channel(self) -> Channel:
        """The channel; it does not run until a check runs it."""
        ...

    @property
    def conversation(self) -> ConversationRef:
        """Where the channel may post; in a thread when it promises THREADS."""
        ...

    @property
    def nowhere(self) -> ConversationRef:
        """An address that does not exist."""
        ...

    @property
    def person(self) -> str:
        """The id of somebody who can be mentioned."""
        ...

    async def say(self, text: str) -> str:
        """A person writes to the bot where `conversation` is; returns the id of their message."""
        ...

    async def acked(self) -> bool:
        """Whether the platform got an acknowledgement of everything said, once it is settled (or known not to come)."""
        ...

    async def shown(self) -> Sequence[Shown]:
        """The channel's messages in `conversation`, oldest first."""
        ...

    async def marks(self, message_id: str) -> Sequence[str]:
        """The marks of the channel's on a person's message."""
        ...

    def refuse_credentials(self) -> None:
        """From now on the platform refuses the channel's credentials."""
        ...

    def lose_next_answer(self) -> None:
        """The next message arrives at the platform, but its answer does not arrive at the channel."""
        ...


@dataclass
class ConformanceInbox:
    """An `Inbox` that keeps what it is given, or refuses to."""

    stores: bool = True
    envelopes: list[Envelope] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    offered: int = 0

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        self.offered += 1
        again = any(known[:3] == envelope[:3] for known in self.envelopes)
        if self.stores and not again:
            self.envelopes.append(envelope)
        self.changed.set()
        done(Admission(stored=self.stores, duplicate=self.stores and again))

    async def admit(self, envelope: Envelope) -> Admission:
        answered: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self.submit(envelope, answered.set_result)
        return await answered

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        return ()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what was offered. Raises `TimeoutError`."""
        async with asyncio.timeout(READY_WITHIN):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def running(
    bench: Bench, inbox: ConformanceInbox | None = None
) -> AsyncIterator[tuple[ConformanceInbox, asyncio.Event]]:
    """The bench's channel, ready; cancelled at the end, as the supervisor does it."""
    inbox = inbox or ConformanceInbox()
    ready = asyncio.Event()
    work = asyncio.create_task(bench.channel.run(inbox, ready), name="channel under test")
    waiting = asyncio.create_task(ready.wait(), name="waiting for ready")
    try:
        await asyncio.wait((work, waiting), timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        require(ready.is_set(), f"`ready` is set within {READY_WITHIN:g} s")
        yield inbox, ready
    finally:
        for task in (work, waiting):
            task.cancel()
        await asyncio.wait((work, waiting))


async def settled_tasks(
    most: int, within: float, *, beside: Set[asyncio.Task[object]] = frozenset()
) -> Set[asyncio.Task[object]]:
    """The tasks of the loop that are not among `beside`, once there are at most `most` or the time is up."""
    deadline = asyncio.get_running_loop().time() + within
    while len(asyncio.all_tasks() - beside) > most and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return asyncio.all_tasks() - beside


def mutations(envelope: Envelope) -> list[Envelope]:
    """Odd relatives of a genuine envelope, and plain garbage; always the same ones."""
    chance = random.Random(7)
    body = envelope.body
    odd = [b"", b"null", b"[]", b"{}", b"0", b'"x"', b"\xff\xfe\x00", b"[" * 5000, b'{"a":' * 2000, b"payload=%7B%7D"]
    odd += [body[:cut] for cut in range(0, len(body), max(1, len(body) // 40))]
    for _ in range(60):
        broken = bytearray(body)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        odd.append(bytes(broken))
    for token in (b'"', b":", b"{", b"[", b"0", b"true", b"-1", b"null"):
        odd.append(body.replace(b'":"', b'":' + token + b',"'))
        odd.append(body.replace(b'"', token, 9))
    found = [envelope._replace(body=one) for one in odd]
    found += [envelope._replace(kind=kind) for kind in ("", "unheard-of", "\x00")]
    found += [envelope._replace(encoding="unheard-of"), envelope._replace(tenant=""), envelope._replace(event_id="")]
    return found


def require(holds: bool, promise: str) -> None:
    """Raise `AssertionError` with the promise that was broken."""
    if not holds:
        raise AssertionError(promise)
