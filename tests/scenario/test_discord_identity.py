"""`/v1/identity` → `discord`, over the real wire: what it binds, what it refuses, and how it is followed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from channels.discord.install import POLL_SECONDS, RETRY_SECONDS, STALE_SECONDS
from config.identity_fetcher import IdentityFetcher
from config.metadata_client import MetadataClient
from phantom.clock import SystemClock
from phantom.errors import MetadataError, PhantomError
from phantom.secrets import HeldSource, Secret
from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeChannel, FakeDiscord, FakeInteraction
from phantom.testing.fake_discord.signing import new_private_key
from phantom.testing.fake_metadata import UNSHOWN
from phantom.testing.manual_clock import ManualClock
from tests.scenario.discord_kit import Wire, running, wired


def install(fake: FakeDiscord, **other: Any) -> dict[str, Any]:
    """An identity with the fake's install; None takes a field away."""
    found = {"application_id": fake.application_id, "public_key": fake.public_key, "guild_ids": [fake.guild.id]} | other
    return {"tenant_id": "t1", "discord": {name: value for name, value in found.items() if value is not None}}


@asynccontextmanager
async def tenant(
    tmp_path: Path, *, clock: ManualClock | None = None, transport: str = "http", **settings: Any
) -> AsyncIterator[tuple[Wire, FakeMetadata]]:
    """A channel, not running yet, whose identity comes from a metadata service over HTTP."""
    async with FakeDiscord(clock=clock, answer_within=30) as fake, FakeMetadata(identity=install(fake)) as metadata:
        client = MetadataClient(metadata.url, SystemClock(), jitter=lambda: 0.0)
        provider = IdentityFetcher(client, configured=True)
        try:
            async with wired(tmp_path, fake, clock=clock, identity=provider, transport=transport, **settings) as wire:
                yield wire, metadata
        finally:
            await client.aclose()


class NapClock(ManualClock):
    """Also counts the naps of each length: who has begun another one has acted upon what the last one led to."""

    def __init__(self) -> None:
        super().__init__()
        self.naps: Counter[float] = Counter()

    async def sleep(self, seconds: float) -> None:
        self.naps[seconds] += 1
        await super().sleep(seconds)

    async def napping(self, seconds: float, count: int = 1) -> None:
        """Wait until so many naps of that length were begun."""
        async with asyncio.timeout(30):
            while self.naps[seconds] < count:
                await asyncio.sleep(0.005)


def facts(wire: Wire) -> dict[str, Any]:
    return dict(wire.channel.health().facts)


async def ask(wire: Wire, place: FakeChannel | None = None) -> FakeInteraction:
    """The owner uses `/phantom ask`, once it is registered."""
    fake = wire.fake
    await fake.wait_for(fake.commands)
    return await fake.command(fake.owner, place or fake.general, "phantom", "ask", {"question": "why?"})


async def refused(wire: Wire) -> PhantomError:
    """The error with which the channel's run ends."""
    async with asyncio.timeout(30):
        with pytest.raises(PhantomError) as caught:
            await wire.channel.run(wire.inbox, asyncio.Event())
    assert not wire.channel.health().ok
    assert UNSHOWN not in str(caught.value)
    return caught.value


async def test_key_application_and_servers_come_from_it(tmp_path: Path) -> None:
    async with tenant(tmp_path) as (wire, _), running(wire, wire.inbox):
        fake = wire.fake
        assert facts(wire)["public_key"] == "identity"
        assert (await fake.ping_endpoint()).status == 200
        elsewhere = fake.add_guild("Elsewhere")
        for guild, outcome in ((fake.guild, "accepted"), (elsewhere, "foreign_guild")):
            place = fake.general if guild is fake.guild else fake.add_channel("there", guild=guild)
            await ask(wire, place)
            await wire.until(lambda wanted=outcome: wire.outcome(wanted) == 1)  # type: ignore[misc]


async def test_an_install_without_a_list_serves_every_server_and_an_empty_list_serves_none(tmp_path: Path) -> None:
    cases: list[tuple[list[str] | None, str]] = [(None, "accepted"), ([], "foreign_guild")]
    for number, (listed, outcome) in enumerate(cases):
        async with tenant(tmp_path / str(number)) as (wire, metadata):
            metadata.identity = install(wire.fake, guild_ids=listed)
            async with running(wire, wire.inbox):
                await ask(wire)
                await wire.until(lambda wanted=outcome, here=wire: here.outcome(wanted) == 1)  # type: ignore[misc]


async def test_a_key_that_changes_while_posts_arrive(tmp_path: Path) -> None:
    """The first post with the new key is held until the service was asked; the old one counts for five more minutes."""
    clock = ManualClock()
    async with tenant(tmp_path, clock=clock) as (wire, metadata), running(wire, wire.inbox):
        fake, old, new = wire.fake, wire.fake.app.private_key, new_private_key()
        assert (await fake.ping_endpoint()).status == 200
        fake.app.private_key = new
        metadata.identity = install(fake)
        for key in (new, old, new):
            fake.app.private_key = key
            assert (await fake.ping_endpoint()).status == 200
        clock.advance(301)
        assert (await fake.ping_endpoint()).status == 200
        fake.app.private_key = old
        assert (await fake.ping_endpoint()).status == 401


async def test_forged_posts_do_not_hammer_the_service(tmp_path: Path) -> None:
    async with tenant(tmp_path, clock=ManualClock()) as (wire, metadata), running(wire, wire.inbox):
        wire.fake.faults.corrupt_signature(times=20)
        answers = await asyncio.gather(*(wire.fake.ping_endpoint() for _ in range(20)))
        assert {answer.status for answer in answers} == {401}
        assert metadata.count("/v1/identity") == 2


async def test_a_key_set_by_hand_wins_and_follows_its_own_source(tmp_path: Path) -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake:
        source = HeldSource("discord_public_key", fake.public_key)
        key = Secret("discord_public_key", source)
        async with (
            wired(tmp_path, fake, clock=clock, transport="http", public_key=key) as wire,
            running(wire, wire.inbox),
        ):
            assert facts(wire)["public_key"] == "set"
            old, fake.app.private_key = fake.app.private_key, new_private_key()
            source.rotate(fake.public_key)
            assert (await fake.ping_endpoint()).status == 200
            fake.app.private_key = old
            assert (await fake.ping_endpoint()).status == 200
            source.rotate("no key at all")
            source.expire_previous()
            assert (await fake.ping_endpoint()).status == 401
            health = wire.channel.health()
            assert not health.ok
            assert "64 hex digits" in health.detail


async def test_where_nothing_names_the_key_discord_is_asked_again(tmp_path: Path) -> None:
    async with tenant(tmp_path) as (wire, metadata):
        metadata.identity = {"tenant_id": "t1"}
        async with running(wire, wire.inbox):
            assert facts(wire)["public_key"] == "discord"
            wire.fake.app.private_key = new_private_key()
            assert (await wire.fake.ping_endpoint()).status == 200


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ({"tenant_id": "t1", "discord": "x"}, "identity.discord is not an object"),
        ({"tenant_id": "t1", "discord": {"application_id": "1"}}, "field discord.public_key is not a string"),
        ({"public_key": "zz" * 32}, "field discord.public_key is not 64 hex digits"),
        ({"application_id": "phantom"}, "field discord.application_id is not a Discord id"),
        ({"guild_ids": ["Acme"]}, "field discord.guild_ids is not a list of Discord ids"),
        ({"application_id": "7"}, "belongs to application"),
    ],
)
async def test_what_cannot_be_used_serves_nothing(tmp_path: Path, identity: dict[str, Any], says: str) -> None:
    async with tenant(tmp_path) as (wire, metadata):
        metadata.identity = identity if "tenant_id" in identity else install(wire.fake, **identity)
        error = await refused(wire)
        assert says in error.message
        assert (await wire.fake.ping_endpoint()).status == 503
        assert "zz" not in str(error)
        metadata.identity = install(wire.fake)
        async with running(wire, wire.inbox):
            assert (await wire.fake.ping_endpoint()).status == 200


@pytest.mark.parametrize("status", [404, 503])
async def test_a_service_that_fails_serves_nothing(tmp_path: Path, status: int) -> None:
    async with tenant(tmp_path) as (wire, metadata):
        metadata.answer_status(status)
        error = await refused(wire)
        assert isinstance(error, MetadataError)
        assert error.message == f"metadata: fetch identity failed: HTTP {status}"
        assert error.retryable == (status == 503)


async def test_a_configured_application_that_is_another_one(tmp_path: Path) -> None:
    async with tenant(tmp_path, application_id="1100000000000000001") as (wire, metadata):
        metadata.identity = install(wire.fake, application_id="1100000000000000002")
        error = await refused(wire)
        assert error.code == "install_mismatch"
        assert "DISCORD_APPLICATION_ID" in error.hint


async def test_configured_servers_are_narrowed_never_widened(tmp_path: Path) -> None:
    async with tenant(tmp_path, allowed_guilds=("5",)) as (wire, _), running(wire, wire.inbox):
        await ask(wire)
        await wire.until(lambda: wire.outcome("foreign_guild") == 1)


async def test_the_gateway_follows_the_servers_and_ends_with_the_install(tmp_path: Path) -> None:
    clock = NapClock()
    async with tenant(tmp_path, clock=clock, transport="gateway", backfill_messages=0) as (wire, metadata):
        fake = wire.fake
        work = asyncio.create_task(wire.channel.run(wire.inbox, asyncio.Event()))
        await wire.until(lambda: wire.channel.health().ok)
        await fake.post(fake.owner, fake.general, f"{fake.mention} one")
        await wire.until_said("one")
        metadata.identity = install(fake, guild_ids=["5"])
        await asked_again(clock)
        await fake.post(fake.owner, fake.general, f"{fake.mention} two")
        await wire.until(lambda: wire.outcome("foreign_guild") == 1)
        metadata.answer_status(503)
        await asked_again(clock, then=RETRY_SECONDS)
        assert wire.channel.health().ok
        metadata.heal()
        metadata.identity = {"tenant_id": "t1"}
        with pytest.raises(PhantomError) as caught:
            await asyncio.wait_for(asyncio.gather(work, clock.run_for(RETRY_SECONDS)), 30)
        assert caught.value.code == "install_withdrawn"
        assert (await refused(wire)).code == "install_withdrawn"


async def test_an_install_that_nobody_confirms_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    clock = NapClock()
    async with tenant(tmp_path, clock=clock) as (wire, metadata):
        work = asyncio.create_task(wire.channel.run(wire.inbox, asyncio.Event()))
        await wire.until(lambda: wire.channel.health().ok)
        metadata.answer_status(503)
        await clock.napping(POLL_SECONDS)
        clock.advance(STALE_SECONDS + 1)
        with pytest.raises(PhantomError) as caught:
            await asyncio.wait_for(work, 30)
        assert caught.value.code == "install_stale"
        assert (await wire.fake.ping_endpoint()).status == 503


async def asked_again(clock: NapClock, *, then: float = POLL_SECONDS) -> None:
    """Move the clock on until the service was asked and its answer acted upon: `then` is the nap after it."""
    await clock.napping(POLL_SECONDS)
    before = clock.naps[then]
    await clock.run_for(POLL_SECONDS)
    await clock.napping(then, before + 1)


async def test_a_daemon_that_has_everything_from_the_metadata_service(tmp_path: Path) -> None:
    """No Discord secret or id in its environment; the service fails while it boots, and the key changes later."""
    async with FakeDiscord(answer_within=30) as fake, FakeMetadata(identity=install(fake)) as metadata:
        metadata.rotate("discord_bot_token", fake.token)
        metadata.answer_status(503, path="/v1/identity", times=3)
        daemon = DaemonProcess(
            env={
                "SECRET_SOURCE": "metadata",
                "PHANTOM_METADATA_URL": metadata.url,
                "DISCORD_TRANSPORT": "http",
                "DISCORD_API_BASE_URL": fake.api_url,
                "OWNER_DISCORD_USER_ID": fake.owner.id,
            },
            data_dir=tmp_path / "data",
        )
        try:
            await daemon.start()
            fake.deliver_interactions_over_http(f"{daemon.url}/discord/interactions")
            await fake.wait_for(fake.commands)
            asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "hi"})
            await fake.wait_for(lambda: asked.original is not None and asked.original.content)
            fake.app.private_key = new_private_key()
            metadata.identity = install(fake)
            assert (await fake.ping_endpoint()).status == 200
            health = await daemon.until(lambda health: health["warnings"] == [])
            assert health["channels"]["discord"]["public_key"] == "identity"
            await metadata.wait_for(1, "/agent_ready")
            assert metadata.tenant_status == [("agent_ready", {"transport": "http"})]
            assert fake.token not in daemon.output
            assert UNSHOWN not in daemon.output
            assert fake.public_key not in json.dumps(health)
        finally:
            await daemon.aclose()
