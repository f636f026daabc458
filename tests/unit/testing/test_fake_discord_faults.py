"""Failures on command through the real discord.py: rate limits, lost answers, hangs, broken answers."""

from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.manual_clock import ManualClock
from tests.unit.testing.fake_discord_kit import connected


def channel_of(client: discord.Client, fake: FakeDiscord) -> discord.TextChannel:
    channel = client.get_channel(int(fake.general.id))
    assert isinstance(channel, discord.TextChannel)
    return channel


async def test_a_lost_answer_is_settled_by_the_nonce() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.drop_after("create_message")
        with pytest.raises(aiohttp.ClientError):
            await channel_of(client, fake).send("x", nonce="n1")
        [call] = fake.calls_of("create_message")
        assert (call.lost, call.applied, call.status) == (True, True, 0)
        again = await channel_of(client, fake).send("x", nonce="n1")
        assert [one.id for one in fake.messages(fake.general)] == [str(again.id)]


async def test_a_dropped_request_is_not_applied() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.drop_before("create_message")
        with pytest.raises(aiohttp.ClientError):
            await channel_of(client, fake).send("x")
        assert fake.messages(fake.general) == []


async def test_a_hanging_call_does_not_hold_up_others() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.hang("create_message")
        other = client.get_channel(int(fake.add_channel("other").id)) or await client.fetch_channel(
            int(fake.channel("other").id)
        )
        assert isinstance(other, discord.TextChannel)
        stuck = asyncio.create_task(channel_of(client, fake).send("x"))
        await fake.wait_for(lambda: fake.calls_of("create_message"))
        await other.send("y")
        assert [one.content for one in fake.messages("other")] == ["y"]
        stuck.cancel()


async def test_discord_errors_by_code_and_by_status() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.fail("create_message", code=50013)
        with pytest.raises(discord.Forbidden) as refused:
            await channel_of(client, fake).send("x")
        assert (refused.value.code, refused.value.text) == (50013, "Missing Permissions")
        fake.faults.reply("create_message", 503, b"<html>no</html>")
        with pytest.raises(discord.DiscordServerError):
            await channel_of(client, fake).send("x")
        fake.faults.fail("*", code=10003)
        with pytest.raises(discord.NotFound):
            await client.fetch_user(1)
        assert fake.faults.taken["error"] == 2


@pytest.mark.parametrize("scope", ["user", "global"])
async def test_429_is_waited_out(scope: str) -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.rate_limit("create_message", retry_after=0.05, scope=scope)
        await channel_of(client, fake).send("x")
        assert [call.status for call in fake.calls_of("create_message")] == [429, 200]


async def test_a_long_429_raises_where_the_client_says_so() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.rate_limit("create_message", retry_after=60)
        with pytest.raises(discord.RateLimited):
            await channel_of(client, fake).send("x")


async def test_a_small_bucket_is_kept_by_the_client_from_its_headers() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.limit("create_message", 2, per=0.3)
        for number in range(4):
            await channel_of(client, fake).send(str(number))
        assert {call.status for call in fake.calls_of("create_message")} == {200}


async def test_buckets_are_by_channel_and_tell_their_headers() -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, aiohttp.ClientSession() as session:
        fake.faults.limit("create_message", 1, per=5)
        other = fake.add_channel("other")

        async def send(channel: str) -> aiohttp.ClientResponse:
            url, headers = f"{fake.api_url}/channels/{channel}/messages", {"Authorization": f"Bot {fake.token}"}
            async with session.post(url, json={"content": "x"}, headers=headers) as response:
                await response.read()
                return response

        first, second, elsewhere = await send(fake.general.id), await send(fake.general.id), await send(other.id)
        assert [first.status, second.status, elsewhere.status] == [200, 429, 200]
        assert (first.headers["X-RateLimit-Limit"], first.headers["X-RateLimit-Remaining"]) == ("1", "0")
        assert first.headers["X-RateLimit-Bucket"] == elsewhere.headers["X-RateLimit-Bucket"]
        body = await second.json()
        assert body == {"message": "You are being rate limited.", "retry_after": 5.0, "global": False}
        assert (second.headers["Retry-After"], second.headers["X-RateLimit-Scope"]) == ("5", "user")
        clock.advance(5)
        assert (await send(fake.general.id)).status == 200
        fake.faults.clear()
        fake.faults.limit_global(1)
        assert (await send(fake.general.id)).status == 200
        limited = await send(other.id)
        assert (limited.status, limited.headers["X-RateLimit-Global"]) == (429, "true")
        assert (await limited.json())["global"] is True


async def test_a_delay_is_on_the_clock() -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, aiohttp.ClientSession() as session:
        fake.faults.delay("get_my_user", 30)
        request = asyncio.create_task(
            session.get(f"{fake.api_url}/users/@me", headers={"Authorization": f"Bot {fake.token}"})
        )
        await clock.wait_for_sleepers()
        assert not request.done()
        clock.advance(30)
        assert (await request).status == 200


async def test_broken_bodies_unknown_routes_and_missing_tokens() -> None:
    async with FakeDiscord() as fake, aiohttp.ClientSession() as session:
        url, headers = f"{fake.api_url}/channels/{fake.general.id}/messages", {"Authorization": f"Bot {fake.token}"}
        async with session.post(url, data=b"{", headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (400, 50109)
        async with session.post(url, json=[1], headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (400, 50035)
        async with session.post(url, json={"content": "x"}) as response:
            assert response.status == 401
        async with session.get(f"{fake.api_url}/nowhere", headers=headers) as response:
            assert (response.status, await response.json()) == (404, {"message": "404: Not Found", "code": 0})
        assert fake.messages(fake.general) == []


async def test_the_cdn_serves_lies_and_fails_on_command() -> None:
    async with FakeDiscord() as fake, aiohttp.ClientSession() as session:
        file = fake.share(fake.general, "big.bin", b"x" * 100)
        file.size = 3
        message = await fake.post(fake.owner, fake.general, "look", files=[file])
        assert message.to_discord()["attachments"][0]["size"] == 3
        async with session.get(file.url) as response:
            assert len(await response.read()) == 100
        fake.faults.reply("attachment", 403)
        async with session.get(file.url) as response:
            assert response.status == 403
        async with session.get(file.url + "x") as response:
            assert response.status == 404
        assert len(fake.downloads) == 3


async def test_the_feed_tells_of_everything_in_order() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _), fake.subscribe() as feed:
        message = await fake.post(fake.owner, fake.general, "one")
        await fake.react(fake.owner, message, "👍")
        async with channel_of(client, fake).typing():
            pass
        fake.faults.drop_gateway()
        await fake.wait_for(lambda: fake.gateway.live == 0)
        feed.close()
        told = [(type(change).__name__, getattr(change, "what", "")) async for change in feed]
        assert told[:4] == [
            ("MessageChanged", "posted"), ("MessageChanged", "reacted"), ("TypingStarted", ""), ("CallMade", ""),
        ]  # fmt: skip
        assert ("GatewayChanged", "disconnected") in told
        assert fake.typing == [fake.general.id]
