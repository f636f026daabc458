"""All 25 events of Discord's table: what people do in a FakeDiscord, through real discord.py, to an app's payload."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from channels.discord.apps_events import INTERRUPTED
from channels.discord.apps_shapes import when
from phantom.testing.conformance_bench import ConformanceInbox
from phantom.testing.fake_discord import FakeApplication, FakeDiscord
from tests.scenario.discord_apps_kit import EVENTS, Apps, Sink, lent
from tests.scenario.discord_kit import running, wired


async def test_messages(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        ready = await apps.event("ready")
        assert ready.data["user"]["id"] == fake.bot.id
        assert ready.facts == {}

        post = await fake.post(fake.owner, fake.general, "hello", files=[("a.txt", b"x")], embeds=[{"title": "t"}])
        told = await apps.event("messageCreate")
        message = told.data["message"]
        assert (message["content"], message["author"]["username"]) == ("hello", fake.owner.name)
        assert message["member"]["displayName"] == fake.owner.global_name
        assert message["attachments"][0]["name"] == "a.txt"
        assert message["embeds"][0]["title"] == "t"
        assert told.facts == {
            "guildId": fake.guild.id,
            "channelId": fake.general.id,
            "channelType": "0",
            "messageId": post.id,
            "userId": fake.owner.id,
        }

        answer = await fake.post(fake.owner, fake.general, "and this", reply_to=post)
        assert (await apps.event("messageCreate", 2)).data["message"]["reference"]["messageId"] == post.id
        await fake.edit(answer, "and that")
        edited = (await apps.event("messageUpdate")).data["message"]
        assert (edited["content"], bool(edited["editedAt"])) == ("and that", True)

        third = await fake.post(fake.owner, fake.general, "third")
        await fake.delete(third)
        assert (await apps.event("messageDelete")).data["message"]["id"] == third.id
        await fake.delete(post, answer)
        bulk = await apps.event("messageBulkDelete")
        assert bulk.data["messageIds"] == [post.id, answer.id]
        assert bulk.facts["messageId"] == (post.id, answer.id)


async def test_reactions_and_typing(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        post = await fake.post(fake.owner, fake.general, "hello")
        await fake.react(fake.owner, post, "👍")
        reacted = await apps.event("messageReactionAdd")
        assert reacted.data["reaction"]["user"]["username"] == fake.owner.name
        assert reacted.facts["emoji"] == ("👍",)
        await fake.unreact(fake.owner, post, "👍")
        taken = await apps.event("messageReactionRemove")
        assert taken.data["reaction"]["user"]["id"] == taken.facts["userId"] == fake.owner.id
        await fake.react(fake.owner, post, "party:123")
        custom = await apps.event("messageReactionAdd", 2)
        assert custom.facts["emoji"] == ("123", "party", "party:123", "<:party:123>")
        await fake.clear_reactions(post, "party:123")
        assert (await apps.event("messageReactionRemoveEmoji")).data["reaction"]["emoji"]["id"] == "123"
        await fake.clear_reactions(post)
        assert (await apps.event("messageReactionRemoveAll")).facts["messageId"] == post.id

        await fake.type(fake.owner, fake.general)
        typing = await apps.event("typingStart")
        assert typing.data["startedAt"] > 1_500_000_000_000
        assert typing.facts["userId"] == fake.owner.id


async def test_direct_messages_threads_and_things_nobody_has_seen(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        old = await fake.post(fake.owner, fake.general, "from before we came")
        async with lent(tmp_path, fake) as apps:
            await fake.react(fake.owner, old, "👀")
            assert (await apps.event("messageReactionAdd")).facts["messageId"] == old.id
            dm = fake.dm(fake.owner)
            await fake.post(fake.owner, dm, "psst")
            direct = await apps.said("psst")
            assert direct.facts == {
                "channelId": dm.id,
                "channelType": "1",
                "messageId": direct.data["message"]["id"],
                "userId": fake.owner.id,
            }
            assert "guildId" not in direct.data["message"]
            thread = await fake.create_thread(fake.owner, fake.general, "side")
            inside = await fake.post(fake.owner, thread, "in here")
            told = await apps.said("in here")
            assert told.facts["parentChannelId"] == told.data["message"]["parentChannelId"] == fake.general.id
            assert told.facts["threadId"] == told.facts["channelId"] == thread.id
            await fake.react(fake.owner, inside, "👍")
            assert (await apps.event("messageReactionAdd", 2)).facts["parentChannelId"] == fake.general.id


async def test_servers(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        other = fake.add_guild("Beta")
        assert (await apps.event("guildCreate")).data["guild"] == {
            "id": other.id,
            "name": "Beta",
            "icon": None,
            "ownerId": other.owner_id,
        }
        await fake.rename_guild("Gamma", other)
        renamed = await apps.event("guildUpdate")
        assert (renamed.data["oldGuild"]["name"], renamed.data["guild"]["name"]) == ("Beta", "Gamma")
        await fake.outage(other)
        await fake.add_bot(other)
        await fake.remove_bot(other)
        assert (await apps.event("guildDelete")).data["guild"]["name"] == "Gamma"
        # The first server showed itself as the session began, the second after its outage: neither is news.
        assert len(apps.sink.of("guildCreate")) == len(apps.sink.of("guildDelete")) == 1


async def test_members_and_voice(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake, guild = apps.fake, apps.fake.guild
        mia = fake.add_user("mia", member=False)
        await fake.join(mia)
        assert (await apps.event("guildMemberAdd")).facts == {"guildId": guild.id, "userId": mia.id}
        await fake.set_nick(mia, "Mimi")
        changed = (await apps.event("guildMemberUpdate")).data
        assert (changed["oldMember"]["nickname"], changed["member"]["displayName"]) == (None, "Mimi")
        await fake.leave(mia)
        assert (await apps.event("guildMemberRemove")).data["member"]["nickname"] == "Mimi"

        voice = fake.add_channel("voice", kind="voice")
        await fake.join_voice(fake.owner, voice)
        joined = await apps.event("voiceStateUpdate")
        assert joined.facts["voiceChannelId"] == joined.data["state"]["channelId"] == voice.id
        await fake.set_voice(fake.owner, self_mute=True)
        muted = (await apps.event("voiceStateUpdate", 2)).data
        assert (muted["oldState"]["selfMute"], muted["state"]["selfMute"]) == (False, True)
        await fake.leave_voice(fake.owner)
        left = await apps.event("voiceStateUpdate", 3)
        assert left.data["state"]["channelId"] is None
        assert left.facts["voiceChannelId"] == voice.id  # where they left
        assert set(apps.sink.gaps) == {("discord", INTERRUPTED)}


async def test_channels_threads_and_webhooks(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        group = fake.add_channel("group", kind="category")
        room = fake.add_channel("room", parent=group)
        made = await apps.event("channelCreate", 2)
        assert made.facts["parentChannelId"] == made.data["channel"]["parentId"] == group.id
        await fake.rename(room, "hall")
        moved = (await apps.event("channelUpdate")).data
        assert (moved["oldChannel"]["name"], moved["channel"]["name"]) == ("room", "hall")
        await fake.change_webhooks(room)
        assert (await apps.event("webhooksUpdate")).facts["parentChannelId"] == group.id

        thread = await fake.create_thread(fake.owner, room, "topic")
        begun = await apps.event("threadCreate")
        assert begun.facts["channelId"] == (room.id, thread.id)
        assert begun.facts["threadId"] == thread.id
        await fake.archive(thread)
        archived = (await apps.event("threadUpdate")).data
        assert (archived["oldThread"]["archived"], archived["thread"]["archived"]) == (False, True)
        await fake.delete_channel(thread)
        assert (await apps.event("threadDelete")).data["thread"]["name"] == "topic"
        await fake.delete_channel(room)
        assert (await apps.event("channelDelete")).data["channel"]["name"] == "hall"


async def test_every_kind_of_interaction_without_its_token(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        mine = fake.interact
        data = {"id": "1", "name": "ticket", "type": 1, "options": [{"name": "about", "type": 3, "value": "a bug"}]}
        mine(2, fake.owner, fake.general, data)
        command = await apps.event("interactionCreate")
        shown = command.data["interaction"]
        assert (shown["kind"], shown["commandName"], shown["options"]) == ("chatInput", "ticket", {"about": "a bug"})
        assert command.facts["commandName"] == "ticket"
        assert command.facts["interactionKind"] == "chatInput"
        nested = {"name": "close", "type": 1, "options": [{"name": "id", "type": 4, "value": 7}]}
        mine(2, fake.owner, fake.general, data | {"options": [nested]})
        assert (await apps.event("interactionCreate", 2)).data["interaction"]["options"] == {"close": [7]}
        mine(2, fake.owner, fake.general, {"id": "2", "name": "Report", "type": 3, "target_id": "5"})
        assert (await apps.event("interactionCreate", 3)).data["interaction"]["kind"] == "contextMenu"
        source = await fake.post(fake.bot, fake.general, "press")
        kinds = {2: "button", 3: "stringSelect", 5: "userSelect", 6: "roleSelect", 7: "mentionableSelect"}
        for number, (component, kind) in enumerate((kinds | {8: "channelSelect"}).items(), 4):
            pressed = {"custom_id": "ok", "component_type": component, "values": ["5"]}
            mine(3, fake.owner, fake.general, pressed, source)
            told = await apps.event("interactionCreate", number)
            shown = told.data["interaction"]
            assert (shown["kind"], shown["message"]["id"], told.facts["customId"]) == (kind, source.id, "ok")
            assert shown.get("values") == (None if kind == "button" else ["5"])
        rows = [{"type": 1, "components": [{"type": 4, "custom_id": "why", "value": "because"}]}]
        labelled = [{"type": 18, "component": {"type": 3, "custom_id": "which", "values": ["a", "b"]}}]
        mine(5, fake.owner, fake.dm(fake.owner), {"custom_id": "form", "components": rows + labelled})
        form = (await apps.event("interactionCreate", 10)).data["interaction"]
        assert (form["kind"], form["fields"]) == ("modalSubmit", {"why": "because", "which": "a,b"})
        assert "guildId" not in form
        mine(4, fake.owner, fake.general, data)
        assert (await apps.event("interactionCreate", 11)).data["interaction"]["kind"] == "unknown"
        tokens = [one.token for one in fake.interactions]
        assert all(tokens)
        assert not any(token in repr(apps.sink.events) for token in tokens)
        assert not any(token in repr(vars(apps.wire.channel)) for token in tokens)


async def test_phantoms_own_interactions_are_told_and_answered_by_phantom(tmp_path: Path) -> None:
    async with FakeDiscord(answer_within=30) as fake, lent(tmp_path, fake) as apps:
        await fake.wait_for(fake.commands)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
        assert (await asked.answered()).deferred
        assert (await apps.event("interactionCreate")).data["interaction"]["commandName"] == "phantom"
        # While nobody listens, Phantom says that it does not know what to do with the rest.
        apps.sink.wanted.clear()
        foreign = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "ticket", "type": 1})
        assert (await foreign.answered()).response_type == 4
        assert len(apps.sink.of("interactionCreate")) == 1


async def test_interactions_over_http_are_left_to_the_apps_too(tmp_path: Path) -> None:
    async with FakeDiscord(answer_within=30) as fake, lent(tmp_path, fake, transport="http") as apps:
        assert (await apps.event("ready")).data["user"]["id"] == fake.bot.id
        assert apps.wire.channel.app_intents() == frozenset()
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "ticket", "type": 1})
        told = await apps.event("interactionCreate")
        await apps.act("replyToInteraction", interactionId=told.data["interaction"]["id"], content="filed")
        await asked.answered()
        await apps.wire.until(lambda: asked.status is not None)  # the app may be quicker than the answer to the post
        assert asked.status == 202
        assert asked.replies[0].content == "filed"
        again = await fake.sender.replay(fake.sender.posted[-1])
        assert again.status == 202
        assert len(apps.sink.of("interactionCreate")) == 1


async def test_what_nobody_listens_to_is_not_built_and_other_servers_are_not_told(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        other = fake.add_guild("Beta")
        hall = fake.add_channel("hall", guild=other)
        async with lent(tmp_path, fake, allowed_guilds=(fake.guild.id,)) as apps:
            apps.sink.wanted = {"messageCreate"}
            await fake.post(fake.owner, hall, "elsewhere")
            first = await fake.post(fake.owner, fake.general, "here")
            await fake.edit(first, "there")
            await fake.post(fake.owner, fake.general, "end")
            await apps.event("messageCreate", 2)
            assert [event.name for event in apps.sink.events] == ["ready", "messageCreate", "messageCreate"]


async def test_after_a_resume_nothing_is_told_twice_and_after_a_lost_session_what_was_missed_once(
    tmp_path: Path,
) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        await fake.post(fake.owner, fake.general, "zero")
        await apps.event("messageCreate")
        gaps = len(apps.sink.gaps)
        assert gaps == 1  # the process began
        fake.faults.drop_gateway()
        await fake.post(fake.owner, fake.general, "one")
        await apps.event("messageCreate", 2)
        assert len(apps.sink.gaps) == gaps
        fake.faults.refuse_gateway()
        fake.faults.drop_gateway()
        await fake.wait_for(lambda: not fake.gateway.connections)
        await fake.post(fake.owner, fake.general, "two")
        fake.faults.forget_sessions()
        fake.faults.refuse_gateway(refused=False)
        async with asyncio.timeout(60):
            while len(apps.sink.of("messageCreate")) < 3:
                await asyncio.sleep(0.02)
        await fake.post(fake.owner, fake.general, "three")
        await apps.event("messageCreate", 4)
        told = [event.data["message"]["content"] for event in apps.sink.of("messageCreate")]
        assert told == ["zero", "one", "two", "three"]
        assert len(apps.sink.gaps) == gaps + 1


async def test_what_was_written_between_two_processes_is_told_once(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        inbox = ConformanceInbox()
        async with wired(tmp_path, fake) as wire, running(wire, inbox):
            await fake.post(fake.owner, fake.general, "before")
            await inbox.until(lambda: len(inbox.envelopes) == 1)
        await fake.post(fake.owner, fake.general, "meanwhile")
        async with wired(tmp_path, fake) as wire:
            sink = Sink()
            wire.channel.lend(sink, frozenset(EVENTS))
            async with running(wire, inbox):
                apps = Apps(wire, sink)
                await apps.event("messageCreate")
                await fake.post(fake.owner, fake.general, "after")
                await apps.event("messageCreate", 2)
        told = [event.data["message"]["content"] for event in sink.of("messageCreate")]
        assert told == ["meanwhile", "after"]


@pytest.mark.parametrize("switched_on", [True, False])
async def test_a_privileged_intent_that_is_switched_off_is_left_out(tmp_path: Path, switched_on: bool) -> None:
    content, members = 1 << 15, 1 << 1
    app = FakeApplication(granted=content | (members if switched_on else 0))
    structlog.reset_defaults()  # whatever another test made of it
    with structlog.testing.capture_logs() as logs:
        async with FakeDiscord(app=app) as fake, lent(tmp_path, fake) as apps:
            await apps.event("ready")
            asked = fake.gateway.identifies[-1].intents
            assert bool(asked & members) is switched_on
            assert asked & (1 << 5), "webhooks"
            assert asked & (1 << 7), "voice states"
            assert asked & (1 << 11), "typing"
            own = {"Guilds", "GuildMessages", "GuildMessageReactions"}
            further = {"GuildWebhooks", "GuildVoiceStates", "GuildMessageTyping"} | (
                {"GuildMembers"} if switched_on else set()
            )
            assert apps.wire.channel.app_intents() == own | further
            assert ("Server Members Intent" in repr(logs)) is not switched_on


async def test_odd_frames_harm_nobody(tmp_path: Path) -> None:
    async with lent(tmp_path) as apps:
        fake = apps.fake
        odd: list[dict[str, object]] = [
            {},
            {"id": 5},
            {"guild_id": fake.guild.id, "id": "7", "channel_id": "8", "attachments": [{}]},
        ]
        for kind in ("MESSAGE_CREATE", "GUILD_MEMBER_ADD", "VOICE_STATE_UPDATE", "THREAD_CREATE", "INTERACTION_CREATE"):
            for data in odd:
                await fake.emit(kind, dict(data), guild_id=fake.guild.id)
        await fake.post(fake.owner, fake.general, "fine")
        await apps.said("fine")


def test_times_are_shown_as_browsers_write_them() -> None:
    assert when("2024-01-02T03:04:05.678901+00:00") == "2024-01-02T03:04:05.678Z"
    assert when("2024-01-02T03:04:05+00:00") == "2024-01-02T03:04:05.000Z"
    assert when(None) is None
