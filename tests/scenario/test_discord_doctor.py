"""What `phantom doctor` says of Discord, asked over the real wire."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from yarl import URL

from channels.discord.doctor import Finding, Level, examine
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.clock import SystemClock
from phantom.identity import Identity
from phantom.metrics import PrometheusMeter
from phantom.secrets import Secret, held
from phantom.testing.fake_discord import FakeApplication, FakeDiscord
from tests.scenario.discord_kit import Quiet, running, wired


async def nobody() -> Identity:
    return Identity(tenant_id="t1")


async def diagnosis(tmp_path: Path, fake: FakeDiscord, **settings: Any) -> list[Finding]:
    context = ChannelContext(
        phantom_name="Phantom",
        clock=SystemClock(),
        meter=PrometheusMeter(),
        secret=lambda name: held(name, None),
        identity=nobody,
        tenant_status=Quiet(),
        data_dir=tmp_path,
        options={},
    )
    chosen: dict[str, Any] = {"bot_token": held("discord_bot_token", fake.token), "api_base_url": fake.api_url}
    found = await examine(DiscordSettings(**(chosen | settings)), context)
    shown = " ".join(f"{one.what} {one.cure}" for one in found)
    assert fake.token not in shown
    return found


def bad(found: list[Finding]) -> str:
    return "\n".join(f"{one.what}: {one.cure}" for one in found if one.level is not Level.OK)


async def test_all_is_well(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        async with wired(tmp_path, fake) as wire, running(wire):
            await fake.wait_for(fake.commands)
        assert bad(await diagnosis(tmp_path, fake, owner=fake.owner.id)) == ""
        assert not fake.violations


async def test_a_refused_and_an_impossible_token(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        for token in ("x" * 60, "Bot " + fake.token, "", "two words of nonsense here"):
            (only,) = await diagnosis(tmp_path, fake, bot_token=held("discord_bot_token", token))
            assert only.level is Level.FAIL
            assert only.cure
        (only,) = await diagnosis(tmp_path, fake, bot_token=None)
        assert "SECRET_SOURCE=metadata" in only.cure


async def test_a_missing_intent_names_the_switch(tmp_path: Path) -> None:
    async with FakeDiscord(app=FakeApplication(granted=0)) as fake:
        assert "Message Content Intent under Bot" in bad(await diagnosis(tmp_path, fake))
        found = await diagnosis(tmp_path, fake, message_content=False)
        assert "4014" not in bad(found)
        assert "Server Members Intent" not in bad(found), "only some bridge apps need it"
        assert any("Server Members Intent is switched off" in one.what for one in found)
    async with FakeDiscord() as fake:
        assert any("Server Members Intent is switched on" in one.what for one in await diagnosis(tmp_path, fake))


async def test_permissions_servers_endpoint_and_key(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        fake.app.interactions_url = "https://phantom.example/discord/interactions"
        fake.faults.withdraw_permission("ADD_REACTIONS", where=fake.guild)
        said = bad(await diagnosis(tmp_path, fake, allowed_guilds=(fake.guild.id, "5"), application_id="7"))
        assert "lacks Add Reactions" in said
        assert "not in the allowed server 5" in said
        assert "names another application" in said
        assert "interactions go to an HTTP endpoint" in said
        assert "not registered yet" in said
        assert "everyone in the bot's servers" in said
        key = Secret("discord_public_key", held("k", "0" * 64)._source)
        assert "every post will be refused" in bad(await diagnosis(tmp_path, fake, transport="http", public_key=key))
        fake.app.interactions_url = None
        assert "no Interactions Endpoint URL" in bad(await diagnosis(tmp_path, fake, transport="http"))


async def test_no_discord_at_all(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        with socket.socket() as mute:  # bound, so that the port is nobody else's, and not listening
            mute.bind(("127.0.0.1", 0))
            nowhere = URL(fake.api_url).with_port(mute.getsockname()[1])
            (only,) = await diagnosis(tmp_path, fake, api_base_url=str(nowhere))
        assert only.level is Level.FAIL
        assert "network" in only.cure
