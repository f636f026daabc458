"""The real discord.py on the fake gateway: ready, dispatch, resume, reconnect, sharding, refusals."""

from __future__ import annotations

import asyncio
import zlib

import aiohttp
import discord
import orjson
import pytest

from phantom.testing.fake_discord import FakeApplication, FakeDiscord
from phantom.testing.manual_clock import ManualClock
from tests.unit.testing.fake_discord_kit import all_intents, connected, listen, pointed_at


async def test_a_client_gets_ready_sees_the_guild_and_answers() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, seen):
        assert [guild.name for guild in client.guilds] == ["Acme"]
        assert {member.name for member in client.guilds[0].members} == {"olivia", "phantom"}
        question = await fake.post(fake.owner, fake.general, f"{fake.mention} hello")
        [message] = await seen.until("message")
        assert message.content == f"{fake.mention} hello"
        assert isinstance(message.author, discord.Member)
        assert client.user in message.mentions
        await message.reply("hi", mention_author=False)
        [answer] = await fake.wait_for(lambda: fake.replies(question))
        assert (answer.content, answer.pings) == ("hi", [])
        assert fake.violations == []


async def test_a_new_identify_after_a_kill_leaves_history_readable() -> None:
    async with FakeDiscord() as fake:
        async with connected(fake):
            pass
        missed = await fake.post(fake.owner, fake.general, "while you were away")
        async with connected(fake) as (client, seen):
            channel = client.get_channel(int(fake.general.id))
            assert isinstance(channel, discord.TextChannel)
            assert [one.content async for one in channel.history()] == [missed.content]
            assert seen.messages == []
        assert [one.shard for one in fake.gateway.identifies] == [0, 0]


async def test_a_dropped_connection_is_resumed_and_misses_nothing() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        fake.faults.drop_gateway()
        await fake.wait_for(lambda: fake.gateway.live == 0)
        await fake.post(fake.owner, fake.general, "missed")
        await seen.until("resumed")
        assert [one.content for one in await seen.until("message")] == ["missed"]
        assert [one.accepted for one in fake.gateway.resumes] == [True]
        assert len(fake.gateway.identifies) == 1


async def test_op_7_makes_the_client_resume() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        fake.faults.reconnect()
        await seen.until("resumed")
        await fake.post(fake.owner, fake.general, "after")
        assert [one.content for one in await seen.until("message")] == ["after"]


async def test_op_9_resumable_resumes_and_not_resumable_identifies_again() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        fake.faults.invalidate_session(resumable=True)
        await seen.until("resumed")
        fake.faults.invalidate_session()
        await fake.wait_for(lambda: len(fake.gateway.identifies) == 2)
        await fake.ready()
        await fake.post(fake.owner, fake.general, "after")
        assert [one.content for one in await seen.until("message")] == ["after"]


async def test_a_refused_resume_loses_what_was_missed_but_history_has_it() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        fake.faults.refuse_resumes()
        fake.faults.drop_gateway()
        await fake.wait_for(lambda: fake.gateway.live == 0)
        await fake.post(fake.owner, fake.general, "lost")
        await fake.wait_for(lambda: len(fake.gateway.identifies) == 2)
        await seen.until("ready", 2)
        assert seen.messages == []
        assert [one.content for one in fake.messages(fake.general)] == ["lost"]


async def test_a_buffer_that_does_not_reach_back_is_not_resumable() -> None:
    async with FakeDiscord(buffer=2) as fake, connected(fake):
        fake.faults.drop_gateway()
        await fake.wait_for(lambda: fake.gateway.live == 0)
        for number in range(3):
            await fake.post(fake.owner, fake.general, str(number))
        await fake.wait_for(lambda: len(fake.gateway.identifies) == 2)
        assert [one.accepted for one in fake.gateway.resumes] == [False]


@pytest.mark.parametrize("fault", ["zombie", "stop_acks"])
async def test_a_zombie_connection_is_noticed_and_resumed(fault: str) -> None:
    async with FakeDiscord(heartbeat_interval=0.2) as fake, connected(fake, heartbeat_timeout=0.6) as (_, seen):
        getattr(fake.faults, fault)()
        await fake.post(fake.owner, fake.general, "into the dark")
        await seen.until("resumed")
        assert [one.content for one in await seen.until("message")] == ["into the dark"]


async def test_refused_connections_are_tried_again() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        fake.faults.refuse_gateway()
        fake.faults.drop_gateway()
        await seen.until("disconnect")
        fake.faults.refuse_gateway(refused=False)
        await seen.until("resumed")


async def test_malformed_frames_on_command() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        fake.faults.send_frame(b'{"op": 99, "d": null}')
        fake.faults.send_frame(b'{"op": 0, "t": "NEW_THING", "s": 99, "d": {"a": 1}}')
        await fake.post(fake.owner, fake.general, "still here")
        assert [one.content for one in await seen.until("message")] == ["still here"]


async def test_a_wrong_token_is_refused_by_rest_and_by_the_gateway() -> None:
    async with FakeDiscord() as fake:
        client = discord.Client(intents=all_intents())
        with pointed_at(fake):
            with pytest.raises(discord.LoginFailure):
                await client.start("nonsense")
            await client.close()
        async with connected(fake) as (_, seen):
            fake.faults.revoke_token()
            [error] = await seen.until("failed")
            assert isinstance(error, discord.ConnectionClosed)
            assert error.code == 4004


async def test_a_privileged_intent_that_is_not_granted_closes_with_4014() -> None:
    async with FakeDiscord(app=FakeApplication(granted=0)) as fake:
        client = discord.Client(intents=all_intents())
        with pointed_at(fake), pytest.raises(discord.PrivilegedIntentsRequired):
            await client.start(fake.token)
        await client.close()
        assert [one.code for one in fake.gateway.identifies] == [4014]


async def test_without_the_content_intent_only_what_is_meant_for_the_bot_is_readable() -> None:
    async with FakeDiscord() as fake, connected(fake, intents=discord.Intents.default()) as (client, seen):
        await fake.post(fake.owner, fake.general, "private talk", files=[("a.txt", b"a")])
        mentioning = await fake.post(fake.owner, fake.general, f"{fake.mention} hear me")
        await fake.post(fake.owner, fake.dm(fake.owner), "in a DM")
        channel = client.get_channel(int(fake.general.id))
        assert isinstance(channel, discord.TextChannel)
        await channel.send("my own")
        heard = await seen.until("message", 4)
        texts = {one.content for one in heard}
        assert texts == {"", mentioning.content, "in a DM", "my own"}
        assert not next(one for one in heard if not one.content).attachments


async def test_intents_filter_events() -> None:
    async with (
        FakeDiscord() as fake,
        connected(fake, intents=discord.Intents(guilds=True, dm_messages=True)) as (
            _,
            seen,
        ),
    ):
        message = await fake.post(fake.owner, fake.general, "not for you")
        await fake.react(fake.owner, message, "👍")
        await fake.post(fake.owner, fake.dm(fake.owner), "for you")
        assert len(await seen.until("message")) == 1
        assert seen.of("raw_reaction_add") == []


async def test_channels_and_private_threads_that_the_bot_does_not_see_are_silent() -> None:
    async with FakeDiscord() as fake, connected(fake) as (_, seen):
        secret = fake.add_channel("secret", hidden_from_bot=True)
        await fake.post(fake.owner, secret, "psst")
        private = await fake.create_thread(fake.owner, fake.general, "private", private=True)
        await fake.post(fake.owner, private, "psst")
        await fake.post(fake.owner, fake.general, "hello")
        await seen.until("message", 1)
        assert "psst" not in {one.content for one in seen.messages}


async def test_what_people_do_is_heard() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, seen):
        message = await fake.post(fake.owner, fake.general, "one")
        await fake.edit(message, "two")
        await fake.react(fake.owner, message, "👍")
        await fake.unreact(fake.owner, message, "👍")
        thread = await fake.create_thread(fake.owner, fake.general, "a thread", message=message)
        await fake.post(fake.owner, thread, "inside")
        forum = fake.add_channel("questions", kind="forum")
        post = await fake.post_in_forum(fake.owner, forum, "How?", "like this")
        await fake.type(fake.owner, fake.general)
        newcomer = fake.add_user("nina", member=False)
        await fake.join(newcomer)
        await fake.leave(newcomer)
        await fake.delete(message)
        other = fake.add_guild("Other")
        await fake.remove_bot(other)
        await seen.until("guild_remove")
        for name in ("message_edit", "raw_reaction_add", "raw_reaction_remove", "typing", "member_join"):
            assert await seen.until(name), name
        assert len(seen.of("thread_create")) == 2
        places = [one.channel for one in seen.messages]
        assert [place.id for place in places] == [int(one) for one in (fake.general.id, thread.id, post.channel_id)]
        assert isinstance(places[1], discord.Thread)
        assert places[1].parent_id == int(fake.general.id)
        assert await seen.until("raw_message_delete")
        assert client.get_guild(int(other.id)) is None


async def test_shards_split_the_guilds() -> None:
    app = FakeApplication(shards=2, max_concurrency=2)
    async with FakeDiscord(app=app) as fake:
        for number in range(12):
            fake.add_guild(f"guild {number}")
        client = discord.AutoShardedClient(intents=all_intents(), guild_ready_timeout=0.2)
        async with connected(fake, client) as (_, seen):
            await seen.until("connect", 2)  # it is ready once nothing came for a while, with one shard still on its way
            assert len(client.guilds) == 13
            for guild in fake.core.world.guilds.values():
                place = fake.add_channel("talk", guild=guild)
                await fake.post(fake.owner, place, guild.id)
            heard = await seen.until("message", 13)
            assert {one.content for one in heard} == set(fake.core.world.guilds)
            assert {one.guild.shard_id for one in heard} == {0, 1}
        assert sorted(one.shard for one in fake.gateway.identifies) == [0, 1]


async def test_one_process_may_run_some_of_the_shards() -> None:
    async with FakeDiscord() as fake:
        mine = [fake.add_guild(f"guild {number}") for number in range(6)]
        client = discord.AutoShardedClient(intents=all_intents(), shard_ids=[1], shard_count=2, guild_ready_timeout=0.2)
        async with connected(fake, client):
            expected = {int(one.id) for one in [*mine, fake.guild] if (int(one.id) >> 22) % 2 == 1}
            assert {guild.id for guild in client.guilds} == expected


async def test_members_are_sent_in_chunks_on_request() -> None:
    async with FakeDiscord() as fake:
        for number in range(1200):
            fake.add_user(f"user{number}")
        async with connected(fake) as (client, _):
            assert len(client.guilds[0].members) == 1202


async def hello(session: aiohttp.ClientSession, fake: FakeDiscord, query: str = "v=10&encoding=json"):  # type: ignore[no-untyped-def]
    ws = await session.ws_connect(f"{fake.gateway_url}?{query}")
    return ws, await ws.receive()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", 4002),
        ('{"op": 77}', 4001),
        ('{"op": 8, "d": {}}', 4003),
        ('{"op": 2, "d": {"token": "x", "intents": 0}}', 4004),
        ('{"op": 2, "d": {"token": "TOKEN", "intents": 0, "shard": [2, 2]}}', 4010),
        ('{"op": 2, "d": {"token": "TOKEN", "intents": 1073741824}}', 4013),
        ('{"op": 2, "d": {"token": "TOKEN", "intents": 256}}', 4014),
        ('{"op": 6, "d": {"token": "x", "session_id": "s", "seq": 1}}', 4004),
    ],
)
async def test_bad_first_frames_close_with_their_codes(frame: str, code: int) -> None:
    async with FakeDiscord() as fake, aiohttp.ClientSession() as session:
        ws, first = await hello(session, fake)
        assert orjson.loads(first.data)["d"]["heartbeat_interval"] == 41250
        await ws.send_str(frame.replace("TOKEN", fake.token))
        closed = await ws.receive(timeout=30)
        assert (closed.type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, code)


async def test_too_few_shards_close_with_4011_and_an_old_version_with_4012() -> None:
    app = FakeApplication(shards=4, shards_required=True)
    async with FakeDiscord(app=app) as fake, aiohttp.ClientSession() as session:
        ws, _ = await hello(session, fake)
        await ws.send_str(orjson.dumps({"op": 2, "d": {"token": fake.token, "intents": 0}}).decode())
        await ws.receive(timeout=30)
        assert ws.close_code == 4011
        ws, _ = await hello(session, fake, "v=6&encoding=json")
        assert ws.close_code == 4012


async def test_identifies_closer_than_five_seconds_are_invalid_when_paced() -> None:
    async with FakeDiscord(clock=ManualClock()) as fake, aiohttp.ClientSession() as session:
        fake.faults.pace_identifies()
        answers = []
        for shard in (0, 1):
            ws, _ = await hello(session, fake)
            identify = {"op": 2, "d": {"token": fake.token, "intents": 0, "shard": [shard, 2]}}
            await ws.send_str(orjson.dumps(identify).decode())
            answers.append(orjson.loads((await ws.receive(timeout=30)).data))
        assert [one["t"] for one in answers] == ["READY", None]
        assert (answers[1]["op"], answers[1]["d"]) == (9, False)


async def test_zlib_stream_is_one_deflate_stream_with_sync_flushes() -> None:
    async with FakeDiscord() as fake, aiohttp.ClientSession() as session:
        ws, first = await hello(session, fake, "v=10&encoding=json&compress=zlib-stream")
        inflate = zlib.decompressobj()
        assert first.data.endswith(b"\x00\x00\xff\xff")
        assert orjson.loads(inflate.decompress(first.data))["op"] == 10
        await ws.send_str('{"op": 1, "d": null}')
        ack = await ws.receive(timeout=30)
        assert orjson.loads(inflate.decompress(ack.data))["op"] == 11


async def test_a_session_that_says_goodbye_cannot_be_resumed() -> None:
    async with FakeDiscord() as fake, aiohttp.ClientSession() as session:
        for code, left in ((1000, 0), (4000, 1)):
            ws, _ = await hello(session, fake)
            await ws.send_str(orjson.dumps({"op": 2, "d": {"token": fake.token, "intents": 0}}).decode())
            await fake.ready()
            await ws.close(code=code)
            await fake.wait_for(lambda: not fake.gateway.connections)
            assert len(fake.gateway.sessions) == left


async def test_unframed_garbage_reaches_the_client() -> None:
    async with FakeDiscord() as fake:
        client = discord.Client(intents=all_intents(), guild_ready_timeout=0.1)
        seen = listen(client)
        with pointed_at(fake):
            task = asyncio.create_task(client.start(fake.token))
            await seen.until("ready")
            fake.faults.send_unframed(b"garbage\x00\x00\xff\xff")
            await asyncio.wait([task], timeout=30)
            assert task.done()
            assert isinstance(task.exception(), zlib.error)
            await client.close()
