"""The gateway is read no faster than the journal takes, and nothing is lost or turned around by that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from channels.discord.intake import _MAX_PENDING
from phantom.channel import Admission, Envelope
from phantom.testing.conformance_bench import ConformanceInbox
from tests.scenario.discord_kit import running, wired

MESSAGES = 3 * _MAX_PENDING


@dataclass
class SlowInbox(ConformanceInbox):
    """A journal that commits nothing before as much waits for it as the channel may let wait, and takes a while then:
    long enough for more to come if more could.
    """

    waiting: list[tuple[Envelope, Callable[[Admission], None]]] = field(default_factory=list)
    most: int = 0

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        self.waiting.append((envelope, done))
        self.most = max(self.most, len(self.waiting))
        if len(self.waiting) == min(_MAX_PENDING, MESSAGES - len(self.envelopes)):
            asyncio.get_running_loop().call_later(0.1, self._commit)

    def _commit(self) -> None:
        batch, self.waiting = self.waiting, []
        for envelope, done in batch:
            super().submit(envelope, done)


async def test_a_flood_waits_in_the_socket_while_the_journal_is_slow(tmp_path: Path) -> None:
    inbox = SlowInbox()
    async with wired(tmp_path) as wire, running(wire, inbox):
        fake = wire.fake
        posted = [await fake.post(fake.owner, fake.general, f"number {number}") for number in range(MESSAGES)]
        await inbox.until(lambda: len(inbox.envelopes) >= MESSAGES)
        assert inbox.most == _MAX_PENDING
        assert [one.event_id for one in inbox.envelopes] == [f"m{message.id}" for message in posted]
        assert wire.channel.health().ok
