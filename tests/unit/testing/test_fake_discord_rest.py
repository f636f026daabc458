"""The REST routes of the fake through the real discord.py: messages, reactions, threads, members, permissions."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import pytest

from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.manual_clock import ManualClock
from tests.unit.testing.fake_discord_kit import all_intents, connected


def text_channel(client: discord.Client, fake: FakeDiscord) -> discord.TextChannel:
    channel = client.get_channel(int(fake.general.id))
    assert isinstance(channel, discord.TextChannel)
    return channel


async def test_sending_editing_and_deleting() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        channel = text_channel(client, fake)
        sent = await channel.send("one", embed=discord.Embed(title="t", description="d"))
        [stored] = fake.messages(fake.general)
        assert (stored.content, stored.embeds[0]["title"]) == ("one", "t")
        await sent.edit(content="two", embeds=[])
        assert (stored.content, stored.contents, stored.embeds) == ("two", ["one", "two"], [])
        assert stored.edited_at is not None
        await sent.delete()
        assert (fake.messages(fake.general), fake.deleted) == ([], [stored])
        with pytest.raises(discord.NotFound) as refused:
            await sent.edit(content="three")
        assert refused.value.code == 10008
        assert fake.violations == []


async def test_an_enforced_nonce_answers_with_the_earlier_message() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        channel = text_channel(client, fake)
        first = await channel.send("once", nonce="k1")
        again = await channel.send("twice?", nonce="k1")
        other = await channel.send("another", nonce="k2")
        assert first.id == again.id != other.id
        assert [one.content for one in fake.messages(fake.general)] == ["once", "another"]


async def test_a_nonce_is_forgotten_after_minutes() -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, connected(fake) as (client, _):
        channel = text_channel(client, fake)
        await channel.send("once", nonce="k1")
        clock.advance(301)
        await channel.send("twice", nonce="k1")
        assert len(fake.messages(fake.general)) == 2


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [
        ({"content": "x" * 2001}, 50035),
        ({"content": " "}, 50006),
        ({"embed": discord.Embed(description="x" * 4097)}, 50035),
        ({"embeds": [discord.Embed(description="x" * 3001)] * 2}, 50035),
        ({"content": "x", "nonce": "y" * 26}, 50035),
    ],
)
async def test_what_discord_refuses(kwargs: dict[str, Any], code: int) -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        with pytest.raises(discord.HTTPException) as refused:
            await text_channel(client, fake).send(**kwargs)
        assert (refused.value.status, refused.value.code) == (400, code)
        assert fake.messages(fake.general) == []


async def test_files_are_uploaded_served_and_described() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, seen):
        file = discord.File(io.BytesIO(b"a,b\n1,2\n"), "table.csv", description="numbers")
        sent = await text_channel(client, fake).send("here", file=file)
        [stored] = fake.messages(fake.general)[0].attachments
        assert (stored.filename, stored.size, stored.description) == ("table.csv", 8, "numbers")
        assert await sent.attachments[0].read() == b"a,b\n1,2\n"
        await fake.post(fake.owner, fake.general, "mine", files=[("cat.png", b"\x89PNG")])
        heard = (await seen.until("message", 2))[1]
        assert heard.attachments[0].content_type == "image/png"
        assert await heard.attachments[0].read() == b"\x89PNG"
        await sent.edit(attachments=[])
        assert fake.messages(fake.general)[0].attachments == []
        assert fake.violations == []


async def test_pings_follow_allowed_mentions() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        role = fake.add_role("team", mentionable=True)
        channel, text = text_channel(client, fake), f"@everyone {role.mention} {fake.owner.mention}"
        question = await fake.post(fake.owner, fake.general, "?")
        reply = (await channel.fetch_message(int(question.id))).reply
        only_user = discord.AllowedMentions(everyone=False, roles=False, users=[discord.Object(int(fake.owner.id))])
        await channel.send(text)
        await channel.send(text, allowed_mentions=discord.AllowedMentions.none())
        await channel.send(text, allowed_mentions=only_user)
        await reply("pinging reply")
        await reply("quiet reply", mention_author=False)
        everything, nothing, user, loud, quiet = fake.messages(fake.general)[1:]
        assert everything.pings == [role.mention, fake.owner.mention]
        assert nothing.pings == []
        assert user.pings == [fake.owner.mention]
        assert loud.pings == [fake.owner.mention]
        assert quiet.pings == []
        assert quiet.replied_to is question
        fake.guild.roles[fake.guild.members[fake.bot.id].roles[0]].permissions |= 1 << 17
        await channel.send(text)
        assert fake.messages(fake.general)[-1].pings[0] == "@everyone"
        edited = await channel.fetch_message(int(nothing.id))
        await edited.edit(content="@everyone", allowed_mentions=discord.AllowedMentions.all())
        assert nothing.pings == []
        assert fake.violations == []


async def test_history_pages_both_ways() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        for number in range(120):
            await fake.post(fake.owner, fake.general, str(number))
        channel, stored = text_channel(client, fake), fake.messages(fake.general)
        newest = [one.content async for one in channel.history(limit=3)]
        after = [one.content async for one in channel.history(after=discord.Object(int(stored[9].id)), limit=None)]
        before = [one.content async for one in channel.history(before=discord.Object(int(stored[5].id)))]
        around = [one.content async for one in channel.history(around=discord.Object(int(stored[50].id)), limit=5)]
        assert newest == ["119", "118", "117"]
        assert after == [str(number) for number in range(10, 120)]
        assert before == ["4", "3", "2", "1", "0"]
        assert sorted(around, key=int) == ["48", "49", "50", "51", "52"]
        assert fake.violations == []


async def test_reactions_pins_typing_and_bulk_delete() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, seen):
        fake.guild.owner_id = fake.bot.id
        channel = text_channel(client, fake)
        stored = await fake.post(fake.owner, fake.general, "react to me")
        message = await channel.fetch_message(int(stored.id))
        await message.add_reaction("👀")
        await fake.react(fake.owner, stored, "👀")
        assert stored.reactions == {"👀": [fake.bot.id, fake.owner.id]}
        fetched = await channel.fetch_message(message.id)
        assert [user.name async for user in fetched.reactions[0].users()] == ["olivia", "phantom"]
        assert fetched.reactions[0].me
        await message.remove_reaction("👀", discord.Object(int(fake.bot.id)))
        assert stored.reactions == {"👀": [fake.owner.id]}
        await message.clear_reactions()
        assert stored.reactions == {}
        with pytest.raises(discord.HTTPException) as refused:
            await message.add_reaction("eyes")
        assert refused.value.code == 10014
        await message.pin()
        assert [one.id async for one in channel.pins()] == [message.id]
        await message.unpin()
        async with channel.typing():
            await seen.until("typing")
        more = await channel.send("more")
        await channel.delete_messages([message, more])
        assert fake.messages(fake.general) == []
        assert fake.violations == []


async def test_threads_forum_posts_and_dms() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        channel = text_channel(client, fake)
        stored = await fake.post(fake.owner, fake.general, "discuss")
        thread = await (await channel.fetch_message(int(stored.id))).create_thread(name="talk")
        await thread.send("in the thread")
        assert [one.content for one in fake.messages(str(thread.id))] == ["in the thread"]
        assert fake.replies(stored)[0].content == "in the thread"
        with pytest.raises(discord.HTTPException) as refused:
            await (await channel.fetch_message(int(stored.id))).create_thread(name="again")
        assert refused.value.code == 160004
        await thread.edit(archived=True)
        assert fake.channel(str(thread.id)).archived
        await fake.post(fake.owner, str(thread.id), "wakes it")
        assert not fake.channel(str(thread.id)).archived
        assert [one.id for one in await channel.guild.active_threads()] == [thread.id]
        forum = fake.add_channel("help", kind="forum")
        place = await channel.guild.fetch_channel(int(forum.id))
        assert isinstance(place, discord.ForumChannel)
        post = await place.create_thread(name="Q", content="first")
        assert post.message.id == post.thread.id
        user = await client.fetch_user(int(fake.owner.id))
        await user.send("psst")
        assert [one.content for one in fake.messages(fake.dm(fake.owner))] == ["psst"]
        shy = fake.add_user("shy", dms_open=False)
        with pytest.raises(discord.Forbidden) as closed:
            await (await client.fetch_user(int(shy.id))).send("hello?")
        assert closed.value.code == 50007
        assert fake.violations == []


async def test_members_roles_kicks_bans_and_nicknames() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, seen):
        fake.guild.owner_id = fake.bot.id
        guild, person = client.guilds[0], fake.add_user("pat")
        role = fake.add_role("helpers")
        member = await guild.fetch_member(int(person.id))
        await member.add_roles(discord.Object(int(role.id)))
        await member.edit(nick="Patty")
        await member.timeout(datetime.now(UTC) + timedelta(minutes=5))
        stored = fake.guild.members[person.id]
        assert (stored.nick, stored.roles) == ("Patty", [role.id])
        assert stored.timed_out_until is not None
        await guild.kick(member)
        await seen.until("member_remove")
        with pytest.raises(discord.NotFound) as gone:
            await guild.fetch_member(int(person.id))
        assert gone.value.code == 10007
        await guild.ban(discord.Object(int(person.id)))
        assert [entry.user.name async for entry in guild.bans()] == ["pat"]
        await guild.unban(discord.Object(int(person.id)))
        assert fake.guild.bans == {}
        assert {one.name for one in await guild.fetch_roles()} == {"@everyone", "phantom", "helpers"}
        assert sorted([one.name async for one in guild.fetch_members()]) == ["olivia", "phantom"]
        assert fake.violations == []


@pytest.mark.parametrize(
    ("permission", "code"), [("SEND_MESSAGES", 50013), ("VIEW_CHANNEL", 50001), ("ATTACH_FILES", 50013)]
)
async def test_withdrawn_permissions(permission: str, code: int) -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.faults.withdraw_permission(permission)
        with pytest.raises(discord.Forbidden) as refused:
            await text_channel(client, fake).send("x", file=discord.File(io.BytesIO(b"x"), "x.txt"))
        assert refused.value.code == code
        fake.faults.grant_permission(permission)
        await text_channel(client, fake).send("x")


async def test_overwrites_of_a_channel_and_gone_places() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        fake.deny(fake.general, "SEND_MESSAGES")
        channel = text_channel(client, fake)
        with pytest.raises(discord.Forbidden) as refused:
            await channel.send("x")
        assert refused.value.code == 50013
        await fake.delete_channel(fake.general)
        with pytest.raises(discord.NotFound) as gone:
            await channel.send("x")
        assert gone.value.code == 10003
        other = fake.add_guild("elsewhere", with_bot=False)
        with pytest.raises(discord.NotFound) as unknown:
            await client.fetch_guild(int(other.id))
        assert unknown.value.code == 10004


async def test_a_token_that_was_reset_answers_401_and_is_in_no_record() -> None:
    async with FakeDiscord() as fake, connected(fake) as (client, _):
        old = fake.token
        fake.app.rotate_token()
        with pytest.raises(discord.HTTPException) as refused:
            await client.fetch_user(int(fake.owner.id))
        assert refused.value.status == 401
        assert old not in repr(fake.calls) + repr(fake.app) + repr(fake.interactions)


async def test_the_application_tells_its_intents_and_the_gateway_its_budget() -> None:
    async with FakeDiscord() as fake:
        client = discord.AutoShardedClient(intents=all_intents(), guild_ready_timeout=0.1)
        async with connected(fake, client):
            assert client.application_flags.gateway_message_content_limited
            assert not client.application_flags.gateway_presence_limited
            assert client.application is not None
            assert client.application.verify_key == fake.public_key
            limits = await client.fetch_session_start_limits()
            assert (limits.total, limits.remaining, limits.max_concurrency) == (1000, 999, 1)
            assert [one.name async for one in client.fetch_guilds()] == ["Acme"]
