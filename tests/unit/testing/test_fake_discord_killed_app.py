"""An app in another process is killed and started again; this Discord outlives it and keeps what was written."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from phantom.testing.fake_discord import FakeDiscord

APP = """
import sys, discord, yarl
discord.http.Route.BASE = sys.argv[1]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(sys.argv[2])
intents = discord.Intents.default()
intents.message_content = True
client = discord.Client(intents=intents, guild_ready_timeout=0.1)
done = set()
async def answer(message):
    if message.author != client.user and message.id not in done:
        done.add(message.id)
        await message.channel.send("re: " + message.content, nonce=str(message.id), reference=message)
async def catch_up(guild):
    for channel in guild.text_channels:
        async for message in channel.history(oldest_first=True):
            await answer(message)
@client.event
async def on_ready():
    for guild in client.guilds:
        await catch_up(guild)
@client.event
async def on_guild_available(guild):
    await catch_up(guild)  # it came too late for on_ready
client.on_guild_join = on_guild_available
@client.event
async def on_message(message):
    await answer(message)
client.run(sys.argv[3], log_handler=None)
"""


async def start(tmp_path: Path, fake: FakeDiscord) -> Process:
    script = tmp_path / "app.py"
    script.write_text(APP)
    return await asyncio.create_subprocess_exec(
        sys.executable, str(script), fake.api_url, fake.gateway_url, fake.token, stderr=PIPE
    )


async def kill(process: Process) -> None:
    process.kill()
    await process.communicate()


async def test_sigkill_and_a_restart_answer_each_message_once(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        app = await start(tmp_path, fake)
        try:
            await fake.ready(timeout=60)
            first = await fake.post(fake.owner, fake.general, "one")
            await fake.wait_for(lambda: fake.replies(first), 60)
            fake.faults.drop_after("create_message")
            second = await fake.post(fake.owner, fake.general, "two")
            await fake.wait_for(lambda: fake.replies(second), 60)
        finally:
            await kill(app)
        await fake.wait_for(lambda: fake.gateway.live == 0)
        third = await fake.post(fake.owner, fake.general, "three")
        app = await start(tmp_path, fake)
        try:
            await fake.ready(timeout=60)
            await fake.wait_for(lambda: fake.replies(third), 60)
        finally:
            await kill(app)
        answers = [one.content for one in fake.messages(fake.general) if one.author is fake.bot]
        assert answers == ["re: one", "re: two", "re: three"]
        assert len(fake.gateway.identifies) == 2
        assert fake.violations == []
