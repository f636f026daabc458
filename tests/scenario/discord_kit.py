"""A Discord channel in this process, beside a FakeDiscord: real discord.py, real HTTP, no engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from channels.discord.channel import DiscordChannel
from channels.discord.factory import build
from channels.discord.place import CHANNEL, conversation, tenant_of
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.clock import Clock, SystemClock
from phantom.events import InboundEvent
from phantom.health import HealthReport
from phantom.identity import Identity, IdentityProvider
from phantom.messages import ConversationRef, InboundMessage, MessageRef, OutboundMessage, Receipt
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.testing import conformance_bench
from phantom.testing.conformance_bench import Bench, ConformanceInbox
from phantom.testing.fake_discord import FakeDiscord, FakeMessage
from phantom.webapp import WebApp


class Quiet:
    """A tenant status that nobody reads."""

    async def agent_ready(self, transport: str) -> None: ...

    async def first_dm_sent(self, slack_message_ts: str) -> None: ...


async def _nobody() -> Identity:
    return Identity(tenant_id="t1")


@dataclass
class Wire:
    """One channel and its Discord. `source` holds the token, so that a test can rotate it."""

    fake: FakeDiscord
    channel: DiscordChannel
    source: HeldSource
    meter: PrometheusMeter
    address: str
    inbox: ConformanceInbox = field(default_factory=ConformanceInbox)

    @property
    def tenant(self) -> str:
        """The tenant of the first guild."""
        return tenant_of(self.fake.application_id, self.fake.guild.id)

    def where(self, message: FakeMessage, parent: str = "") -> ConversationRef:
        """The conversation that a guild message begins, or the thread it is in."""
        return conversation(self.tenant, message.channel_id, parent, message.id)

    def answer(self, message: FakeMessage, text: str, key: str = "t1/answer/0", **more: Any) -> OutboundMessage:
        """An answer to a guild message."""
        return OutboundMessage(
            conversation=self.where(message), text=text, idempotency_key=key, reply_to=message.id, **more
        )

    def ref(self, message: FakeMessage) -> MessageRef:
        """A guild message as the engine names it."""
        return MessageRef(conversation=self.where(message), message_id=message.id)

    def events(self) -> list[InboundEvent]:
        """What everything admitted so far means."""
        return [event for envelope in self.inbox.envelopes for event in self.channel.normalise(envelope)]

    async def until_event(self, kind: type[Any], count: int = 1) -> list[Any]:
        """Wait for that many events of a kind, and return them."""
        await self.inbox.until(lambda: sum(isinstance(event, kind) for event in self.events()) >= count)
        return [event for event in self.events() if isinstance(event, kind)]

    async def until_said(self, text: str) -> InboundMessage:
        """Wait for the message with that text."""

        def found() -> list[InboundMessage]:
            return [event for event in self.events() if isinstance(event, InboundMessage) and text in event.text]

        await self.inbox.until(lambda: bool(found()))
        return found()[0]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for something that tells nobody of its changes."""
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.01)

    def message(self, receipt: Receipt, place: str | None = None) -> FakeMessage:
        """The message that a receipt names."""
        channel = self.fake.channel(place) if place else self.fake.general
        return channel.messages[receipt.message_ids[0]]

    def outcome(self, name: str) -> float:
        """How often something received ended with that outcome."""
        return self.meter.value("phantom_receiver_requests_total", channel=CHANNEL, outcome=name)


@asynccontextmanager
async def wired(
    tmp_path: Path,
    fake: FakeDiscord | None = None,
    *,
    clock: Clock | None = None,
    identity: IdentityProvider = _nobody,
    **settings: Any,
) -> AsyncIterator[Wire]:
    """A channel that does not run yet (use `conformance_bench.running` or its `run`)."""
    if fake is None:
        async with FakeDiscord() as made, wired(tmp_path, made, clock=clock, identity=identity, **settings) as wire:
            yield wire
        return
    source, meter = HeldSource("discord_bot_token", fake.token), PrometheusMeter()
    context = ChannelContext(
        phantom_name="Phantom",
        clock=clock or SystemClock(),
        meter=meter,
        secret=lambda name: Secret(name, HeldSource(name, None)),
        identity=identity,
        tenant_status=Quiet(),
        data_dir=tmp_path / CHANNEL,
        options={},
    )
    chosen: dict[str, Any] = {"bot_token": Secret("discord_bot_token", source), "api_base_url": fake.api_url} | settings
    channel = build(DiscordSettings(**chosen), context)
    assert isinstance(channel, DiscordChannel)
    web = WebApp(_no_report, meter)
    for route in channel.routes():
        web.add_route(route)
    await web.listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{web.port}"
    if chosen.get("transport") == "http":
        fake.deliver_interactions_over_http(f"{address}/discord/interactions")
        fake.deliver_events_over_http(f"{address}/discord/events")
    try:
        yield Wire(fake, channel, source, meter, address)
    finally:
        await web.aclose()
        await channel.aclose()


def running(
    wire: Wire, inbox: ConformanceInbox | None = None
) -> AbstractAsyncContextManager[tuple[ConformanceInbox, asyncio.Event]]:
    """The wire's channel, ready; cancelled at the end, as the supervisor does it. Yields its inbox and `ready`."""
    return conformance_bench.running(cast(Bench, wire), inbox)  # of a bench it uses the channel alone


async def _no_report() -> HealthReport:
    raise AssertionError("no page is asked for")
