"""What the Discord channel lends to bridge apps, without a bridge: a sink that collects, the table to check against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from channels.discord.apps_catalogue import TABLE
from phantom.apps import AppEvent
from phantom.testing.fake_discord import FakeDiscord
from tests.scenario.discord_kit import Wire, running, wired

EVENTS = {spec.name: spec for spec in TABLE.events}
ACTIONS = {spec.name: spec for spec in TABLE.actions}


@dataclass
class Sink:
    """Implements `phantom.apps.AppSink`; `wanted` is what somebody subscribed to."""

    wanted: set[str] = field(default_factory=lambda: set(EVENTS))
    events: list[AppEvent] = field(default_factory=list)
    gaps: list[tuple[str, str]] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        return name in self.wanted

    def publish(self, event: AppEvent) -> None:
        self.events.append(event)

    def gap(self, channel: str, reason: str) -> None:
        self.gaps.append((channel, reason))

    def of(self, name: str) -> list[AppEvent]:
        """The events of that name."""
        return [event for event in self.events if event.name == name]


@dataclass
class Apps:
    """A running channel that lends to `sink`."""

    wire: Wire
    sink: Sink

    @property
    def fake(self) -> FakeDiscord:
        return self.wire.fake

    async def event(self, name: str, count: int = 1) -> AppEvent:
        """Wait for that many events of a name; the last one, checked against the table."""
        async with asyncio.timeout(30):
            while len(self.sink.of(name)) < count:
                await asyncio.sleep(0.005)
        found = self.sink.of(name)[count - 1]
        checked(found)
        return found

    async def said(self, content: str) -> AppEvent:
        """Wait for the `messageCreate` of a message with that content."""

        def found() -> list[AppEvent]:
            return [one for one in self.sink.of("messageCreate") if one.data["message"].get("content") == content]

        await self.wire.until(found)
        checked(found()[0])
        return found()[0]

    async def act(self, action: str, key: str = "", **params: Any) -> Any:
        """Do it with parameters that the table accepts; the answer, checked against the table."""
        spec = ACTIONS[action]
        decoded = msgspec.json.decode(msgspec.json.encode(params), type=spec.params)
        answer = await self.wire.channel.act(action, msgspec.to_builtins(decoded), key=key)
        if spec.result is not None:
            strictly(answer, spec.result)
        return answer


def checked(event: AppEvent) -> None:
    """An event is what the table says of it: its data, and facts under no other keys than limits and filters know."""
    spec = EVENTS[event.name]
    strictly(event.data, spec.data)
    assert set(event.facts) <= {*spec.filters, "guildId", "channelId", "parentChannelId"}, event
    for value in event.facts.values():
        assert isinstance(value, str) or all(isinstance(one, str) for one in value)


def strictly(data: Mapping[str, Any], kind: type[Any]) -> None:
    """Convert, and find every key again: nothing is lost, nothing is of another type."""
    shown = msgspec.json.decode(msgspec.json.encode(data))
    assert msgspec.to_builtins(msgspec.convert(shown, kind, strict=True)) == shown


@asynccontextmanager
async def lent(tmp_path: Path, fake: FakeDiscord | None = None, **settings: Any) -> AsyncIterator[Apps]:
    """A running channel, every event lent."""
    async with wired(tmp_path, fake, **settings) as wire:
        sink = Sink()
        wire.channel.lend(sink, frozenset(EVENTS))
        async with running(wire, wire.inbox):
            yield Apps(wire, sink)
