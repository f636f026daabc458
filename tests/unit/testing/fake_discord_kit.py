"""Real discord.py clients pointed at a FakeDiscord, for the tests of the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from phantom.testing.fake_discord import FakeDiscord


def all_intents() -> discord.Intents:
    """What the fake's application is granted by default."""
    intents = discord.Intents.default()
    intents.members = intents.message_content = True
    return intents


@contextmanager
def pointed_at(fake: FakeDiscord) -> Any:
    """discord.py talks to `fake` inside."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = fake.api_url, yarl.URL(fake.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway


class Seen:
    """What a client heard, and a way to wait for it."""

    def __init__(self) -> None:
        self.messages: list[discord.Message] = []
        self.events: list[tuple[str, Any]] = []
        self._woken = asyncio.Event()

    def add(self, name: str, value: Any = None) -> None:
        self.events.append((name, value))
        if name == "message":
            self.messages.append(value)
        self._woken.set()

    def of(self, name: str) -> list[Any]:
        return [value for kind, value in self.events if kind == name]

    async def until(self, name: str, count: int = 1, seconds: float = 30.0) -> list[Any]:
        async with asyncio.timeout(seconds):
            while len(self.of(name)) < count:
                self._woken.clear()
                await self._woken.wait()
        return self.of(name)


_HEARD = (
    *("message", "message_edit", "message_delete", "raw_message_edit", "raw_message_delete", "raw_bulk_message_delete"),
    *("raw_reaction_add", "raw_reaction_remove", "typing", "thread_create", "member_join", "member_remove"),
    *("guild_join", "guild_remove", "guild_channel_create", "guild_channel_delete"),
    *("interaction", "ready", "resumed", "connect", "disconnect"),
)


def listen(client: discord.Client) -> Seen:
    """Record every event of `_HEARD`; of those with several arguments, the first."""
    seen = Seen()

    def hear(name: str) -> None:
        async def on(*args: Any) -> None:
            seen.add(name, args[0] if args else None)

        setattr(client, f"on_{name}", on)

    for name in _HEARD:
        hear(name)
    return seen


def unhurried(client: discord.Client) -> None:
    """Identify again at once, where discord.py would wait five seconds (an override that it documents)."""

    async def at_once(shard_id: int | None, *, initial: bool = False) -> None:
        del shard_id, initial

    client.before_identify_hook = at_once  # type: ignore[method-assign]


@asynccontextmanager
async def connected(
    fake: FakeDiscord, client: discord.Client | None = None, **options: Any
) -> AsyncIterator[tuple[discord.Client, Seen]]:
    """A client that is ready, with what it hears."""
    settings: dict[str, Any] = {"intents": all_intents(), "guild_ready_timeout": 0.1, "max_ratelimit_timeout": 30.0}
    settings |= options
    client = client or discord.Client(**settings)
    unhurried(client)
    seen = listen(client)
    with pointed_at(fake):
        task = asyncio.create_task(client.start(fake.token))
        task.add_done_callback(lambda done: seen.add("failed", done.exception()) if done.exception() else None)
        try:
            ready = asyncio.create_task(seen.until("ready"))
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                ready.cancel()
                await task
            await ready
            yield client, seen
        finally:
            await client.close()
            await asyncio.wait([task])
