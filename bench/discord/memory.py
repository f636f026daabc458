"""Memory with one shard and many servers, beside discord.py with its default settings."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bench.discord.gateway import discord_client
from bench.discord.rig import discord_daemon
from bench.process import Contestant
from phantom.testing.fake_discord import FakeDiscord

GUILDS, CHANNELS, THREADS, ROLES = 1_000, 20, 5, 10
SETTLE = 3.0
"""Seconds after a contestant says that it is ready: servers still come in, and a start leaves things to do."""

Opener = Callable[[FakeDiscord], AbstractAsyncContextManager[Contestant]]


@asynccontextmanager
async def _ours(fake: FakeDiscord) -> AsyncIterator[Contestant]:
    async with discord_daemon(fake) as rig:
        yield rig.daemon


CONTESTANTS: dict[str, Opener] = {
    "phantom": _ours,
    "discord.py, default settings": lambda fake: discord_client(fake, "asyncio"),
}


def crowd(fake: FakeDiscord, guilds: int) -> None:
    """Servers of twenty channels, five threads and ten roles each."""
    for number in range(guilds):
        guild = fake.add_guild(f"server {number}")
        for role in range(ROLES - 2):  # everybody's and the bot's own are there
            fake.add_role(f"role {role}", guild=guild)
        places = [fake.add_channel(f"place {one}", guild=guild, topic="What is said here") for one in range(CHANNELS)]
        for thread in range(THREADS):
            channel = fake.add_channel(f"thread {thread}", guild=guild, parent=places[thread])
            channel.type, channel.owner_id = 11, fake.owner.id


async def measure(rounds: int = 3) -> str:
    """Every contestant `rounds` times, in turn, with one server, then with a thousand; a Markdown table of medians."""
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for guilds in (1, GUILDS):
        async with FakeDiscord() as fake:
            crowd(fake, guilds - 1)
            for _ in range(rounds):
                for name, opener in CONTESTANTS.items():
                    found.setdefault((name, guilds), []).append(await _once(opener, fake))
    lines = ["| contestant | servers | RSS MB | peak MB | CPU s |", "|---|---:|---:|---:|---:|"]
    for (name, guilds), samples in found.items():
        rss, peak, cpu = (statistics.median(column) for column in zip(*samples, strict=True))
        lines.append(f"| {name} | {guilds:,} | {rss:.0f} | {peak:.0f} | {cpu:.2f} |")
    return "\n".join(lines)


async def _once(opener: Opener, fake: FakeDiscord) -> tuple[float, float, float]:
    async with opener(fake) as contestant:
        await asyncio.sleep(SETTLE)
        return contestant.memory_mb(), contestant.memory_mb("VmHWM"), contestant.cpu_seconds()
