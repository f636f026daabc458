"""Every event of Discord's catalogue, made to happen in a FakeDiscord, as the npm client `shardwire` gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from channels.discord.apps_catalogue import TABLE
from phantom.testing.fake_discord import FakeInteraction
from tests.interop.shardwire_kit import App, World, needs_shardwire, world

pytestmark = needs_shardwire
EVENTS = [spec.name for spec in TABLE.events]
ROW = [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}]


async def test_every_event(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        app = await here.open()
        for name in EVENTS:
            await app.on(name)
        await app.do("ready")
        assert (await app.event("ready"))["user"]["id"] == here.fake.bot.id
        late = await here.open("late")
        await late.on("ready")
        await late.do("ready")
        assert (await late.event("ready"))["user"]["id"] == here.fake.bot.id
        for scene in (messages, reactions, interactions, places, members, servers):
            await scene(here, app)
        told = {one["event"] for one in here.driver.told}
        assert told == set(EVENTS)
        assert all(isinstance(one["data"]["receivedAt"], int) for one in here.driver.told)
        tokens = [one.token for one in here.fake.interactions]
        assert tokens
        assert not any(token in str(here.driver.told) for token in tokens)
        assert not [one for one in here.driver.logged if one["log"] in ("warn", "error")]


async def messages(here: World, app: App) -> None:
    fake = here.fake
    post = await fake.post(fake.owner, fake.general, "hello", files=[("a.txt", b"x")], embeds=[{"title": "t"}])
    message = (await app.event("messageCreate"))["message"]
    assert (message["id"], message["channelId"], message["guildId"]) == (post.id, fake.general.id, fake.guild.id)
    assert (message["content"], message["editedAt"], message["channelType"]) == ("hello", None, 0)
    assert message["createdAt"].endswith("Z")
    assert message["author"] == message["member"]["user"]
    assert (message["author"]["username"], message["author"]["bot"]) == (fake.owner.name, False)
    assert message["author"]["avatarUrl"].startswith("https://")
    assert message["attachments"][0].keys() == {"id", "name", "url", "contentType", "size"}
    assert message["embeds"][0]["title"] == "t"
    answer = await fake.post(fake.owner, fake.general, "and this", reply_to=post)
    assert (await app.event("messageCreate", 2))["message"]["reference"] == {
        "messageId": post.id,
        "channelId": fake.general.id,
        "guildId": fake.guild.id,
    }
    await fake.edit(answer, "and that")
    edited = await app.event("messageUpdate")
    assert edited["message"]["content"] == "and that"
    assert edited["message"]["editedAt"]
    third = await fake.post(fake.owner, fake.general, "third")
    await fake.delete(third)
    deleted = (await app.event("messageDelete"))["message"]
    assert (deleted["id"], deleted["channelId"], deleted["guildId"]) == (third.id, fake.general.id, fake.guild.id)
    assert deleted["deletedAt"].endswith("Z")
    await fake.delete(post, answer)
    bulk = await app.event("messageBulkDelete")
    assert (bulk["messageIds"], bulk["channelId"]) == ([post.id, answer.id], fake.general.id)
    await fake.type(fake.owner, fake.general)
    typing = await app.event("typingStart")
    assert (typing["userId"], typing["channelId"]) == (fake.owner.id, fake.general.id)
    assert isinstance(typing["startedAt"], int)
    await fake.post(fake.owner, fake.dm(fake.owner), "psst")
    direct = (await app.event("messageCreate", 4))["message"]
    assert direct["content"] == "psst"
    assert not {"guildId", "member"} & direct.keys()


async def reactions(here: World, app: App) -> None:
    fake = here.fake
    post = await fake.post(fake.owner, fake.general, "react")
    await fake.react(fake.owner, post, "👍")
    added = (await app.event("messageReactionAdd"))["reaction"]
    assert (added["messageId"], added["user"]["id"], added["emoji"]["name"]) == (post.id, fake.owner.id, "👍")
    await fake.unreact(fake.owner, post, "👍")
    assert (await app.event("messageReactionRemove"))["reaction"]["user"]["id"] == fake.owner.id
    await fake.react(fake.owner, post, "party:123")
    await fake.clear_reactions(post, "party:123")
    gone = (await app.event("messageReactionRemoveEmoji"))["reaction"]
    assert (gone["emoji"]["id"], gone["emoji"]["name"], "user" in gone) == ("123", "party", False)
    await fake.clear_reactions(post)
    assert (await app.event("messageReactionRemoveAll"))["messageId"] == post.id


async def interactions(here: World, app: App) -> None:
    fake, count = here.fake, 0

    async def shown(_: FakeInteraction) -> dict[str, Any]:
        nonlocal count
        count += 1
        interaction: dict[str, Any] = (await app.event("interactionCreate", count))["interaction"]
        assert (interaction["user"]["id"], interaction["applicationId"]) == (fake.owner.id, fake.application_id)
        return interaction

    asked = {"id": "1", "name": "ticket", "type": 1, "options": [{"name": "about", "type": 3, "value": "a bug"}]}
    command = await shown(fake.interact(2, fake.owner, fake.general, asked))
    assert (command["kind"], command["commandName"], command["options"]) == ("chatInput", "ticket", {"about": "a bug"})
    menu = await shown(fake.interact(2, fake.owner, fake.general, {"id": "2", "name": "Report", "type": 3}))
    assert (menu["kind"], menu["commandName"]) == ("contextMenu", "Report")
    source = await fake.post(fake.bot, fake.general, "press")
    pressed = {"custom_id": "go", "component_type": 2}
    button = await shown(fake.interact(3, fake.owner, fake.general, pressed, source))
    assert (button["kind"], button["customId"], button["message"]["id"]) == ("button", "go", source.id)
    kinds = {3: "stringSelect", 5: "userSelect", 6: "roleSelect", 7: "mentionableSelect", 8: "channelSelect"}
    for component, kind in kinds.items():
        chosen = {"custom_id": "pick", "component_type": component, "values": ["5"]}
        select = await shown(fake.interact(3, fake.owner, fake.general, chosen, source))
        assert (select["kind"], select["values"]) == (kind, ["5"])
    rows = [{"type": 1, "components": [{"type": 4, "custom_id": "why", "value": "because"}]}]
    form = await shown(fake.interact(5, fake.owner, fake.general, {"custom_id": "form", "components": rows}))
    assert (form["kind"], form["customId"], form["fields"]) == ("modalSubmit", "form", {"why": "because"})


async def places(here: World, app: App) -> None:
    fake = here.fake
    group = fake.add_channel("group", kind="category")
    room = fake.add_channel("room", parent=group)
    made = (await app.event("channelCreate", 2))["channel"]
    assert made == {"id": room.id, "type": 0, "name": "room", "guildId": fake.guild.id, "parentId": group.id}
    await fake.rename(room, "hall")
    changed = await app.event("channelUpdate")
    assert (changed["oldChannel"]["name"], changed["channel"]["name"]) == ("room", "hall")
    await fake.change_webhooks(room)
    hooks = await app.event("webhooksUpdate")
    assert (hooks["channelId"], hooks["guildId"]) == (room.id, fake.guild.id)
    thread = await fake.create_thread(fake.owner, room, "topic")
    begun = (await app.event("threadCreate"))["thread"]
    assert (begun["id"], begun["parentId"], begun["guildId"]) == (thread.id, room.id, fake.guild.id)
    assert (begun["name"], begun["type"], begun["archived"], begun["locked"]) == ("topic", 11, False, False)
    await fake.archive(thread)
    archived = await app.event("threadUpdate")
    assert (archived["oldThread"]["archived"], archived["thread"]["archived"]) == (False, True)
    await fake.delete_channel(thread)
    assert (await app.event("threadDelete"))["thread"]["id"] == thread.id
    await fake.delete_channel(room)
    assert (await app.event("channelDelete"))["channel"]["id"] == room.id


async def members(here: World, app: App) -> None:
    fake, guild = here.fake, here.fake.guild
    mia = fake.add_user("mia", member=False)
    await fake.join(mia)
    joined = (await app.event("guildMemberAdd"))["member"]
    assert (joined["id"], joined["guildId"], joined["user"]["username"]) == (mia.id, guild.id, "mia")
    assert joined["joinedAt"].endswith("Z")
    await fake.set_nick(mia, "Mimi")
    renamed = await app.event("guildMemberUpdate")
    assert (renamed["oldMember"]["nickname"], renamed["member"]["nickname"]) == (None, "Mimi")
    voice = fake.add_channel("voice", kind="voice")
    await fake.join_voice(mia, voice)
    heard = (await app.event("voiceStateUpdate"))["state"]
    assert (heard["channelId"], heard["userId"], heard["guildId"]) == (voice.id, mia.id, guild.id)
    assert {heard[name] for name in ("selfMute", "selfDeaf", "selfVideo", "selfStream", "suppress")} == {False}
    await fake.leave_voice(mia)
    left = await app.event("voiceStateUpdate", 2)
    assert (left["oldState"]["channelId"], left["state"]["channelId"]) == (voice.id, None)
    await fake.leave(mia)
    assert (await app.event("guildMemberRemove"))["member"]["id"] == mia.id


async def servers(here: World, app: App) -> None:
    fake = here.fake
    other = fake.add_guild("Beta")
    guild = (await app.event("guildCreate"))["guild"]
    assert guild == {"id": other.id, "name": "Beta", "icon": None, "ownerId": other.owner_id}
    await fake.rename_guild("Gamma", other)
    renamed = await app.event("guildUpdate")
    assert (renamed["oldGuild"]["name"], renamed["guild"]["name"]) == ("Beta", "Gamma")
    await fake.remove_bot(other)
    assert (await app.event("guildDelete"))["guild"]["id"] == other.id
