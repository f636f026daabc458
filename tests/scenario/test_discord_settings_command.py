"""Discord's settings through the real command: a bad one is a clear line and status 78, a good one works."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from channels.discord.gateway_client import intents
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeApplication, FakeDiscord, FakeMessage
from tests.scenario.cli_kit import phantom
from tests.scenario.discord_kit import running, wired

TOKEN = "MTEx.DISCORD." + "t" * 50
AGENT = Path(__file__).parent


@pytest.mark.parametrize(
    ("environ", "where", "says"),
    [
        ({"DISCORD_TRANSPORT": "carrier-pigeon"}, "DISCORD_TRANSPORT", "must be gateway or http; unset it"),
        ({"DISCORD_BOT_TOKEN": f"Bot {TOKEN}"}, "DISCORD_BOT_TOKEN", "begins with a word that is not part of it"),
        ({"DISCORD_TRANSPORT": "http", "DISCORD_PUBLIC_KEY": "z" * 64}, "DISCORD_PUBLIC_KEY", "is not 64 hex digits"),
        ({"DISCORD_SHARD_IDS": "0 1"}, "discord", "set DISCORD_SHARD_COUNT to the bot's total"),
        ({"DISCORD_SHARD_IDS": "0 2", "DISCORD_SHARD_COUNT": "2"}, "discord", "below shard_count"),
    ],
)
def test_start_refuses_at_once(tmp_path: Path, environ: dict[str, str], where: str, says: str) -> None:
    said = phantom("start", cwd=tmp_path, status=78, **{"DISCORD_BOT_TOKEN": TOKEN, "PORT": "0"} | environ)
    (line,) = [json.loads(line) for line in said.stderr.splitlines() if "cannot_start" in line]
    assert line["where"] == where
    assert says in line["what"]
    for value in (TOKEN, "carrier-pigeon", "z" * 64):
        assert value not in said.stderr + said.stdout


def test_every_bad_value_is_named_at_once(tmp_path: Path) -> None:
    bad = {
        "DISCORD_BOTS": ("some-of-them", "must be 'none', 'mentions' or 'all'"),
        "DISCORD_BOT_BUDGET": ("-77", "must be greater than or equal to 0"),
        "DISCORD_DIRECT_MESSAGES": ("perhaps", "must be true or false"),
        "DISCORD_MESSAGE_CONTENT": ("perhaps", "must be true or false"),
        "DISCORD_SHARD_COUNT": ("many-of-them", "must be a whole number"),
        "DISCORD_SHARD_IDS": ("zeroth", "must be a whole number"),
        "DISCORD_HEARTBEAT_TIMEOUT": ("-55.5", "must be greater than 0"),
        "DISCORD_API_BASE_URL": ("http://discord.example/api", "must begin with https://"),
        "DISCORD_ALLOWED_GUILDS": ("my-server", "must be Discord ids (digits)"),
        "DISCORD_ALLOWED_ROLES": ("my-role", "must be Discord ids (digits)"),
        "DISCORD_ALLOWED_USERS": ("@olivia", "must be Discord ids (digits)"),
        "OWNER_DISCORD_USER_ID": ("olivia#1234", "must be a Discord id (digits)"),
        "DISCORD_DEV_GUILD": ("my-server", "must be a Discord id (digits)"),
        "DISCORD_THREAD_FOLLOWUPS": ("sometimes", "must be 'mention', 'own' or 'all'"),
    }
    values = {name: value for name, (value, _) in bad.items()}
    said = phantom("doctor", "--json", cwd=tmp_path, status=78, DISCORD_BOT_TOKEN=TOKEN, PORT="0", **values)
    told = [one["seen"] for one in json.loads(said.stdout) if one["level"] == "fail"]
    for name, (value, says) in bad.items():
        assert [one for one in told if one.startswith(name) and says in one], (name, told)
        assert value not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("shard_count: 2\n  shard_ids: [1, 1]", "names a shard twice"),
        ("shard_count: 2\n  transport: http", "only the gateway has shards"),
        ("dev_guild: 1\n  allowed_guilds: [2]", "dev_guild is not served"),
        ("colour: blue", "unknown key"),
    ],
)
def test_what_contradicts_itself(tmp_path: Path, yaml: str, says: str) -> None:
    (tmp_path / "channels.yaml").write_text(f"discord:\n  {yaml}\n")
    said = phantom("config", "explain", "discord", cwd=tmp_path, status=78, DISCORD_BOT_TOKEN=TOKEN)
    assert says in said.stdout


async def test_only_the_intents_that_are_needed_are_asked_for(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        for number, (content, directs) in enumerate(((True, True), (False, True), (True, False))):
            async with (
                wired(tmp_path / str(number), fake, message_content=content, direct_messages=directs) as wire,
                running(wire),
            ):
                asked = fake.gateway.identifies[-1].intents
                assert asked == intents(message_content=content, direct_messages=directs).value
                assert bool(asked & (1 << 15)) == content
                assert bool(asked & (1 << 12 | 1 << 14)) == directs
                assert not asked & (1 << 1 | 1 << 8)  # members, presences


async def test_two_processes_split_the_shards(tmp_path: Path) -> None:
    """Each has a data folder of its own, and answers what is said in its half of the servers, once."""
    async with FakeDiscord(app=FakeApplication(shards=2, max_concurrency=2)) as fake, AsyncExitStack() as stack:
        guilds = [fake.guild, *(fake.add_guild(f"guild {number}") for number in range(5))]
        for shard in ("0", "1"):
            daemon = DaemonProcess(
                env={
                    "DISCORD_BOT_TOKEN": fake.token,
                    "DISCORD_API_BASE_URL": fake.api_url,
                    "DISCORD_SHARD_COUNT": "2",
                    "DISCORD_SHARD_IDS": shard,
                    "PHANTOM_AGENT": "obedient_agent:make",
                    "GATES": str(tmp_path),
                },
                data_dir=tmp_path / shard,
                python_path=[AGENT],
            )
            stack.push_async_callback(daemon.aclose)
            await daemon.start()
            health = await daemon.health()
            assert health["channels"]["discord"]["shards_wanted"] == 1
        asked: list[FakeMessage] = []
        for guild in guilds:
            hall = fake.add_channel("hall", guild=guild)
            asked.append(await fake.post(fake.owner, hall, f"{fake.mention} {guild.name}"))
        await fake.wait_for(lambda: all(fake.replies(one) for one in asked))
        assert [len(fake.replies(one)) for one in asked] == [1] * len(guilds)
        assert {one.shard for one in fake.gateway.identifies} == {0, 1}
