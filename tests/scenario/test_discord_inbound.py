"""What people do in Discord, over the real gateway, as the engine gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from channels.discord.place import CHAIN
from phantom.errors import ChannelError, Forbidden
from phantom.events import FeedbackGiven, MessageDeleted, MessageEdited, Rating
from phantom.messages import Attachment, ConversationKind, InboundMessage
from phantom.testing.fake_discord import FakeDiscord
from tests.scenario.discord_kit import Wire, running, wired


@asynccontextmanager
async def served(tmp_path: Path, fake: FakeDiscord | None = None, **settings: Any) -> AsyncIterator[Wire]:
    async with wired(tmp_path, fake, **settings) as wire, running(wire, wire.inbox):
        yield wire


async def test_a_mention_a_thread_a_forum_post_and_a_direct_message(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        asked = await fake.post(fake.owner, fake.general, f"{fake.mention} one")
        thread = await fake.create_thread(fake.owner, fake.general, "side talk")
        await fake.post(fake.owner, thread, f"{fake.mention} two")
        forum = fake.add_channel("forum", kind="forum")
        await fake.post_in_forum(fake.owner, forum, "title", f"{fake.mention} three")
        await fake.post(fake.owner, fake.dm(fake.owner), "four")
        one, two, three, four = [await wire.until_said(word) for word in ("one", "two", "three", "four")]
        assert (one.conversation.place, one.conversation.thread) == (fake.general.id, f"{CHAIN}{asked.id}")
        assert (two.conversation.place, two.conversation.thread) == (fake.general.id, thread.id)
        assert three.conversation.place == forum.id
        assert three.conversation.thread == three.message_id
        assert four.conversation.kind is ConversationKind.DIRECT
        assert four.conversation.tenant.endswith(":dm")
        assert one.conversation.tenant == f"{fake.application_id}:{fake.guild.id}"
        assert all(event.mentions_me for event in (one, two, three))
        assert not fake.violations


async def test_talk_between_people_is_idle_and_known_by_key_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        await fake.post(fake.owner, fake.general, "lunch?")
        thread = await fake.create_thread(fake.owner, fake.general, "side talk")
        await fake.post(fake.owner, thread, "in here?")
        await wire.inbox.until(lambda: len(wire.inbox.envelopes) >= 2)
        lunch, aside = wire.inbox.envelopes
        assert (lunch.idle, lunch.session) == (True, "")
        assert (aside.idle, aside.session) == (True, f"discord/{wire.tenant}/{fake.general.id}/{thread.id}")


async def test_a_reply_to_us_stays_in_its_conversation_over_many_answers(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        asked = await fake.post(fake.owner, fake.general, f"{fake.mention} begin")
        first = await wire.until_said("begin")
        latest = wire.message(await wire.channel.send(wire.answer(asked, "one")))
        for step in range(3):
            reply = await fake.post(fake.owner, fake.general, f"step {step}", reply_to=latest, ping_author=False)
            event = await wire.until_said(f"step {step}")
            assert event.conversation == first.conversation
            assert event.mentions_me
            answer = wire.answer(asked, f"answer {step}", key=f"t{step}/answer/0")
            latest = wire.message(await wire.channel.send(answer))
        assert reply.replied_to is not None


async def test_an_edit_and_a_deletion_name_the_post_they_change(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        asked = await fake.post(fake.owner, fake.general, f"{fake.mention} befroe")
        await fake.edit(asked, f"{fake.mention} before")
        await fake.delete(asked)
        said = await wire.until_said("befroe")
        (edit,) = await wire.until_event(MessageEdited)
        (gone,) = await wire.until_event(MessageDeleted)
        assert edit.text == "before"
        assert said.logical_id == edit.logical_id == gone.logical_id
        assert said.conversation.key == edit.conversation.key == gone.conversation.key


async def test_reactions_are_feedback_and_our_own_are_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        asked = await fake.post(fake.owner, fake.general, f"{fake.mention} rate me")
        answer = wire.message(await wire.channel.send(wire.answer(asked, "fine?")))
        await fake.react(fake.owner, answer, "👎")
        await fake.unreact(fake.owner, answer, "👎")
        given, taken = await wire.until_event(FeedbackGiven, 2)
        assert (given.rating, given.withdrawn) == (Rating.NOT_HELPFUL, False)
        assert taken.withdrawn
        assert given.message.message_id == answer.id
        assert given.message.conversation.place_key == wire.where(asked).place_key


async def test_only_listed_guilds_are_ours(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        other = fake.add_guild("Elsewhere")
        hall = fake.add_channel("hall", guild=other)
        async with served(tmp_path, fake, allowed_guilds=(fake.guild.id,)) as wire:
            await fake.post(fake.owner, hall, f"{fake.mention} let me in")
            await fake.post(fake.owner, fake.general, f"{fake.mention} at home")
            await wire.until_said("at home")
            assert wire.outcome("foreign_guild") == 1
            assert len(wire.inbox.envelopes) == 1


async def test_roles_come_with_the_author_and_our_role_is_us(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        staff = fake.add_role("staff")
        alice = fake.add_user("alice", roles=[staff])
        async with served(tmp_path, fake) as wire:
            await fake.post(alice, fake.general, f"{fake.mention} hello")
            assert (await wire.until_said("hello")).author.roles == (staff.id,)


async def test_what_a_message_shows_besides_its_words(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        plain = await fake.post(fake.owner, fake.dm(fake.owner), "first")
        await wire.until_said("first")
        file = {"id": "9", "filename": "f.txt", "size": 3, "url": "https://cdn.discordapp.com/attachments/1/9/f.txt"}
        hook = {"id": "77", "username": "monitor", "bot": True}
        alert = {"type": "rich", "title": "Disk full", "fields": [{"name": "host", "value": "db1"}]}
        reply = {"type": 0, "message_id": "5", "channel_id": plain.channel_id}
        shapes: dict[str, tuple[dict[str, Any], list[str]]] = {
            "poll": (
                {"poll": {"question": {"text": "Lunch?"}, "answers": [{"poll_media": {"text": "Pizza"}}]}},
                ["[poll: Lunch?]", "- Pizza"],
            ),
            "forward": (
                {
                    "message_reference": reply | {"type": 1},
                    "message_snapshots": [{"message": {"content": "far away", "attachments": [file]}}],
                },
                ["[Forwarded message:]", "> far away"],
            ),
            "embed": (
                {
                    "content": "why?",
                    "message_reference": reply,
                    "referenced_message": {"id": "5", "author": hook, "embeds": [alert], "attachments": [file]},
                },
                ["[In reply to monitor:]", "> **Disk full**", "> host: db1", "why?"],
            ),
            "display": ({"components": [{"type": 17, "components": [{"type": 10, "content": "boxed"}]}]}, ["boxed"]),
            "preview": ({"content": "see", "embeds": [{"type": "link", "title": "a page"}]}, ["see"]),
            "sticker": ({"sticker_items": [{"id": "1", "name": "wave"}]}, ["[sticker: wave]"]),
        }
        for extra, shown in shapes.values():
            payload = plain.to_discord(me=fake.bot.id) | {"id": fake.core.world.ids.next(), "content": ""} | extra
            await fake.emit("MESSAGE_CREATE", payload)
            event = await wire.until_said(shown[0])
            assert event.text.replace("\n\n", "\n").split("\n") == shown
            assert [one.name for one in event.attachments] == (["f.txt"] if "message_reference" in extra else [])


async def test_a_reply_to_us_of_which_discord_does_not_show_what_it_answers(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        asked = await fake.post(fake.owner, fake.general, f"{fake.mention} begin")
        begun = await wire.until_said("begin")
        answer = wire.message(await wire.channel.send(wire.answer(asked, "one")))
        for kind, text in ((0, "and then?"), (1, "look what it said")):
            payload = asked.to_discord(me=fake.bot.id) | {
                "id": fake.core.world.ids.next(),
                "guild_id": fake.guild.id,
                "content": text,
                "mentions": [],
                "message_reference": {"type": kind, "message_id": answer.id, "channel_id": fake.general.id},
                "referenced_message": None,
            }
            await fake.emit("MESSAGE_CREATE", payload, guild_id=fake.guild.id)
        event = await wire.until_said("and then?")
        assert (event.conversation, event.mentions_me) == (begun.conversation, True)
        await wire.inbox.until(lambda: len(wire.inbox.envelopes) == 3)
        assert wire.inbox.envelopes[-1].idle


async def test_frames_that_were_really_sent(tmp_path: Path) -> None:
    frames = Path(__file__).parents[3] / "shared" / "data" / "discord" / "gateway_frames.jsonl"
    if not frames.exists():
        pytest.skip("the samples of real frames are not here")
    async with served(tmp_path) as wire:
        fake = wire.fake
        for line in frames.read_bytes().splitlines():
            fake.faults.send_frame(orjson.dumps(orjson.loads(line)["frame"] | {"s": None}))
        await fake.post(fake.owner, fake.general, f"{fake.mention} still there?")
        await wire.until_said("still there?")
        assert len(fake.gateway.identifies) == 1


async def test_messages_of_channels_that_nobody_told_us_of(tmp_path: Path) -> None:
    """A thread whose THREAD_CREATE never came is looked up once, and its messages keep their order."""
    async with served(tmp_path) as wire:
        fake = wire.fake
        thread = await fake.create_thread(fake.owner, fake.general, "known")
        template = await fake.post(fake.owner, thread, f"{fake.mention} zero")
        await wire.until_said("zero")
        before = len(fake.calls_of("get_channel"))
        hidden = fake.core.world.ids.next()
        unknown = type(thread)(id=hidden, type=11, name="late", guild_id=fake.guild.id, parent_id=fake.general.id)
        fake.core.world.channels[hidden] = unknown
        for word in ("first", "second"):
            payload = template.to_discord(me=fake.bot.id) | {
                "id": fake.core.world.ids.next(),
                "channel_id": hidden,
                "guild_id": fake.guild.id,
                "content": f"{fake.mention} {word}",
            }
            await fake.emit("MESSAGE_CREATE", payload, guild_id=fake.guild.id)
        await wire.until_said("second")
        texts = [event.text for event in wire.events() if isinstance(event, InboundMessage)]
        assert texts == ["zero", "first", "second"]
        assert (await wire.until_said("first")).conversation.place == fake.general.id
        assert len(fake.calls_of("get_channel")) == before + 1


async def test_events_of_uncached_members_and_messages(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        place = {"guild_id": fake.guild.id, "channel_id": fake.general.id}
        await fake.emit("MESSAGE_DELETE", place | {"id": "1"}, guild_id=fake.guild.id)
        await fake.emit(
            "MESSAGE_REACTION_ADD",
            place | {"user_id": "5", "message_id": "2", "emoji": {"id": None, "name": "👍"}, "type": 0, "burst": False},
            guild_id=fake.guild.id,
        )
        await fake.emit(
            "GUILD_MEMBER_UPDATE", {"guild_id": fake.guild.id, "user": {"id": "9"}, "roles": []}, guild_id=fake.guild.id
        )
        await fake.post(fake.owner, fake.general, f"{fake.mention} still there?")
        await wire.until_said("still there?")
        await wire.until_event(MessageDeleted)
        await wire.until_event(FeedbackGiven)


async def test_files_are_fetched_from_discords_hosts_only_and_within_the_limit(tmp_path: Path) -> None:
    async with served(tmp_path, max_file_bytes=100) as wire:
        fake = wire.fake
        await fake.post(fake.owner, fake.general, f"{fake.mention} read", files=[("b.txt", b"content")])
        (file,) = (await wire.until_said("read")).attachments
        local = await wire.channel.download(file, tmp_path, 1000)
        assert (Path(local.path).read_bytes(), local.size) == (b"content", 7)
        assert Path(local.path).parent == tmp_path
        with pytest.raises(ChannelError, match="larger than"):
            await wire.channel.download(file, tmp_path, 3)
        for address in ("http://127.0.0.1:1/x", "https://cdn.discordapp.com.evil.example/x", "file:///etc/passwd"):
            odd = Attachment(id="1", name="x", media_type="", size=1, url=address)
            with pytest.raises(Forbidden):
                await wire.channel.download(odd, tmp_path, 100)
        lying = Attachment(id=file.id, name="big", media_type="", size=1, url=file.url)
        with pytest.raises(ChannelError, match="larger than"):
            await wire.channel.download(lying, tmp_path, 2)
        assert not [path for path in tmp_path.iterdir() if path.name.endswith("big")]


async def test_a_storm_of_messages_keeps_its_order(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        for number in range(200):
            await fake.post(fake.owner, fake.general, f"{fake.mention} n{number}")
        await wire.until_said("n199")
        texts = [event.text for event in wire.events() if isinstance(event, InboundMessage)]
        assert texts == [f"n{number}" for number in range(200)]


async def test_what_the_journal_cannot_take_is_held_in_order(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        fake = wire.fake
        wire.inbox.stores = False
        for word in ("one", "two", "three"):
            await fake.post(fake.owner, fake.general, f"{fake.mention} {word}")
        await wire.inbox.until(lambda: wire.inbox.offered > 0)
        assert not wire.inbox.envelopes
        wire.inbox.stores = True
        await wire.until_said("three")
        texts = [event.text for event in wire.events() if isinstance(event, InboundMessage)]
        assert texts == ["one", "two", "three"]
