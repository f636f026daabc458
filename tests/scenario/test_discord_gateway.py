"""The gateway's faults, against real discord.py: drops, resumes, lost sessions, zombies, refusals, odd frames."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from channels.discord.gateway_client import IDENTIFY_SECONDS
from phantom.errors import AuthError, ConfigError, ConnectError
from phantom.messages import InboundMessage
from phantom.testing.conformance_bench import ConformanceInbox
from phantom.testing.fake_discord import FakeApplication, FakeDiscord
from phantom.testing.fake_discord.gateway import IDENTIFY_PACE
from phantom.testing.manual_clock import ManualClock
from tests.scenario.discord_kit import Wire, running, wired

WITHIN = 30.0


def texts(wire: Wire) -> list[str]:
    return [event.text for event in wire.events() if isinstance(event, InboundMessage)]


async def refused(wire: Wire) -> BaseException:
    """What `run` raises."""
    with pytest.raises((AuthError, ConfigError, ConnectError)) as raised:
        async with asyncio.timeout(WITHIN):
            await wire.channel.run(wire.inbox, asyncio.Event())
    return raised.value


async def test_after_a_drop_the_session_is_resumed_and_nothing_is_missed(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire, wire.inbox) as (_, ready):
        fake = wire.fake
        await fake.post(fake.owner, fake.general, f"{fake.mention} before")
        await wire.until_said("before")
        fake.faults.drop_gateway()
        await fake.post(fake.owner, fake.general, f"{fake.mention} during")
        await wire.until_said("during")
        await fake.post(fake.owner, fake.general, f"{fake.mention} after")
        await wire.until_said("after")
        assert texts(wire) == ["before", "during", "after"]
        assert len(fake.gateway.resumes) == 1
        assert ready.is_set()


@pytest.mark.parametrize("fault", ["reconnect", "close_gateway", "invalidate_resumable"])
async def test_what_discord_asks_for_is_resumed(tmp_path: Path, fault: str) -> None:
    async with wired(tmp_path) as wire, running(wire, wire.inbox):
        fake = wire.fake
        if fault == "invalidate_resumable":
            fake.faults.invalidate_session(resumable=True)
        else:
            getattr(fake.faults, fault)()
        await fake.wait_for(lambda: fake.gateway.resumes)
        await fake.post(fake.owner, fake.general, f"{fake.mention} hello")
        await wire.until_said("hello")


async def test_after_a_lost_session_what_was_missed_is_fetched_in_order(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire, wire.inbox):
        fake = wire.fake
        dm = fake.dm(fake.owner)
        thread = await fake.create_thread(fake.owner, fake.general, "side talk")
        await fake.post(fake.owner, dm, "first words")
        await fake.post(fake.owner, fake.general, f"{fake.mention} zero")
        await wire.until_said("zero")
        await wire.until_said("first words")
        fake.faults.refuse_gateway()
        fake.faults.drop_gateway()
        await fake.wait_for(lambda: not fake.gateway.connections)
        for word in ("one", "two", "three"):
            await fake.post(fake.owner, fake.general, f"{fake.mention} {word}")
        await fake.post(fake.owner, thread, f"{fake.mention} aside")
        await fake.post(fake.owner, dm, "psst")
        fake.faults.forget_sessions()
        fake.faults.refuse_gateway(refused=False)
        async with asyncio.timeout(2 * WITHIN):
            for word in ("three", "aside", "psst"):
                await wire.until_said(word)
        await fake.post(fake.owner, fake.general, f"{fake.mention} four")
        await wire.until_said("four")
        here = [text for text in texts(wire) if text in ("zero", "one", "two", "three", "four")]
        assert here == ["zero", "one", "two", "three", "four"]
        aside = await wire.until_said("aside")
        assert (aside.conversation.place, aside.conversation.thread) == (fake.general.id, thread.id)
        assert int(str(wire.channel.health().facts["fetched_after_absence"])) >= 5


async def test_after_a_restart_what_was_missed_is_fetched_once(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        inbox = ConformanceInbox()
        async with wired(tmp_path, fake) as wire, running(wire, inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} before")
            await inbox.until(lambda: len(inbox.envelopes) == 1)
        await fake.post(fake.owner, fake.general, f"{fake.mention} meanwhile")
        await fake.post(fake.owner, fake.general, "talk among people")
        async with wired(tmp_path, fake) as wire, running(wire, inbox):
            await inbox.until(lambda: len(inbox.envelopes) >= 3)
            wire.inbox = inbox
            assert texts(wire)[:2] == ["before", "meanwhile"]
            assert inbox.envelopes[2].idle
            assert wire.outcome("duplicate") == 1


async def test_the_first_start_fetches_nothing(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        await fake.post(fake.owner, fake.general, f"{fake.mention} long ago")
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await asyncio.sleep(0)
            # The margin of ten seconds is looked at, and no more.
            assert len(fake.calls_of("list_messages")) <= 1


async def test_a_bounded_look_back(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} before")
            await wire.until_said("before")
        for number in range(30):
            await fake.post(fake.owner, fake.general, f"{fake.mention} n{number}")
        async with wired(tmp_path, fake, backfill_messages=10) as later, running(later, later.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} now")
            await later.until_said("now")
            assert len(texts(later)) <= 11


async def test_a_connection_that_stays_away_is_not_healthy(tmp_path: Path) -> None:
    clock = ManualClock()
    async with wired(tmp_path, clock=clock) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), WITHIN)
        assert wire.channel.health().ok
        wire.fake.faults.refuse_gateway()
        wire.fake.faults.drop_gateway()
        await wire.until(lambda: wire.channel.health().facts["shards"] == 0)
        await clock.run_for(6)
        assert wire.channel.health().state == "connecting"
        assert "1 of 1 shards" in wire.channel.health().detail
        await clock.run_for(60)
        with pytest.raises(ConnectError):
            await asyncio.wait_for(task, WITHIN)


async def test_a_zombie_connection_is_noticed(tmp_path: Path) -> None:
    async with (
        FakeDiscord(heartbeat_interval=0.2) as fake,
        wired(tmp_path, fake, heartbeat_timeout=0.5) as wire,
        running(wire, wire.inbox),
    ):
        fake.faults.zombie()
        await fake.wait_for(lambda: fake.gateway.resumes)
        await fake.post(fake.owner, fake.general, f"{fake.mention} alive?")
        await wire.until_said("alive?")


async def test_heartbeats_without_acknowledgement_renew_the_connection(tmp_path: Path) -> None:
    async with FakeDiscord(heartbeat_interval=0.2) as fake, wired(tmp_path, fake) as wire, running(wire, wire.inbox):
        fake.faults.stop_acks()
        await fake.wait_for(lambda: fake.gateway.resumes)
        assert wire.meter.value("phantom_socket_reconnects_total", channel="discord", cause="stalled") >= 1


async def test_a_frame_that_discord_py_trips_over_ends_nothing(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire, running(wire, wire.inbox) as (_, ready):
        fake = wire.fake
        for kind in ("GUILD_UPDATE", "CHANNEL_UPDATE", "THREAD_LIST_SYNC", "MESSAGE_CREATE", "INTERACTION_CREATE"):
            shapes: tuple[object, ...] = ({}, {"id": None, "guild_id": []}, [], "words", None)
            for shape in shapes:
                frame = {"op": 0, "t": kind, "s": None, "d": shape}
                fake.faults.send_frame(orjson.dumps(frame))
        await fake.emit("SOMETHING_NEW", {"shape": [1]}, guild_id=fake.guild.id)
        await fake.post(fake.owner, fake.general, f"{fake.mention} still here?")
        await wire.until_said("still here?")
        assert ready.is_set()
        assert len(fake.gateway.identifies) == 1
        assert wire.meter.value("phantom_socket_frames_total", channel="discord", type="unparsed") > 5


@pytest.mark.parametrize("frame", [b"{broken", b"\xff\xfe", b"[]"])
async def test_a_garbled_frame_ends_this_run_only(tmp_path: Path, frame: bytes) -> None:
    async with wired(tmp_path) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), WITHIN)
        wire.fake.faults.send_frame(frame)
        with pytest.raises(ConnectError):
            await asyncio.wait_for(task, WITHIN)
        assert not ready.is_set()
        async with running(wire, wire.inbox):
            await wire.fake.post(wire.fake.owner, wire.fake.general, f"{wire.fake.mention} again")
            await wire.until_said("again")


async def test_a_switched_off_intent_names_the_switch(tmp_path: Path) -> None:
    async with FakeDiscord(app=FakeApplication(granted=0)) as fake:
        async with wired(tmp_path / "a", fake) as wire:
            error = await refused(wire)
            assert isinstance(error, AuthError)
            assert error.code == "disallowed_intents"
            assert "Message Content Intent" in error.hint
            assert "discord.com/developers" in error.hint
            assert "Message Content Intent" in wire.channel.health().cure
        async with wired(tmp_path / "b", fake, message_content=False) as wire, running(wire, wire.inbox):
            await fake.post(fake.owner, fake.general, f"{fake.mention} without it")
            await wire.until_said("without it")


async def test_a_bad_token_is_an_auth_error_before_and_while_serving(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), WITHIN)
        fresh = wire.fake.faults.revoke_token()
        with pytest.raises(AuthError):
            await asyncio.wait_for(task, WITHIN)
        assert not ready.is_set()
        assert wire.channel.health().state == "auth_failed"
        assert isinstance(await refused(wire), AuthError)
        wire.source.rotate(fresh)
        async with running(wire, wire.inbox):
            assert wire.channel.health().ok


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (4004, "auth_failed"),
        (4010, "bad_shards"),
        (4011, "bad_shards"),
        (4012, "bad_client"),
        (4013, "bad_client"),
        (4014, "disallowed_intents"),
    ],
)
async def test_what_no_repetition_cures_rests_this_channel(tmp_path: Path, code: int, name: str) -> None:
    """Never a `ConfigError`, with which a daemon that serves Discord alone would end."""
    async with wired(tmp_path, shard_count=1) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), WITHIN)
        wire.fake.faults.close_gateway(code)
        with pytest.raises(AuthError) as raised:
            await asyncio.wait_for(task, WITHIN)
        assert raised.value.code == name
        assert raised.value.hint
        assert not wire.channel.health().ok


async def test_when_more_shards_are_wanted_discord_is_asked_how_many(tmp_path: Path) -> None:
    async with wired(tmp_path) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), WITHIN)
        wire.fake.faults.close_gateway(4011)
        with pytest.raises(ConnectError):
            await asyncio.wait_for(task, WITHIN)
        wire.fake.app.shards = wire.fake.app.max_concurrency = 2
        async with running(wire, wire.inbox):
            assert wire.channel.health().facts["shards"] == 2


async def test_the_token_of_another_application_is_refused(tmp_path: Path) -> None:
    async with wired(tmp_path, application_id="999") as wire:
        error = await refused(wire)
        assert isinstance(error, AuthError)
        assert error.code == "wrong_application"


async def test_shards_can_be_shared_among_processes(tmp_path: Path) -> None:
    app = FakeApplication(shards=2, max_concurrency=2)
    async with FakeDiscord(app=app) as fake:
        guilds = [fake.guild, *(fake.add_guild(f"g{n}") for n in range(4))]
        async with (
            wired(tmp_path / "a", fake, shard_count=2, shard_ids=(0,)) as first,
            wired(tmp_path / "b", fake, shard_count=2, shard_ids=(1,)) as second,
            running(first, first.inbox),
            running(second, second.inbox),
        ):
            for guild in guilds:
                hall = fake.add_channel(f"hall-{guild.id}", guild=guild)
                await fake.post(fake.owner, hall, f"{fake.mention} {guild.id}")
            for guild in guilds:
                mine = first if (int(guild.id) >> 22) % 2 == 0 else second
                await mine.until_said(guild.id)
            assert len(texts(first)) + len(texts(second)) == len(guilds)


async def test_identifies_keep_to_the_pace(tmp_path: Path) -> None:
    async with FakeDiscord(app=FakeApplication(shards=2)) as fake:
        fake.faults.pace_identifies(3.0)  # Discord's five, less what a stalled machine may keep the first one back
        assert IDENTIFY_SECONDS > IDENTIFY_PACE
        async with wired(tmp_path, fake) as wire:
            task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
            await asyncio.wait_for(ready.wait(), WITHIN)
            assert len(fake.gateway.identifies) == 2
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_it_can_be_stopped_while_a_shard_is_being_renewed(tmp_path: Path) -> None:
    async with FakeDiscord() as fake, wired(tmp_path, fake) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), WITHIN)
        before = list(fake.gateway.connections)
        fake.faults.no_hello()
        fake.faults.reconnect()
        await fake.wait_for(lambda: [one for one in fake.gateway.connections if one not in before])
        task.cancel()
        await asyncio.wait((task,), timeout=WITHIN)
        assert task.cancelled()


async def test_no_session_left_for_today(tmp_path: Path) -> None:
    async with FakeDiscord(app=FakeApplication(session_limit=0)) as fake, wired(tmp_path, fake) as wire:
        error = await refused(wire)
        assert isinstance(error, ConnectError)
        assert error.retry_after


async def test_commands_are_registered_once(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        for _ in range(2):
            async with wired(tmp_path, fake) as wire, running(wire, wire.inbox):
                await fake.wait_for(fake.commands)
        assert {one["name"] for one in fake.commands()} == {"phantom", "Ask Phantom"}
        puts = [call for call in fake.calls if call.route == "bulk_set_application_commands"]
        assert len(puts) == 1
        assert not fake.violations


async def test_commands_of_a_development_server(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        async with wired(tmp_path, fake, dev_guild=fake.guild.id) as wire, running(wire, wire.inbox):
            await fake.wait_for(lambda: fake.commands(fake.guild))
        assert not fake.commands()
