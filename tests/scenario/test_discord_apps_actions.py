"""The actions of Discord's table but for interactions: each against a FakeDiscord, where its effect is seen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from channels.discord import apps, apps_line
from channels.discord.apps_line import Line
from channels.discord.rest import DiscordRest
from phantom.apps import ActionRefused, AppPlace, SupportsApps
from phantom.clock import SystemClock
from phantom.errors import AuthError
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.testing.fake_discord import FakeDiscord
from tests.scenario.discord_apps_kit import ACTIONS, Sink, lent
from tests.scenario.discord_kit import wired
from tests.scenario.test_discord_apps_answers import ANSWERS

MESSAGES = {
    "sendMessage",
    "sendDirectMessage",
    "editMessage",
    "fetchMessage",
    "deleteMessage",
    "pinMessage",
    "unpinMessage",
    "bulkDeleteMessages",
    "addMessageReaction",
    "removeOwnMessageReaction",
}
PLACES = {
    "fetchGuild",
    "fetchChannel",
    "fetchThread",
    "createChannel",
    "editChannel",
    "deleteChannel",
    "createThread",
    "archiveThread",
}
VOICE = {"fetchVoiceState", "moveMemberVoice", "setMemberMute", "setMemberDeaf", "setMemberSuppressed"}
MEMBERS = {
    "fetchMember",
    "banMember",
    "unbanMember",
    "kickMember",
    "addMemberRole",
    "removeMemberRole",
    "timeoutMember",
    "removeMemberTimeout",
}


def test_every_action_of_the_table_is_there_and_tried_here() -> None:
    assert set(apps.ACTIONS) == set(ACTIONS)
    assert set(ACTIONS) == MESSAGES | PLACES | VOICE | MEMBERS | ANSWERS | {"runRaw"}


async def refused(attempt: Any) -> ActionRefused:
    with pytest.raises(ActionRefused) as raised:
        await attempt
    return raised.value


async def test_messages(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, here = apps.fake, apps.fake.general.id
        await fake.empower_bot()
        assert isinstance(apps.wire.channel, SupportsApps)
        sent = await apps.act("sendMessage", channelId=here, content=f"@everyone {fake.owner.mention}", flags=4)
        post = fake.general.messages[sent["id"]]
        assert (post.pings, post.flags & 4) == ([], 4), "nobody is pinged unless the app says so"
        loud = await apps.act(
            "sendMessage", channelId=here, content=fake.owner.mention, allowedMentions={"users": [fake.owner.id]}
        )
        assert fake.general.messages[loud["id"]].pings == [fake.owner.mention]
        rows = [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}]
        edited = await apps.act(
            "editMessage", channelId=here, messageId=post.id, content="new", embeds=[{"title": "t"}], components=rows
        )
        assert (post.content, edited["components"][0]["components"][0]["custom_id"]) == ("new", "go")
        where = {"channelId": here, "messageId": post.id}
        assert (await apps.act("fetchMessage", **where))["content"] == "new"
        assert await apps.act("pinMessage", **where, reason="für später") == {"pinned": True, **where}
        assert post.pinned_at
        assert fake.calls_of("create_pin")[0].reason == "für später"
        assert (await apps.act("unpinMessage", **where))["pinned"] is False
        for emoji in ("👍", "%F0%9F%91%8D", "<:party:123>", "party:123"):
            assert (await apps.act("addMessageReaction", **where, emoji=emoji))["emoji"] == emoji
        assert set(post.reactions) == {"👍", "party:123"}
        await apps.act("removeOwnMessageReaction", **where, emoji="👍")
        assert set(post.reactions) == {"party:123"}
        direct = await apps.act("sendDirectMessage", userId=fake.owner.id, content="psst")
        assert [one.id for one in fake.messages(fake.dm(fake.owner))] == [direct["id"]]
        assert await apps.act("deleteMessage", **where) == {"deleted": True, **where}
        assert post.deleted
        many = [(await fake.post(fake.owner, fake.general, str(n))).id for n in range(3)]
        ancient = "1000000000000000"
        gone = await apps.act("bulkDeleteMessages", channelId=here, messageIds=[*many[:2], ancient])
        assert gone == {"channelId": here, "deletedCount": 2, "deletedMessageIds": many[:2]}
        await apps.act("bulkDeleteMessages", channelId=here, messageIds=[many[2]])
        assert not set(many) & set(fake.general.messages)
        assert (await apps.act("bulkDeleteMessages", channelId=here, messageIds=[ancient]))["deletedCount"] == 0
        assert (
            await refused(apps.act("bulkDeleteMessages", channelId=here, messageIds=[ancient, "2"], filterOld=False))
        ).details["discordCode"] == 50034
        assert fake.violations == []


async def test_servers_channels_and_threads(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, guild = apps.fake, apps.fake.guild
        await fake.empower_bot()
        assert (await apps.act("fetchGuild", guildId=guild.id))["name"] == guild.name
        group = await apps.act("createChannel", guildId=guild.id, name="group", type=4)
        made = await apps.act(
            "createChannel", guildId=guild.id, name="room", parentId=group["id"], topic="t", reason="needed"
        )
        room = fake.channel(made["id"])
        assert (room.name, room.topic, made["parentId"]) == ("room", "t", group["id"])
        assert fake.calls_of("create_guild_channel")[-1].reason == "needed"
        changed = await apps.act("editChannel", channelId=room.id, name="hall", topic=None, parentId=None)
        assert (changed["name"], room.topic, room.parent_id) == ("hall", None, None)
        assert (await refused(apps.act("editChannel", channelId=room.id))).bridge_code == "INVALID_REQUEST"
        assert (await apps.act("fetchChannel", channelId=room.id))["guildId"] == guild.id
        question = await fake.post(fake.owner, room, "?")
        on_it = await apps.act(
            "createThread", parentChannelId=room.id, name="T", messageId=question.id, autoArchiveDuration=60
        )
        assert (on_it["id"], on_it["parentId"], on_it["type"]) == (question.id, room.id, 11)
        hidden = await apps.act("createThread", parentChannelId=room.id, name="P", type="private")
        assert hidden["type"] == 12
        assert (await apps.act("createThread", parentChannelId=room.id, name="U"))["type"] == 11
        assert (await apps.act("fetchThread", threadId=hidden["id"]))["archived"] is False
        assert (await apps.act("archiveThread", threadId=hidden["id"]))["archived"] is True
        assert (await apps.act("archiveThread", threadId=hidden["id"], archived=False))["archived"] is False
        assert (await refused(apps.act("fetchThread", threadId=room.id))).bridge_code == "NOT_FOUND"
        forum = fake.add_channel("forum", kind="forum")
        await apps.event("channelCreate", 3)
        assert (await refused(apps.act("createThread", parentChannelId=forum.id, name="x"))).bridge_code == (
            "INVALID_REQUEST"
        )
        assert await apps.act("deleteChannel", channelId=room.id) == {"deleted": True, "channelId": room.id}
        assert room.id not in fake.core.world.channels
        assert fake.violations == []


async def test_members(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, guild = apps.fake, apps.fake.guild
        await fake.empower_bot()
        mia, role = fake.add_user("mia"), fake.add_role("helper")
        whom = {"guildId": guild.id, "userId": mia.id}
        assert (await apps.act("fetchMember", **whom))["displayName"] == "Mia"
        assert (await apps.act("addMemberRole", **whom, roleId=role.id, reason="earned"))["roles"] == [role.id]
        assert fake.calls_of("add_guild_member_role")[0].reason == "earned"
        assert (await apps.act("removeMemberRole", **whom, roleId=role.id))["roles"] == []
        began, clock = apps.fake.core.clock.now(), apps.fake.core.clock
        assert await apps.act("timeoutMember", **whom, durationMs=60_000) == whom
        member = guild.members[mia.id]
        assert member.timed_out_until is not None
        assert began + 59 < member.timed_out_until < clock.now() + 61
        assert (await apps.act("removeMemberTimeout", **whom))["communicationDisabledUntil"] is None
        assert await apps.act("kickMember", **whom) == whom
        assert mia.id not in guild.members
        await fake.join(mia)
        post = await fake.post(mia, fake.general, "rude")
        assert await apps.act("banMember", **whom, reason="rude", deleteMessageSeconds=60) == whom
        assert (mia.id in guild.bans, post.deleted) == (True, True)
        assert await apps.act("unbanMember", **whom) == whom
        assert mia.id not in guild.bans
        assert (await refused(apps.act("unbanMember", **whom))).details == {"discordStatus": 404, "discordCode": 10026}
        assert fake.violations == []


async def test_voice(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, guild = apps.fake, apps.fake.guild
        await fake.empower_bot()
        one, two = fake.add_channel("one", kind="voice"), fake.add_channel("two", kind="voice")
        stage = fake.add_channel("stage", kind="stage")
        whom = {"guildId": guild.id, "userId": fake.owner.id}
        assert (await apps.act("fetchVoiceState", **whom))["channelId"] is None
        assert (await refused(apps.act("setMemberMute", **whom, mute=True))).bridge_code == "INVALID_REQUEST"
        await fake.join_voice(fake.owner, one)
        assert (await apps.act("fetchVoiceState", **whom))["channelId"] == one.id
        assert (await apps.act("moveMemberVoice", **whom, channelId=two.id))["channelId"] == two.id
        assert (await apps.act("setMemberMute", **whom, mute=True, reason="loud"))["serverMute"] is True
        assert (await apps.act("setMemberDeaf", **whom, deaf=True))["serverDeaf"] is True
        assert guild.members[fake.owner.id].mute
        assert (await refused(apps.act("setMemberSuppressed", **whom, suppressed=True))).bridge_code == (
            "INVALID_REQUEST"
        )
        await apps.act("moveMemberVoice", **whom, channelId=stage.id)
        assert (await apps.act("setMemberSuppressed", **whom, suppressed=False))["suppress"] is False
        assert guild.voice[fake.owner.id].suppress is False
        out = await apps.act("moveMemberVoice", **whom, channelId=None)
        assert (out["channelId"], guild.voice) == (None, {})
        assert fake.violations == []


async def test_raw_calls_do_one_request_and_nothing_else(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        found = await apps.act("runRaw", method="http.get_user", args=[fake.owner.id])
        assert found["username"] == fake.owner.name
        astray = await refused(apps.act("runRaw", method="get_user", args=["../../oauth2/applications/@me"]))
        assert astray.bridge_code == "NOT_FOUND"
        for method in ("request", "close", "static_login", "nothing", "http.request", "ws_connect"):
            assert (await refused(apps.act("runRaw", method=method))).bridge_code == "INVALID_REQUEST"
        assert (await refused(apps.wire.channel.act("runRaw", {"method": "_HTTPClient__session"}, key=""))).hint
        assert (await refused(apps.act("runRaw", method="get_user", args=[]))).bridge_code == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("status", "code", "bridge_code"),
    [
        (403, 50001, "FORBIDDEN"),
        (403, 50013, "FORBIDDEN"),
        (404, 10003, "NOT_FOUND"),
        (404, 0, "NOT_FOUND"),
        (400, 10014, "INVALID_REQUEST"),
        (404, 10062, "NOT_FOUND"),
        (400, 50035, "INVALID_REQUEST"),
        (400, 0, "INVALID_REQUEST"),
        (413, 40005, "INVALID_REQUEST"),
        (429, 20016, "SERVICE_UNAVAILABLE"),
    ],
)
async def test_what_discord_refuses(tmp_path: Path, status: int, code: int, bridge_code: str) -> None:
    async with lent(tmp_path) as apps:
        apps.fake.faults.fail("create_message", code=code, status=status, message="Secret text", times=9)
        error = await refused(apps.act("sendMessage", channelId=apps.fake.general.id, content="x"))
        assert error.bridge_code == bridge_code
        assert error.details["discordStatus"] == status
        assert error.details.get("discordCode", 0) == code
        assert "Secret text" not in f"{error} {error.details}"
        assert not error.unknown


async def test_trouble_and_lost_answers(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, here = apps.fake, apps.fake.general.id
        fake.faults.fail("create_message", status=503)
        lost = await refused(apps.act("sendMessage", channelId=here, content="once"))
        assert (lost.bridge_code, lost.unknown, lost.retryable) == ("SERVICE_UNAVAILABLE", True, False)
        assert fake.messages(here) == []
        fake.faults.drop_after("create_message")
        lost = await refused(apps.act("sendMessage", channelId=here, content="once"))
        assert (lost.unknown, len(fake.messages(here))) == (True, 1)
        # With a key, Discord itself sees to it that a repeated post is the first one.
        fake.faults.drop_after("create_message")
        kept = await apps.act("sendMessage", channelId=here, content="kept", key="k1")
        again = await apps.act("sendMessage", channelId=here, content="kept", key="k1")
        assert kept["id"] == again["id"]
        nonces = {call.body.get("nonce") for call in fake.calls_of("create_message")[-3:]}
        assert len(nonces) == 1
        assert len(str(nonces.pop())) <= 25
        assert [one.content for one in fake.messages(here)] == ["once", "kept"]


async def test_nobody_waits_for_long() -> None:
    async with FakeDiscord() as fake:
        rest = DiscordRest(
            token=Secret("discord_bot_token", HeldSource("discord_bot_token", fake.token)),
            base_url=fake.api_url,
            clock=SystemClock(),
            meter=PrometheusMeter(),
        )
        line, path, body = Line(rest, wait=0.4), "/channels/{channel_id}/messages", {"content": "x"}
        await rest.whoami()  # opens the session: from now on a call is on the wire as soon as it is made
        fake.faults.hang("create_message")
        hung = await refused(line.call("POST", path, channel_id=fake.general.id, json=body))
        assert (hung.bridge_code, hung.unknown) == ("SERVICE_UNAVAILABLE", True)
        fake.faults.hang("get_channel")
        read = await refused(line.call("GET", "/channels/{channel_id}", channel_id=fake.general.id))
        assert (read.retryable, read.unknown) == (True, False)
        fake.faults.rate_limit("create_message", retry_after=25.0)
        patient = Line(rest, wait=3.0)  # so that Discord's answer, which is that nothing was done, is there before
        limited = await refused(patient.call("POST", path, channel_id=fake.general.id, json=body))
        assert (limited.bridge_code, limited.retryable, limited.unknown) == ("SERVICE_UNAVAILABLE", True, False)
        assert limited.details["retryAfterMs"] > 0
        assert fake.messages(fake.general) == []
        await rest.aclose()


async def test_a_form_error_names_the_fields_and_nothing_of_the_content(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        here = apps.fake.general.id
        body = b'{"code":50035,"message":"Invalid Form Body","errors":{"embeds":{"0":{"title":{"_errors":[{"code":"X",'
        body += b'"message":"my secret title is too long"}]}}}}}'
        apps.fake.faults.reply("create_message", 400, body, content_type="application/json")
        error = await refused(apps.act("sendMessage", channelId=here, content="x"))
        assert error.details == {"discordStatus": 400, "discordCode": 50035, "fields": ["embeds.0.title"]}
        assert "secret" not in str(error)


async def test_a_refused_token_stops_the_channel_and_is_no_fault_of_the_app(tmp_path: Path) -> None:
    async with FakeDiscord() as fake, wired(tmp_path, fake) as wire:
        wire.channel.lend(Sink(), frozenset())
        running = asyncio.create_task(wire.channel.run(wire.inbox, asyncio.Event()))
        await wire.until(lambda: wire.channel.health().ok)
        fake.app.rotate_token()
        error = await refused(wire.channel.act("fetchGuild", {"guildId": fake.guild.id}, key=""))
        assert (error.bridge_code, error.details) == ("SERVICE_UNAVAILABLE", {"discordStatus": 401})
        with pytest.raises(AuthError):
            await asyncio.wait_for(running, 30)


def asked(fake: FakeDiscord) -> int:
    """How many calls there were but for the channel's commands, which are registered beside everything else."""
    return sum("/commands" not in call.path for call in fake.calls)


async def test_where_an_action_would_act(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        other = fake.add_guild("Beta")
        hall = fake.add_channel("hall", guild=other)
        async with lent(tmp_path, fake, allowed_guilds=(fake.guild.id,)) as apps:
            place, guild = apps.wire.channel.app_place, fake.guild.id
            await apps.event("ready")
            here = fake.general.id
            thread = await fake.create_thread(fake.owner, fake.general, "side")
            await apps.event("threadCreate")
            calls = asked(fake)
            assert await place("sendMessage", {"channelId": here}) == AppPlace(guild=guild, channel=here)
            assert await place("fetchThread", {"threadId": thread.id}) == AppPlace(
                guild=guild, channel=thread.id, parent=here
            )
            assert await place("banMember", {"guildId": guild, "userId": "1"}) == AppPlace(guild=guild)
            assert await place("sendDirectMessage", {"userId": "1"}) == AppPlace()
            assert asked(fake) == calls, "what the gateway showed is not asked for"
            dm = fake.dm(fake.owner)
            for _ in range(2):
                assert await place("sendMessage", {"channelId": dm.id}) == AppPlace(channel=dm.id)
            assert len(fake.calls_of("get_channel")) == 1
            assert (await refused(place("sendMessage", {"channelId": "123"}))).bridge_code == "NOT_FOUND"
            assert (await refused(place("replyToInteraction", {"interactionId": "123"}))).bridge_code == "NOT_FOUND"
            assert (await refused(place("sendMessage", {"channelId": hall.id}))).bridge_code == "FORBIDDEN"
            assert (await refused(apps.act("sendMessage", channelId=hall.id, content="x"))).bridge_code == "FORBIDDEN"
            assert (await refused(apps.act("fetchGuild", guildId=other.id))).bridge_code == "FORBIDDEN"
            wrong = place("moveMemberVoice", {"guildId": other.id, "channelId": here})
            assert (await refused(wrong)).bridge_code in ("FORBIDDEN", "INVALID_REQUEST")
            assert fake.messages(hall) == []


async def test_many_actions_in_one_channel_leave_room_for_the_agent(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, here = apps.fake, apps.fake.general.id
        question = await fake.post(fake.owner, fake.general, f"{fake.mention} hello")
        await apps.act("sendMessage", channelId=here, content="warm")
        fake.faults.delay("create_message", 0.3, times=3 * apps_line.SLOTS)  # the rest goes through at once
        flood = [asyncio.create_task(apps.act("sendMessage", channelId=here, content=str(n))) for n in range(30)]
        await fake.wait_for(lambda: len(fake.calls_of("create_message")) > apps_line.SLOTS)
        before = len(fake.calls_of("create_message"))
        assert before <= 1 + 2 * apps_line.SLOTS
        await apps.wire.channel.send(apps.wire.answer(question, "the agent's"))
        order = [call.body["content"] for call in fake.calls_of("create_message")]
        assert order.index("the agent's") <= before + 2 * apps_line.SLOTS
        await asyncio.gather(*flood)
        assert len(fake.messages(here)) == 33


async def test_an_action_without_its_parameters_is_the_apps_mistake(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        for action in set(ACTIONS) - {"runRaw"}:
            error = await refused(apps.wire.channel.act(action, {}, key=""))
            assert error.bridge_code in ("INVALID_REQUEST", "NOT_FOUND"), action
        assert (await refused(apps.wire.channel.act("nothing", {}, key=""))).bridge_code == "INVALID_REQUEST"
