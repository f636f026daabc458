"""What the development page needs of FakeDiscord: ids that are the same each time, and word of every gateway event."""

from __future__ import annotations

from collections import deque

from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.gateway_session import EventSent, Session
from phantom.testing.fake_discord.snowflakes import made_at

FOUNDED = 1_700_000_000.0


async def test_what_is_made_before_the_start_has_the_same_ids_each_time() -> None:
    def made(fake: FakeDiscord) -> list[str]:
        sam = fake.add_user("sam")
        return [fake.owner.id, fake.guild.id, fake.general.id, sam.id, fake.dm(sam).id]

    first, second = FakeDiscord(founded=FOUNDED), FakeDiscord(founded=FOUNDED)
    assert made(first) == made(second)
    assert made_at(first.owner.id) == FOUNDED
    async with first:
        message = await first.post(first.owner, first.general, "later")
        assert made_at(message.id) > FOUNDED + 86400


async def test_an_event_says_whether_somebody_was_there() -> None:
    told: list[EventSent] = []
    async with FakeDiscord() as fake:
        fake.gateway.on_event = told.append
        await fake.post(fake.owner, fake.general, "to nobody")
        fake.gateway.sessions["s"] = Session(
            id="s", shard=0, shards=1, intents=1 << 9 | 1 << 15, large_threshold=50, buffer=deque()
        )
        await fake.post(fake.owner, fake.general, "to a session without a connection")
    assert [(one.event, one.sent, one.kept) for one in told] == [("MESSAGE_CREATE", 0, 0), ("MESSAGE_CREATE", 0, 1)]
    assert told[0].data["content"] == "to nobody"
