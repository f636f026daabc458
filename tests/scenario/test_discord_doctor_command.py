"""`phantom doctor` against a Discord with faults: what it says, the cure, the exit status, and no secret in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from channels.discord.commands import definitions
from phantom.testing import FakeMetadata
from phantom.testing.fake_discord import FakeApplication, FakeDiscord
from phantom.testing.fake_discord.signing import new_private_key, public_key_of
from tests.scenario.cli_kit import command
from tests.scenario.discord_kit import running, wired

Findings = dict[str, str]
"""What was found to be of a level, with its cure."""


async def doctor(tmp_path: Path, fake: FakeDiscord, *, status: int, **environ: str) -> dict[str, Findings]:
    """The channel's findings by level. No value of the environment that is secret may show up."""
    given = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url, "PORT": "0"} | environ
    given = {name: value for name, value in given.items() if value}
    said = await command("doctor", "--json", cwd=tmp_path, environ=given, status=status)
    assert fake.token not in said.stdout + said.stderr
    assert given.get("DISCORD_BOT_TOKEN", fake.token) not in said.stdout + said.stderr
    assert not fake.violations
    found: dict[str, Findings] = {"ok": {}, "warn": {}, "fail": {}}
    for one in json.loads(said.stdout):
        if "discord" in one["check"]:
            found[one["level"]][one["seen"]] = one["cure"]
    assert all(all(found[level].values()) for level in ("warn", "fail")), found
    return found


def cure(findings: Findings, words: str) -> str:
    """The cure of the finding that says so."""
    (found,) = [cure for seen, cure in findings.items() if words in seen]
    return found


def registered(fake: FakeDiscord) -> None:
    fake.core.commands.replace([dict(one) for one in definitions("phantom")], None)


async def test_all_is_well_in_250_servers(tmp_path: Path) -> None:
    async with FakeDiscord(app=FakeApplication(shards=2)) as fake:
        for number in range(249):
            fake.add_guild(f"guild {number}")
        registered(fake)
        found = await doctor(tmp_path, fake, status=0, OWNER_DISCORD_USER_ID=fake.owner.id)
        assert not found["warn"] | found["fail"]
        assert "the bot has every permission that it uses in 250 servers" in found["ok"]
        assert len(fake.calls_of("list_my_guilds")) == 2
        fake.faults.withdraw_permission("ADD_REACTIONS")
        half = {"DISCORD_SHARD_COUNT": "2", "DISCORD_SHARD_IDS": "1", "OWNER_DISCORD_USER_ID": fake.owner.id}
        found = await doctor(tmp_path, fake, status=0, **half)
        ours = sum((int(guild) >> 22) % 2 == 1 for guild in fake.core.world.guilds)
        assert 0 < ours < 250
        lacking = [seen for seen in found["warn"] if "lacks Add Reactions" in seen]
        assert len(lacking) == min(ours, 20)
        assert (ours <= 20) or any(f"in {ours - 20} other servers" in seen for seen in found["warn"])


async def test_what_the_gateway_would_refuse(tmp_path: Path) -> None:
    async with FakeDiscord(app=FakeApplication(granted=0, shards=3, session_limit=2)) as fake:
        fake.app.interactions_url = "https://phantom.example/discord/interactions"
        fake.faults.clock_ahead = 90
        fake.faults.withdraw_permission("SEND_MESSAGES", "EMBED_LINKS")
        found = await doctor(tmp_path, fake, status=1, DISCORD_SHARD_COUNT="2", DISCORD_ALLOWED_GUILDS="5")
        assert "Message Content Intent under Bot" in cure(found["fail"], "the gateway will refuse to serve (4014)")
        assert "Interactions Endpoint URL" in cure(found["fail"], "do not reach the gateway")
        assert "invite it there" in cure(found["fail"], "not in the allowed server 5")
        assert "NTP" in cure(found["warn"], "behind Discord's")
        assert "DISCORD_SHARD_COUNT=3" in cure(found["warn"], "recommends 3 shards")
        assert "reconnects all the time" in cure(found["warn"], "2 more gateway sessions")
        assert "registers them by itself" in cure(found["warn"], "2 of 200 new commands a day")
        assert "OWNER_DISCORD_USER_ID" in cure(found["warn"], "no owner is set")
        found = await doctor(tmp_path, fake, status=1)
        assert "role" in cure(found["fail"], "lacks Send Messages, Embed Links")


async def test_what_would_refuse_signed_posts(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        fake.faults.clock_ahead = -400
        key = public_key_of(new_private_key())
        http = {"DISCORD_TRANSPORT": "http", "OWNER_DISCORD_USER_ID": fake.owner.id}
        found = await doctor(tmp_path, fake, status=1, DISCORD_PUBLIC_KEY=key, **http)
        assert "General Information" in cure(found["fail"], "DISCORD_PUBLIC_KEY is not this application's")
        assert "NTP" in cure(found["fail"], "ahead of Discord's")
        assert "/discord/interactions" in cure(found["fail"], "no Interactions Endpoint URL is set")
        assert not [seen for seen in found["fail"] | found["ok"] if "Intent" in seen]
        found = await doctor(tmp_path, fake, status=1, DISCORD_PUBLIC_KEY="z" * 64, **http)
        assert "64 hex digits" in cure(found["fail"], "is not 64 hex digits")


@pytest.mark.parametrize(
    ("token", "says", "cured"),
    [
        ("x" * 70, "does not accept the bot token", "reset the token"),
        ("Bot " + "x" * 70, "begins with a word", "copy the token"),
        ("", "DISCORD_BOT_TOKEN: is not set", "copy the token"),
    ],
)
async def test_tokens_that_do_not_work(tmp_path: Path, token: str, says: str, cured: str) -> None:
    async with FakeDiscord() as fake:
        environ = {"DISCORD_BOT_TOKEN": token, "DISCORD_TRANSPORT": "gateway"}
        found = await doctor(tmp_path, fake, status=1, **environ)
        assert cured in cure(found["fail"], says)
        assert len(found["fail"]) == 1


async def test_the_daily_quota_of_commands(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        fake.app.commands_created[""] = 200
        async with wired(tmp_path, fake) as wire, running(wire):
            await wire.until(lambda: "commands" in wire.channel.health().facts)
            assert wire.channel.health().facts["commands"] == "discord_30034"
        environ = {"PHANTOM_DATA_DIR": str(tmp_path), "OWNER_DISCORD_USER_ID": fake.owner.id}
        found = await doctor(tmp_path, fake, status=1, **environ)
        assert "200 commands a day" in cure(found["fail"], "Discord refused to register Ask Phantom, phantom")
        fake.app.commands_created.clear()
        async with wired(tmp_path, fake) as wire, running(wire):
            await fake.wait_for(fake.commands)
        assert not (await doctor(tmp_path, fake, status=0, **environ))["fail"]
        others: list[dict[str, Any]] = [{"name": f"other-{number}", "description": "x"} for number in range(100)]
        fake.core.commands.replace(others, None)
        found = await doctor(tmp_path, fake, status=1, **environ)
        assert "remove commands" in cure(found["fail"], "there is no room")


async def test_what_the_metadata_service_gives(tmp_path: Path) -> None:
    """Nothing is asked of it that Discord's channel does not need, so a secret that it lacks is no failure."""
    async with FakeDiscord() as fake, FakeMetadata(secrets={"discord_bot_token": fake.token}) as metadata:
        registered(fake)
        fake.app.interactions_url = "https://phantom.example/discord/interactions"
        names = {"application_id": fake.application_id, "public_key": fake.public_key, "guild_ids": [fake.guild.id]}
        environ = {
            "DISCORD_BOT_TOKEN": "",
            "DISCORD_TRANSPORT": "http",
            "SECRET_SOURCE": "metadata",
            "PHANTOM_METADATA_URL": metadata.url,
            "OWNER_DISCORD_USER_ID": fake.owner.id,
        }
        metadata.identity = {"tenant_id": "t1", "discord": names}
        found = await doctor(tmp_path, fake, status=0, **environ)
        assert not found["fail"] | found["warn"]
        assert "identity.discord.public_key is this application's" in found["ok"]
        assert "where: 1 listed server(s), and direct messages" in found["ok"]
        assert metadata.count("/v1/secrets/discord_public_key") == 0
        # The address of a service is enough, too.
        implied = await doctor(tmp_path, fake, status=0, **environ | {"SECRET_SOURCE": ""})
        assert not implied["fail"] | implied["warn"]
        metadata.identity = {"tenant_id": "t1", "discord": names | {"application_id": "7"}}
        found = await doctor(tmp_path, fake, status=1, **environ)
        assert "repair the tenant's secrets" in cure(found["fail"], "identity.discord names 7")
        metadata.answer_status(503, path="/v1/identity")
        found = await doctor(tmp_path, fake, status=1, **environ)
        assert "PHANTOM_METADATA_URL" in cure(found["fail"], "fetch identity failed: HTTP 503")
        metadata.heal()
        metadata.remove("discord_bot_token")
        found = await doctor(tmp_path, fake, status=1, **environ)
        assert "HTTP 404" in next(iter(found["fail"]))


async def test_a_discord_that_fails(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        fake.faults.fail("get_bot_gateway", status=500, times=9)
        fake.faults.fail("list_my_guilds", status=403, times=9)
        fake.faults.fail("list_application_commands", code=50001, times=9)
        found = await doctor(tmp_path, fake, status=0, OWNER_DISCORD_USER_ID=fake.owner.id)
        assert len([seen for seen in found["warn"] if "HTTP 500" in seen or "HTTP 403" in seen]) == 3
        await fake.stop()
        found = await doctor(tmp_path, fake, status=1)
        assert "network" in cure(found["fail"], "cannot connect to Discord")
