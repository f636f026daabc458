"""Commands, buttons, menus and forms: the same over the gateway and over signed posts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from phantom.channel import Suggestion
from phantom.events import ButtonPressed, Command, CommandInvoked, FeedbackGiven, Rating
from phantom.messages import Button, InboundMessage, LocalFile, OutboundMessage, Outcome, Tone
from phantom.testing.conformance_bench import ConformanceInbox
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.model import FakeChannel
from phantom.testing.manual_clock import ManualClock
from tests.scenario.discord_kit import Wire, running, wired

BOTH = pytest.mark.parametrize("transport", ["gateway", "http"])


class RememberingInbox(ConformanceInbox):
    """Suggests what it is told to."""

    rows: Sequence[Suggestion] = ()

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
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
        assert asked.latency is not None
        assert asked.latency < 3
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
async def test_unknown_interactions_do_no_harm(tmp_path: Path, transport: str) -> None:
    async with served(tmp_path, transport) as wire:
        fake = wire.fake
        place: FakeChannel = fake.general
        for kind, data in (
            (2, {"id": "1", "name": "stranger", "type": 1}),
            (3, {"custom_id": "somebody-elses", "component_type": 2}),
            (5, {"custom_id": "unknown", "components": []}),
            (77, {}),
        ):
            await fake.interact(kind, fake.owner, place, data).answered()
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
