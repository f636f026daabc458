"""Commands, buttons, menus and forms: the same over the gateway and over signed posts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from channels.discord import interaction_address
from phantom.access import AccessRules, may_talk
from phantom.channel import Suggestion
from phantom.errors import StorageError
from phantom.events import ButtonPressed, Command, CommandInvoked, FeedbackGiven, Rating
from phantom.messages import (
    AuthorFacts,
    Button,
    ConversationKind,
    InboundMessage,
    LocalFile,
    OutboundMessage,
    Outcome,
    Tone,
)
from phantom.testing.conformance_bench import ConformanceInbox
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.model import FakeChannel
from phantom.testing.manual_clock import ManualClock
from tests.scenario.discord_kit import Wire, running, wired

BOTH = pytest.mark.parametrize("transport", ["gateway", "http"])


class RememberingInbox(ConformanceInbox):
    """Suggests what it is told to."""

    rows: Sequence[Suggestion] = ()
    broken = False

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        if self.broken:
            raise StorageError("the disk is gone")
        return [row for row in self.rows if typed in row.label]


@asynccontextmanager
async def served(tmp_path: Path, transport: str, fake: FakeDiscord | None = None, **more: Any) -> AsyncIterator[Wire]:
    async with wired(tmp_path, fake, transport=transport, **more) as wire:
        wire.inbox = RememberingInbox()
        async with running(wire, wire.inbox):
            await wire.fake.wait_for(wire.fake.commands)
            yield wire


def reply(event: InboundMessage | CommandInvoked, text: str, part: int = 0, **more: Any) -> OutboundMessage:
    """What the engine answers privately."""
    return OutboundMessage(
        conversation=event.conversation,
        text=text,
        idempotency_key=f"t1/answer/{part}",
        only_for=event.author.id,
        respond_url=event.respond_url,
        **more,
    )


@BOTH
async def test_a_question_is_answered_where_only_its_author_sees_it(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
        await asked.answered()
        assert asked.deferred
        assert not asked.error, "Discord takes nothing that comes after three seconds"
        event = await wire.until_said("why?")
        first = await wire.channel.send(reply(event, "because @everyone"))
        second = await wire.channel.send(reply(event, "and so on", 1))
        assert first.outcome is second.outcome is Outcome.SENT
        assert [one.ephemeral_for for one in asked.replies] == [fake.owner.id] * 2
        assert "because" in asked.replies[0].content
        assert not asked.replies[0].pings
        again = await wire.channel.send(reply(event, "because @everyone"))
        assert again.message_ids == first.message_ids
        assert not fake.violations


@BOTH
@pytest.mark.parametrize("word", ["new", "stop", "status", "help"])
async def test_every_command_arrives(tmp_path: Path, transport: str, word: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        asked = await fake.command(fake.owner, fake.dm(fake.owner), "phantom", word)
        await asked.answered()
        (event,) = await wire.until_event(CommandInvoked)
        assert event.command is Command(word)
        assert event.conversation.tenant.endswith(":dm")
        await wire.channel.send(reply(event, "done", tone=Tone.NOTICE))
        assert asked.replies[0].embeds[0]["description"] == "done"


@BOTH
async def test_an_answer_may_follow_the_question_at_once(tmp_path: Path, transport: str) -> None:
    """Faster than Discord has our first answer: its token is not known there yet."""
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        fake.faults.delay("create_interaction_response", 0.4)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "quick?"})
        event = await wire.until_said("quick?")
        assert (await wire.channel.send(reply(event, "quick!"))).outcome is Outcome.SENT
        await asked.answered()
        assert [one.content for one in asked.replies] == ["quick!"]


@BOTH
async def test_files_go_over_the_interaction_too(tmp_path: Path, transport: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("content")
    file = LocalFile(name="a.txt", media_type="text/plain", path=str(path), size=7)
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "file?"})
        event = await wire.until_said("file?")
        await wire.channel.send(reply(event, "here", attachments=(file,)))
        assert [one.filename for one in asked.replies[0].attachments] == ["a.txt"]


@BOTH
async def test_what_cannot_be_stored_is_told_at_once(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        wire.inbox.stores = False
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
        await asked.answered()
        assert not asked.deferred
        assert not wire.inbox.envelopes


@BOTH
async def test_buttons_survive_a_restart(tmp_path: Path, transport: str) -> None:
    value = "discord:turn\x1fit\x1f" + "v" * 200
    buttons = (
        Button(action="feedback:helpful", label="Helpful", value="discord:x:y:m1"),
        Button(action="approval:yes", label="Approve", value=value),
    )
    async with FakeDiscord() as fake:
        question = await fake.post(fake.owner, fake.general, "may I?")
        async with served(tmp_path, transport, fake) as wire:
            shown = wire.message(await wire.channel.send(wire.answer(question, "May I?", buttons=buttons)))
        rated, approved = (button["custom_id"] for button in shown.components[0]["components"])
        async with served(tmp_path, transport, fake) as wire:
            pressed = [await fake.click(fake.owner, shown, name) for name in (rated, approved)]
            for one in pressed:
                await one.answered()
            (rating,) = await wire.until_event(FeedbackGiven)
            (button,) = await wire.until_event(ButtonPressed)
            assert (rating.rating, rating.turn_id) == (Rating.HELPFUL, "discord:x:y:m1")
            assert (button.action, button.value) == ("approval:yes", value)
            assert button.message.message_id == shown.id
            thanks = OutboundMessage(
                conversation=rating.message.conversation,
                text="Thank you.",
                idempotency_key="thanks/1/0",
                tone=Tone.NOTICE,
                only_for=fake.owner.id,
                respond_url=rating.respond_url,
            )
            await wire.channel.send(thanks)
            assert [one.ephemeral_for for one in pressed[0].replies] == [fake.owner.id]
            assert shown.content == "May I?"


@BOTH
async def test_many_buttons_are_menus_and_survive_a_restart(tmp_path: Path, transport: str) -> None:
    many = tuple(Button(action="pick", label=f"Choice {n}", value=f"choice {n} " + "v" * n * 3) for n in range(40))
    rating = Button(action="feedback:helpful", label="Helpful", value="discord:x:y:m1")
    async with FakeDiscord() as fake:
        question = await fake.post(fake.owner, fake.general, "which?")
        async with served(tmp_path, transport, fake) as wire:
            few = wire.message(await wire.channel.send(wire.answer(question, "Few.", "t0/answer/0", buttons=many[:10])))
            shown = wire.message(await wire.channel.send(wire.answer(question, "Which?", buttons=(*many, rating))))
            assert [len(row["components"]) for row in few.components] == [5, 5]
            assert [row["components"][0]["type"] for row in shown.components] == [3, 3, 2]
            assert [len(row["components"][0]["options"]) for row in shown.components[:2]] == [25, 15]
            assert not fake.violations
        async with served(tmp_path, transport, fake) as wire:
            for at, entry in ((0, 1), (1, 14)):
                menu = shown.components[at]["components"][0]
                chosen = await fake.select(fake.owner, shown, menu["custom_id"], [menu["options"][entry]["value"]])
                assert (await chosen.answered()).deferred
            first, last = await wire.until_event(ButtonPressed, 2)
            assert (first.action, first.value) == ("pick", "choice 1 vvv")
            assert (last.action, last.value) == ("pick", many[39].value)
            assert (last.message.message_id, last.private) == (shown.id, False)


@BOTH
async def test_a_button_under_a_private_answer_stays_private(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
        event = await wire.until_said("why?")
        await wire.channel.send(reply(event, "Choose.", buttons=(Button(action="pick", label="A", value="a"),)))
        shown = asked.replies[0]
        await (await fake.click(fake.owner, shown, shown.components[0]["components"][0]["custom_id"])).answered()
        (pressed,) = await wire.until_event(ButtonPressed)
        assert (pressed.private, pressed.message.conversation) == (True, event.conversation)


@BOTH
async def test_questions_in_other_peoples_direct_messages_are_each_persons_own(tmp_path: Path, transport: str) -> None:
    """A user-installed command may be used where two people talk: neither shall see what the other asked."""
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        alice = fake.add_user("alice")
        place = fake.dm(alice)
        keys = []
        for person in (fake.owner, alice):
            options = [{"type": 3, "name": "question", "value": f"I am {person.name}"}]
            data = {"type": 1, "name": "phantom", "options": [{"type": 1, "name": "ask", "options": options}]}
            interaction = fake.interact(2, person, place, data, more={"context": 2})
            assert (await interaction.answered()).deferred
            event = await wire.until_said(f"I am {person.name}")
            assert event.conversation.kind is ConversationKind.DIRECT
            keys.append(event.conversation.key)
        assert len(set(keys)) == 2
        assert f"discord/{fake.application_id}:dm/{place.id}/" not in keys


@BOTH
async def test_a_thread_is_known_to_allow_lists_when_a_command_is_used_there(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        thread = await fake.create_thread(fake.owner, fake.general, "side talk")
        await fake.command(fake.owner, thread, "phantom", "ask", {"question": "here?"})
        await fake.command(fake.owner, thread, "phantom", "status")
        asked, (status,) = await wire.until_said("here?"), await wire.until_event(CommandInvoked)
        member = AuthorFacts()
        for event in (asked, status):
            for place in (thread.id, fake.general.id):
                rules = AccessRules(allowed_channels=frozenset((place,)))
                assert may_talk(event.author, event.conversation, rules, member).accepted
            assert not may_talk(event.author, event.conversation, AccessRules(owner="5"), member).accepted


@BOTH
async def test_suggestions_that_cannot_be_read_are_none(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake, inbox = wire.fake, wire.inbox
        assert isinstance(inbox, RememberingInbox)
        inbox.broken = True
        typed = await fake.autocomplete(
            fake.owner, fake.general, "phantom", "ask", "conversation", "", {"question": "?"}
        )
        assert (await typed.answered()).choices == []
        options = {"question": "all the same?", "conversation": "discord/x/y/z"}
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", options)
        assert (await asked.answered()).deferred
        await wire.until_said("all the same?")


@BOTH
async def test_a_token_is_kept_only_as_long_as_it_lives(tmp_path: Path, transport: str) -> None:
    """What is stored is of no use without a key that is destroyed; within its time it works, after a restart too."""
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake:
        inbox = ConformanceInbox()
        async with wired(tmp_path, fake, clock=clock, transport=transport) as wire, running(wire, inbox):
            await fake.wait_for(fake.commands)
            asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
            await inbox.until(lambda: len(inbox.envelopes) == 1)
            await asked.answered()
            assert asked.token.encode() not in inbox.envelopes[0].body
        clock.advance(600)
        async with wired(tmp_path, fake, clock=clock, transport=transport) as wire, running(wire, inbox):
            (event,) = wire.channel.normalise(inbox.envelopes[0])
            assert isinstance(event, InboundMessage)
            await wire.channel.send(reply(event, "because"))
            assert [one.content for one in asked.replies] == ["because"]
            address = interaction_address.parse(event.respond_url or "")
            assert address is not None
            assert wire.channel.behaviour.seal.open(address.token) == asked.token
            await clock.run_for(900)
            await wire.until(lambda: wire.channel.behaviour.seal.open(address.token) == "")
        async with wired(tmp_path, fake, clock=clock, transport=transport) as wire:
            await wire.channel.behaviour.seal.load()
            assert wire.channel.behaviour.seal.open(address.token) == ""


async def test_first_answers_do_not_wait_for_a_limit_on_the_whole_bot(tmp_path: Path) -> None:
    """A storm elsewhere must not cost anybody the three seconds."""
    async with served(tmp_path, "gateway") as wire:
        fake = wire.fake
        post = await fake.post(fake.owner, fake.general, "storm")
        fake.faults.rate_limit("create_message", retry_after=20.0, scope="global")
        stuck = asyncio.create_task(wire.channel.send(wire.answer(post, "later")))
        await fake.wait_for(lambda: fake.faults.taken["limited"] == 1)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "now?"})
        await asked.answered()
        event = await wire.until_said("now?")
        await wire.channel.send(reply(event, "now!"))
        assert [one.content for one in asked.replies] == ["now!"]
        stuck.cancel()
        await asyncio.wait((stuck,))


@BOTH
async def test_the_context_menu_opens_a_form_about_the_message(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        post = await fake.post(fake.owner, fake.general, "the moon is cheese")
        opened = await fake.context_menu(fake.owner, "Ask Phantom", post)
        await opened.answered()
        assert opened.modal is not None
        sent = await fake.submit_modal(opened, {"question": "true?", "about": "the moon is cheese"})
        await sent.answered()
        assert sent.deferred
        event = await wire.until_said("true?")
        assert "> the moon is cheese" in event.text
        await wire.channel.send(reply(event, "no"))
        assert sent.replies[0].content == "no"
        assert not fake.violations


@BOTH
async def test_only_ones_own_conversations_can_be_gone_on_with(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake, inbox = wire.fake, wire.inbox
        assert isinstance(inbox, RememberingInbox)
        mine = f"discord/{wire.tenant}/{fake.general.id}/re-1"
        others = f"discord/{wire.tenant}/{fake.general.id}/ask-5"
        inbox.rows = (Suggestion(label="cats", value=mine), Suggestion(label="too long", value="x" * 101))
        typed = await fake.autocomplete(
            fake.owner, fake.general, "phantom", "ask", "conversation", "", {"question": "?"}
        )
        await typed.answered()
        assert typed.choices == [{"name": "cats", "value": mine}]
        for value, key in ((mine, mine), (others, f"discord/{wire.tenant}/{fake.general.id}/ask-{fake.owner.id}")):
            options = {"question": f"about {value}", "conversation": value}
            await (await fake.command(fake.owner, fake.general, "phantom", "ask", options)).answered()
            assert (await wire.until_said(f"about {value}")).conversation.key == key


@BOTH
async def test_an_expired_token_falls_back_to_a_direct_message(tmp_path: Path, transport: str) -> None:
    """What was asked privately is not said aloud, whatever becomes of the token."""
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "slow?"})
        event = await wire.until_said("slow?")
        await asked.answered()
        fake.faults.fail("update_original_webhook_message", code=10015, times=9)
        receipt = await wire.channel.send(reply(event, "late answer"))
        direct = fake.dm(fake.owner)
        assert [one.content for one in fake.messages(direct)] == ["late answer"]
        assert receipt.message_ids == (fake.messages(direct)[0].id,)
        assert not [one for one in fake.messages(fake.general) if one.content == "late answer"]


async def test_a_token_of_yesterday_is_not_even_tried(tmp_path: Path) -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, wired(tmp_path, fake, clock=clock, transport="http") as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, asyncio.Event()))
        await fake.wait_for(fake.commands)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "old?"})
        event = await wire.until_said("old?")
        await asked.answered()
        clock.advance(16 * 60)
        await wire.channel.send(reply(event, "late answer"))
        assert [one.content for one in fake.messages(fake.dm(fake.owner))] == ["late answer"]
        assert not fake.calls_of("update_original_webhook_message")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@BOTH
async def test_unknown_interactions_are_answered_at_once_and_do_no_harm(tmp_path: Path, transport: str) -> None:
    """Nobody is left with a line that says "is thinking…" for a quarter of an hour."""
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        place: FakeChannel = fake.general
        for kind, data in (
            (2, {"id": "1", "name": "stranger", "type": 1}),
            (2, {"id": "1", "name": "phantom", "type": 2, "target_id": "5"}),
            (3, {"custom_id": "somebody-elses", "component_type": 2}),
            (3, {"custom_id": "phantom_choice:0", "component_type": 99, "values": ["odd"]}),
            (5, {"custom_id": "unknown", "components": []}),
            (5, {"custom_id": "phantom_ask_modal", "components": [{"components": [{"custom_id": "question"}]}]}),
        ):
            answered = await fake.interact(kind, fake.owner, place, data).answered()
            assert (answered.response_type, answered.error) == (4, ""), data
            assert answered.replies[0].ephemeral_for == fake.owner.id
        await fake.interact(77, fake.owner, place, {}).answered()
        assert not wire.inbox.envelopes
        asked = await fake.command(fake.owner, place, "phantom", "ask", {"question": "still there?"})
        await asked.answered()
        assert (await wire.until_said("still there?")).text == "still there?"


@BOTH
async def test_other_servers_are_told_politely(tmp_path: Path, transport: str) -> None:
    async with FakeDiscord() as fake:
        hall = fake.add_channel("hall", guild=fake.add_guild("Elsewhere"))
        async with served(tmp_path, transport, fake, allowed_guilds=(fake.guild.id,)) as wire:
            asked = await fake.command(fake.owner, hall, "phantom", "ask", {"question": "let me in"})
            await asked.answered()
            assert not asked.deferred
            assert "server" in asked.replies[0].content
            assert not wire.inbox.envelopes
            assert wire.outcome("foreign_guild") == 1


async def test_too_late_is_too_late_but_not_lost(tmp_path: Path) -> None:
    """10062: what was asked is in the journal all the same."""
    async with served(tmp_path, "gateway") as wire:
        fake = wire.fake
        fake.faults.fail("create_interaction_response", code=10062)
        await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "hello?"})
        assert (await wire.until_said("hello?")).text == "hello?"


async def test_no_token_is_ever_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with served(tmp_path, "gateway") as wire:
        fake = wire.fake
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "secret?"})
        event = await wire.until_said("secret?")
        await asked.answered()
        fake.faults.rate_limit("update_original_webhook_message", retry_after=0.1)
        await wire.channel.send(reply(event, "one"))
        fake.faults.fail("execute_webhook", code=50027, times=9)
        await wire.channel.send(reply(event, "two", 1))
        token = asked.token
    out, err = capfd.readouterr()
    assert token not in out + err
    assert fake.token not in out + err
