"""What people do with answers and questions that are there already: choose, approve, change their mind. Real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.testing.fake_discord import FakeInteraction, FakeMessage
from tests.scenario.test_discord_daemon import World, said, world


async def chosen(found: World, text: str) -> FakeMessage:
    """The bot's message in the general channel that shows `text`."""
    fake = found.fake
    return await found.until(lambda: next((one for one in fake.messages(fake.general) if text in said(one)), None))


async def told(found: World, asked: FakeInteraction, text: str) -> FakeMessage:
    """What answers the interaction and shows `text`. A slow answer is a line of progress before."""
    return await found.until(lambda: next((one for one in asked.replies if text in said(one)), None))


async def test_choices_go_on_with_the_conversation(tmp_path: Path) -> None:
    async with world(tmp_path) as found:
        fake = found.fake
        await found.until(fake.commands)
        offered = await found.answered(await found.ask("choose 3"), "choose of 3")
        await fake.click(fake.owner, offered, offered.components[0]["components"][1]["custom_id"])
        answer = await chosen(found, "heard: I take 1")
        assert answer.replied_to is offered
        second = await found.answered(await found.ask("choose 30"), "choose of 30")
        menu = second.components[1]["components"][0]
        await fake.select(fake.owner, second, menu["custom_id"], [menu["options"][2]["value"]])
        await chosen(found, "heard: I take 27")
        before = await found.ask("history", reply_to=answer)
        assert "choose 3 | assistant:choose of 3 | user:I take 1" in said(await found.answered(before, "before:"))

        private = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "choose 2"})
        shown = await told(found, private, "choose of 2")
        pressed = await fake.click(fake.owner, shown, shown.components[0]["components"][0]["custom_id"])
        assert (await told(found, pressed, "heard: I take 0")).ephemeral_for == fake.owner.id


async def test_only_whoever_asked_decides_and_others_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as found:
        fake = found.fake
        asked = await found.ask("approve launch")
        question = await found.answered(asked, "May I launch?")
        yes, no = (one["custom_id"] for one in question.components[0]["components"])
        stranger = await fake.click(fake.add_user("bob"), question, yes)
        word = await told(found, stranger, "can decide it")
        assert word.ephemeral_for == stranger.user.id
        await fake.click(fake.owner, question, no)
        await found.answered(asked, "decided False on launch")
        await found.until(lambda: "Denied by" in said(question))


@pytest.mark.parametrize("transport", ["gateway", "http"])
async def test_what_is_asked_privately_is_approved_privately(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, DISCORD_TRANSPORT=transport) as found:
        fake = found.fake
        if transport == "http":
            fake.deliver_interactions_over_http(f"{found.daemon.url}/discord/interactions")
        await found.until(fake.commands)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "approve secret launch"})
        question = await told(found, asked, "May I secret launch?")
        assert question.ephemeral_for == fake.owner.id
        await fake.click(fake.owner, question, question.components[0]["components"][0]["custom_id"])
        await told(found, asked, "decided True")
        assert not [one for one in fake.messages(fake.general) if one.author is fake.bot]


async def test_what_waits_can_still_be_changed_or_taken_back(tmp_path: Path) -> None:
    async with world(tmp_path) as found:
        fake = found.fake
        thread = await fake.create_thread(fake.owner, fake.general, "work")
        first = await fake.post(fake.owner, thread, f"{fake.mention} gate slow through")
        await found.begun("slow")
        waiting = [await fake.post(fake.owner, thread, text) for text in ("befroe", "gone", f"{fake.mention} last")]
        await found.until(lambda: all("👀" in one.reactions for one in waiting))
        await fake.edit(waiting[0], "before")
        await fake.delete(waiting[1])
        await fake.edit(waiting[2], "named no more, still asked")
        await fake.edit(first, f"{fake.mention} too late")
        await found.counted(edit_applied=2, deletion_applied=1, edit_too_late=1)
        found.open("slow")
        await found.until(lambda: waiting[2].reactions.get("✅"))
        answers = ["passed slow through", "heard: before", "heard: named no more, still asked"]
        await found.until(lambda: [said(one) for one in fake.messages(thread) if one.author is fake.bot] == answers)


async def test_whoever_uses_a_command_always_gets_a_word(tmp_path: Path) -> None:
    """Not allowed, not here, stopped in the queue: nobody is left with a line that says "is thinking…"."""
    async with world(tmp_path, DISCORD_DIRECT_MESSAGES="off") as found:
        fake = found.fake
        await found.until(fake.commands)
        direct = await fake.command(fake.owner, fake.dm(fake.owner), "phantom", "ask", {"question": "here?"})
        await told(found, direct, "not set up to talk to you here")
        first = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "gate long through"})
        await found.begun("long")
        second = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "behind it"})
        await found.counted(accepted=2)
        stop = await fake.command(fake.owner, fake.general, "phantom", "stop")
        for one in (first, second, stop):
            await told(found, one, "topped")
