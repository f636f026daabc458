"""Every action of Discord's catalogue, asked for by the npm client `shardwire`: what it does, and what it answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from channels.discord.apps_catalogue import TABLE
from phantom.bridge.audit import rows
from phantom.testing.fake_discord import FakeChannel, FakeInteraction
from tests.interop.shardwire_kit import App, World, needs_shardwire, world

pytestmark = needs_shardwire
ACTIONS = {spec.name for spec in TABLE.actions}
ROW = [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}]
FORM: dict[str, Any] = {
    "title": "Why?",
    "customId": "why",
    "components": [{"type": 1, "components": [{"type": 4, "custom_id": "text", "style": 1, "label": "Why?"}]}],
}


async def test_every_action(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        app = await here.open()
        await app.on("interactionCreate")
        await app.do("ready")
        for scene in (messages, interactions, places, members, voice, raw):
            await scene(here, app)
        done = {row["action"] for row in await audit(here) if row["kind"] == "action" and row["outcome"] == "ok"}
        assert done == ACTIONS


async def audit(here: World) -> list[dict[str, Any]]:
    return [dict(row) for row in await asyncio.to_thread(lambda: list(rows(here.daemon.data_dir / "bridge")))]


async def messages(here: World, app: App) -> None:
    fake, place = here.fake, here.fake.general
    embed = {"title": "t", "fields": [{"name": "a", "value": "b"}]}
    sent = await app.done(
        "sendMessage", channelId=place.id, content="hi", embeds=[embed], components=ROW, allowedMentions={"parse": []}
    )
    there = place.messages[sent["id"]]
    assert (there.content, there.embeds[0]["title"], there.author) == ("hi", "t", fake.bot)
    assert (sent["channelId"], sent["guildId"], sent["content"]) == (place.id, fake.guild.id, "hi")
    assert (sent["author"]["id"], sent["components"][0]["type"], sent["embeds"][0]["title"]) == (fake.bot.id, 1, "t")
    which = {"channelId": place.id, "messageId": sent["id"]}
    edited = await app.done("editMessage", **which, content="hi2", embeds=[])
    assert (edited["content"], there.content, there.embeds) == ("hi2", "hi2", [])
    assert (await app.done("fetchMessage", **which))["content"] == "hi2"

    emoji = {"emoji": "🎉"}
    assert await app.done("addMessageReaction", **which, **emoji) == which | emoji
    assert there.reactions
    assert await app.done("removeOwnMessageReaction", **which, **emoji) == which | emoji
    assert not there.reactions
    assert await app.done("pinMessage", **which, reason="good") == {"pinned": True} | which
    assert there.pinned_at
    assert await app.done("unpinMessage", **which) == {"pinned": False} | which
    assert not there.pinned_at
    assert await app.done("deleteMessage", **which) == {"deleted": True} | which
    assert there.deleted
    assert (await app.refused("deleteMessage", **which))["code"] == "NOT_FOUND"

    three = [(await fake.post(fake.owner, place, text)).id for text in "abc"]
    bulk = await app.done("bulkDeleteMessages", channelId=place.id, messageIds=three)
    assert bulk == {"channelId": place.id, "deletedCount": 3, "deletedMessageIds": three}
    assert not place.messages.keys() & set(three)
    direct = await app.done("sendDirectMessage", userId=fake.owner.id, content="psst")
    assert (direct["channelId"], "guildId" in direct) == (fake.dm(fake.owner).id, False)
    assert fake.messages(fake.dm(fake.owner))[-1].content == "psst"


async def interactions(here: World, app: App) -> None:
    fake, count = here.fake, 0

    async def told(asked: FakeInteraction) -> tuple[FakeInteraction, dict[str, str]]:
        nonlocal count
        count += 1
        which = (await app.event("interactionCreate", count))["interaction"]["id"]
        assert which == asked.id
        return asked, {"interactionId": which}

    async def command() -> tuple[FakeInteraction, dict[str, str]]:
        return await told(fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "ticket", "type": 1}))

    async def press() -> tuple[FakeInteraction, dict[str, str]]:
        sent = await app.done("sendMessage", channelId=fake.general.id, content="press", components=ROW)
        return await told(await fake.click(fake.owner, fake.general.messages[sent["id"]], "go"))

    asked, which = await command()
    assert (await app.refused("followUpInteraction", **which, content="early"))["code"] == "INVALID_REQUEST"
    reply = await app.done("replyToInteraction", **which, content="filed", ephemeral=True)
    assert (reply["content"], fake.ephemerals[-1].content) == ("filed", "filed")
    assert (await app.refused("replyToInteraction", **which, content="again"))["code"] == "INVALID_REQUEST"
    assert (await app.done("editInteractionReply", **which, content="better"))["content"] == "better"
    assert asked.replies[0].content == "better"
    assert (await app.done("followUpInteraction", **which, content="more"))["content"] == "more"
    assert await app.done("deleteInteractionReply", **which) == {"deleted": True} | which
    asked, which = await command()
    assert await app.done("deferInteraction", **which) == {"deferred": True} | which
    assert asked.deferred
    await app.done("editInteractionReply", **which, content="at last")
    assert asked.replies[0].content == "at last"

    asked, which = await press()
    assert await app.done("deferUpdateInteraction", **which) == {"deferred": True} | which
    asked, which = await press()
    updated = await app.done("updateInteraction", **which, content="pressed", components=[])
    assert updated["content"] == "pressed"
    assert asked.source is not None
    assert asked.source.content == "pressed"
    asked, which = await press()
    assert await app.done("showModal", **which, **FORM) == {"shown": True} | which
    form = await fake.submit_modal(asked, {"text": "because"})
    _, which = await told(form)
    assert app.got("interactionCreate")[-1]["interaction"]["fields"] == {"text": "because"}
    await app.done("replyToInteraction", **which, content="thanks")


async def places(here: World, app: App) -> None:
    fake, guild = here.fake, here.fake.guild
    assert await app.done("fetchGuild", guildId=guild.id) == {
        "id": guild.id,
        "name": guild.name,
        "icon": None,
        "ownerId": guild.owner_id,
    }
    group = await app.done("createChannel", guildId=guild.id, name="group", type=4)
    made = await app.done("createChannel", guildId=guild.id, name="room", parentId=group["id"], topic="t", reason="r")
    assert made == {"id": made["id"], "type": 0, "name": "room", "guildId": guild.id, "parentId": group["id"]}
    room = fake.channel(made["id"])
    changed = await app.done("editChannel", channelId=room.id, name="hall", topic=None, parentId=None)
    assert (changed["name"], changed["parentId"], room.name, room.topic) == ("hall", None, "hall", None)
    assert await app.done("fetchChannel", channelId=room.id) == changed
    question = await fake.post(fake.owner, room, "?")
    thread = await app.done(
        "createThread", parentChannelId=room.id, name="T", messageId=question.id, autoArchiveDuration=60
    )
    assert (thread["id"], thread["parentId"], thread["guildId"]) == (question.id, room.id, guild.id)
    hidden = await app.done("createThread", parentChannelId=room.id, name="P", type="private")
    assert hidden["type"] == 12
    assert (await app.done("fetchThread", threadId=thread["id"]))["name"] == "T"
    assert (await app.done("archiveThread", threadId=thread["id"]))["archived"] is True
    assert fake.channel(thread["id"]).archived
    assert (await app.done("archiveThread", threadId=thread["id"], archived=False))["archived"] is False
    assert await app.done("deleteChannel", channelId=room.id) == {"deleted": True, "channelId": room.id}
    assert (await app.refused("fetchChannel", channelId=room.id))["code"] == "NOT_FOUND"


async def members(here: World, app: App) -> None:
    fake, guild = here.fake, here.fake.guild
    mia, role = fake.add_user("mia"), fake.add_role("helper")
    whom = {"guildId": guild.id, "userId": mia.id}
    assert (await app.done("fetchMember", **whom))["user"]["username"] == "mia"
    assert role.id in (await app.done("addMemberRole", **whom, roleId=role.id, reason="earned"))["roles"]
    assert guild.members[mia.id].roles == [role.id]
    assert role.id not in (await app.done("removeMemberRole", **whom, roleId=role.id))["roles"]
    assert await app.done("timeoutMember", **whom, durationMs=60_000) == whom
    assert guild.members[mia.id].timed_out_until
    assert (await app.refused("timeoutMember", **whom, durationMs=0))["code"] == "INVALID_REQUEST"
    assert (await app.done("removeMemberTimeout", **whom))["communicationDisabledUntil"] is None
    assert await app.done("kickMember", **whom, reason="rude") == whom
    assert mia.id not in guild.members
    await fake.join(mia)
    assert await app.done("banMember", **whom, reason="rude", deleteMessageSeconds=60) == whom
    assert mia.id in guild.bans
    assert await app.done("unbanMember", **whom) == whom
    assert mia.id not in guild.bans


async def voice(here: World, app: App) -> None:
    fake, guild = here.fake, here.fake.guild

    def channel(name: str, kind: str) -> FakeChannel:
        return fake.add_channel(name, kind=kind)

    one, two, stage = channel("one", "voice"), channel("two", "voice"), channel("stage", "stage")
    whom = {"guildId": guild.id, "userId": fake.owner.id}
    assert (await app.done("fetchVoiceState", **whom))["channelId"] is None
    await fake.join_voice(fake.owner, one)
    assert (await app.done("fetchVoiceState", **whom))["channelId"] == one.id
    assert (await app.done("moveMemberVoice", **whom, channelId=two.id))["userId"] == fake.owner.id
    assert guild.voice[fake.owner.id].channel_id == two.id
    await app.done("setMemberMute", **whom, mute=True, reason="loud")
    await app.done("setMemberDeaf", **whom, deaf=True)
    assert (guild.members[fake.owner.id].mute, guild.members[fake.owner.id].deaf) == (True, True)
    await app.done("moveMemberVoice", **whom, channelId=stage.id)
    await app.done("setMemberSuppressed", **whom, suppressed=False)
    assert guild.voice[fake.owner.id].suppress is False
    assert (await app.done("moveMemberVoice", **whom, channelId=None))["guildId"] == guild.id
    assert guild.voice == {}


async def raw(here: World, app: App) -> None:
    found = await app.do("raw", method="http.get_user", args=[here.fake.owner.id])
    assert found["ok"]
    assert found["data"]["username"] == here.fake.owner.name
    assert (await app.do("raw", method="login"))["error"]["code"] == "FORBIDDEN"
