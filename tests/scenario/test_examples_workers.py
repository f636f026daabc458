"""The workers of the cookbook as people run them: programs of their own, at one daemon, before one Discord."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from phantom.cli.loading import load_config
from phantom.testing.daemon_process import DaemonProcess, kept_port
from phantom.testing.fake_discord import FakeDiscord

ROOT = Path(__file__).resolve().parents[2]
KEPT = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}
EXAMPLES = ROOT / "examples"
WORKERS = ("dashboard", "moderation", "analytics", "voice")
HOWTO = (ROOT / "docs/how-to/bridge.md").read_text()
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class World:
    """A Discord, a daemon with a secret for each worker, and where the workers may write."""

    discord: FakeDiscord
    daemon: DaemonProcess
    secrets: Mapping[str, str]
    folder: Path

    @asynccontextmanager
    async def worker(self, name: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """`examples/<name>/main.py`, once the daemon has its subscriptions; ended with SIGTERM."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(self.folder / "greeter.py" if name == "greeter" else EXAMPLES / name / "main.py"),
            cwd=self.folder,
            env={
                **KEPT,
                "PYTHONPATH": str(ROOT),
                "PHANTOM_BRIDGE_URL": f"ws://127.0.0.1:{self.daemon.port}/bridge",
                "PHANTOM_BRIDGE_SECRET": self.secrets[name],
                **env,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        said = b""
        try:
            await self.daemon.until(lambda health: any(ready(app, name) for app in health["bridge"]["apps"]), 60)
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            _, said = await asyncio.wait_for(process.communicate(), 60)
            await self.daemon.until(lambda health: not any(app["app"] == name for app in health["bridge"]["apps"]))
        assert process.returncode in (0, -9), said.decode()
        assert b"error" not in said, said.decode()
        assert self.secrets[name].encode() not in said


def ready(app: Mapping[str, Any], name: str) -> bool:
    """Whether it is this worker, with its subscriptions."""
    return bool(app["app"] == name and app["subscriptions"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("workers")
    data = folder / "data"
    (folder / "greeter.yaml").write_text(block("yaml", "name: greeter"))
    (folder / "greeter.py").write_text(block("python", "from pathlib"))
    async with FakeDiscord() as discord:
        await discord.empower_bot("MANAGE_MESSAGES", "MODERATE_MEMBERS", "MOVE_MEMBERS", "MUTE_MEMBERS")
        # Made before the daemon starts, which then asks Discord for the intents that they need.
        names = (*WORKERS, "greeter")
        made = await asyncio.gather(*(new_secret(name, data, discord.guild.id) for name in names))
        env = {"DISCORD_BOT_TOKEN": discord.token, "DISCORD_API_BASE_URL": discord.api_url}
        async with DaemonProcess(env=env, data_dir=data) as daemon:
            yield World(discord, daemon, dict(zip(names, made, strict=True)), folder)
            rows = (data / "bridge" / "audit.jsonl").read_text()
            assert "nitro" not in rows
        assert discord.violations == []


def block(language: str, begins: str) -> str:
    """What the how-to prints."""
    found: str = re.findall(rf"^```{language}\n({re.escape(begins)}.*?)^```$", HOWTO, re.DOTALL | re.MULTILINE)[0]
    return found


async def new_secret(name: str, data: Path, guild: str) -> str:
    """As the worker's README says."""
    limits = ["--guild", guild] if name in ("moderation", "voice", "greeter") else []
    manifest = data.parent / "greeter.yaml" if name == "greeter" else EXAMPLES / name / "manifest.yaml"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "phantom", "bridge", "secret", "new", name,
        "--manifest", str(manifest), *limits, "--data-dir", str(data),
        cwd=data.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, trouble = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, trouble.decode()
    return out.decode().strip()


async def test_the_dashboard_shows_what_is_said_where(world: World) -> None:
    discord, port = world.discord, kept_port(world)
    alice = discord.add_user("alice")

    async def shown(web: aiohttp.ClientSession, name: str, messages: int) -> dict[str, Any]:
        """The page, once it says so of the guild."""
        async with asyncio.timeout(30):
            while True:
                async with web.get(f"http://127.0.0.1:{port}/") as answer:
                    view: dict[str, Any] = orjson.loads(await answer.read())
                guild = view["guilds"].get(discord.guild.id, {})
                if (guild.get("name"), guild.get("messages")) == (name, messages):
                    return view
                await asyncio.sleep(0.02)

    async with world.worker("dashboard", DASHBOARD_PORT=str(port)), aiohttp.ClientSession() as web:
        for number in range(3):
            await discord.post(alice, discord.general, f"hello {number}")
        view = await shown(web, "Acme", 3)
        assert view["connected"]
        assert view["bot"] == discord.bot.name
        assert view["guilds"][discord.guild.id]["channels"] == {discord.general.id: 3}
        await discord.rename_guild("Acme Ltd")
        await shown(web, "Acme Ltd", 3)


async def test_the_moderation_deletes_and_pauses_within_its_server(world: World) -> None:
    discord = world.discord
    mallory = discord.add_user("mallory")
    elsewhere = discord.add_guild("Elsewhere")
    outside = discord.add_channel("outside", guild=elsewhere)
    discord.core.world.add_member(elsewhere, mallory)
    async with world.worker("moderation"):
        spared = await discord.post(mallory, outside, "free nitro, but not in our server")
        harmless = await discord.post(mallory, discord.general, "good morning")
        lure = await discord.post(mallory, discord.general, "FREE  nitro here")
        edited = await discord.edit(harmless, "come to discord.gg/abc")
        await discord.wait_for(lambda: {one.id for one in discord.deleted} >= {lure.id, edited.id})
        member = discord.guild.members[mallory.id]
        await discord.wait_for(lambda: member.timed_out_until is not None)
    assert spared in discord.messages(outside)
    calls = [call for call in discord.calls_of("delete_message") if call.status == 204]
    assert len(calls) == 2


async def test_the_analytics_counts_each_event_once_over_a_kill(world: World) -> None:
    discord = world.discord
    bob = discord.add_user("bob")
    place = discord.add_channel("statistics")
    file = world.folder / "analytics.db"

    def counted() -> int:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
            found: int = db.execute(
                "SELECT coalesce(sum(n), 0) FROM counts WHERE channel = ? AND event = 'messageCreate'", (place.id,)
            ).fetchone()[0]
        return found

    async def until(number: int) -> None:
        async with asyncio.timeout(30):
            while counted() < number:
                await asyncio.sleep(0.02)

    async with world.worker("analytics") as process:
        for number in range(20):
            await discord.post(bob, place, f"one {number}")
        await until(5)
        process.kill()
    for number in range(20):
        await discord.post(bob, place, f"two {number}")
    async with world.worker("analytics"):
        await until(40)
        last = await discord.post(bob, place, "three")
        await until(41)
    assert counted() == 41
    await discord.delete(last)
    async with world.worker("analytics"):
        await discord.post(bob, place, "four")
        await until(42)
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT reason FROM gaps").fetchall() == []
        assert db.execute("SELECT sum(n) FROM counts WHERE event = 'messageDelete'").fetchone() == (1,)


async def test_the_voice_worker_moves_and_mutes(world: World) -> None:
    discord = world.discord
    carol = discord.add_user("carol")
    lounge, quiet, listen = (discord.add_channel(name, kind="voice") for name in ("lounge", "quiet", "listen"))
    member, voice = discord.guild.members[carol.id], discord.guild.voice
    async with world.worker(
        "voice", VOICE_GUILD=discord.guild.id, VOICE_QUIET_CHANNEL=quiet.id, VOICE_LISTEN_CHANNEL=listen.id
    ):
        await discord.join_voice(carol, lounge)
        await discord.set_voice(carol, self_deaf=True)
        await discord.wait_for(lambda: voice[carol.id].channel_id == quiet.id)
        await discord.set_voice(carol, self_deaf=False)
        await discord.join_voice(carol, listen)
        await discord.wait_for(lambda: member.mute)
        await discord.join_voice(carol, lounge)
        await discord.wait_for(lambda: not member.mute)
    assert voice[carol.id].channel_id == lounge.id


async def test_the_first_app_of_the_how_to_works_as_printed(world: World) -> None:
    discord = world.discord
    dora = discord.add_user("dora")
    async with world.worker("greeter"):
        await discord.post(dora, discord.general, "hello")
        await discord.wait_for(lambda: any(one.content == "Hello, dora!" for one in discord.messages(discord.general)))


async def test_the_secrets_of_the_how_to_are_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "phantom.yaml").write_text(block("yaml", "# phantom.yaml"))
    environ = {"PHANTOM_ENV": "production", "DASHBOARD_BRIDGE_SECRET": "a-value-of-sixteen-or-more"}
    [secret] = load_config(tmp_path, environ).bridge.secrets
    assert secret.value is not None
    assert secret.value.reveal() == "a-value-of-sixteen-or-more"
    assert (secret.allow.events, secret.within.guilds, secret.limits.connections) == (
        ("messageCreate",),
        ("1234567890",),
        2,
    )


async def test_a_worker_ends_when_its_secret_does_not_fit(world: World) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "voice" / "main.py"),
        env={
            **KEPT,
            "PYTHONPATH": str(ROOT),
            "PHANTOM_BRIDGE_URL": f"ws://127.0.0.1:{world.daemon.port}/bridge",
            "PHANTOM_BRIDGE_SECRET": world.secrets["dashboard"],
            "VOICE_GUILD": world.discord.guild.id,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    for code in ("missing_event_capability", "missing_action_capability", "scope_broader_than_expected"):
        assert code.encode() in said
