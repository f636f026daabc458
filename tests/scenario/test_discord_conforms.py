"""Both Discord channels, over the gateway and over signed interactions, keep every promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from channels.discord.place import CHANNEL, conversation
from phantom.messages import ConversationKind, ConversationRef
from phantom.testing.conformance import Bench, ChannelConformance, Shown
from phantom.testing.fake_discord import FakeInteraction
from phantom.testing.fake_discord.model import FakeChannel
from tests.scenario.discord_kit import Wire, wired


class DiscordBench:
    """A Discord channel and its server; the conversation is a thread of the general channel."""

    def __init__(self, wire: Wire, thread: FakeChannel) -> None:
        self.wire = wire
        self.fake = wire.fake
        self.thread = thread
        self.channel = wire.channel
        self.person = wire.fake.owner.id
        self.conversation = conversation(wire.tenant, thread.id, wire.fake.general.id, "")
        self.nowhere = ConversationRef(
            channel=CHANNEL, tenant=wire.tenant, place="1", thread=None, kind=ConversationKind.PUBLIC
        )

    async def shown(self) -> Sequence[Shown]:
        ours = [one for one in self.fake.messages(self.thread) if one.author is self.fake.bot]
        return [
            Shown(
                id=one.id,
                text=one.content or "\n".join(str(embed["description"]) for embed in one.embeds),
                thread=self.thread.id,
                pings=one.pings,
                buttons=[str(button["label"]) for row in one.components for button in row["components"]],
                files=[file.filename for file in one.attachments],
            )
            for one in ours
        ]

    async def marks(self, message_id: str) -> Sequence[str]:
        message = self.thread.messages[message_id]
        return [name for name, users in message.reactions.items() if self.fake.bot.id in users]

    def refuse_credentials(self) -> None:
        self.fake.faults.revoke_token()

    def lose_next_answer(self) -> None:
        self.fake.faults.drop_after("create_message")


class GatewayBench(DiscordBench):
    """The gateway wants no acknowledgement: what is stored is what is not asked for again after an absence."""

    said = ""

    async def say(self, text: str) -> str:
        message = await self.fake.post(self.fake.owner, self.thread, f"{self.fake.mention} {text}")
        self.said = message.id
        return message.id

    async def acked(self) -> bool:
        return int(str(self.channel.health().facts["newest_message"])) >= int(self.said)


class InteractionsBench(DiscordBench):
    """People can only ask over commands, which are no messages and so have no id."""

    asked: FakeInteraction | None = None

    async def say(self, text: str) -> str:
        await self.fake.wait_for(self.fake.commands)
        self.asked = await self.fake.command(self.fake.owner, self.thread, "phantom", "ask", {"question": text})
        return ""

    async def acked(self) -> bool:
        assert self.asked is not None
        async with asyncio.timeout(30):
            await self.asked.settled.wait()
        return self.asked.deferred


@asynccontextmanager
async def bench(kind: type[DiscordBench], transport: str) -> AsyncIterator[DiscordBench]:
    """The channel over `transport`."""
    with TemporaryDirectory() as folder:
        async with wired(Path(folder), transport=transport) as wire:
            thread = await wire.fake.create_thread(wire.fake.owner, wire.fake.general, "a thread begins")
            yield kind(wire, thread)


class TestDiscordOverTheGateway(ChannelConformance):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Bench]:
        async with bench(GatewayBench, "gateway") as found:
            assert isinstance(found, GatewayBench)
            yield found


class TestDiscordOverInteractions(ChannelConformance):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Bench]:
        async with bench(InteractionsBench, "http") as found:
            assert isinstance(found, InteractionsBench)
            yield found
