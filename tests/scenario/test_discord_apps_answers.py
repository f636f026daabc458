"""Answering interactions for bridge apps: every way, every wrong order, and the token that stays inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from phantom.apps import ActionRefused, AppPlace
from phantom.testing.fake_discord import FakeDiscord, FakeInteraction
from phantom.testing.fake_discord.interactions import ANSWER_WITHIN
from phantom.testing.manual_clock import ManualClock
from tests.scenario.discord_apps_kit import Apps, lent

ANSWERS = {
    "replyToInteraction",
    "deferInteraction",
    "deferUpdateInteraction",
    "followUpInteraction",
    "editInteractionReply",
    "deleteInteractionReply",
    "updateInteraction",
    "showModal",
}
TICKET = {"id": "1", "name": "ticket", "type": 1}
ROW = [{"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}]
FORM: dict[str, Any] = {
    "title": "Why?",
    "customId": "why",
    "components": [{"type": 1, "components": [{"type": 4, "custom_id": "text", "style": 1, "label": "Why?"}]}],
}


@asynccontextmanager
async def patient(folder: Path) -> AsyncIterator[Apps]:
    """A running channel and a Discord that waits for first answers as long as a busy machine takes for them."""
    async with FakeDiscord(answer_within=60.0) as fake, lent(folder, fake) as apps:
        yield apps


async def command(apps: Apps) -> FakeInteraction:
    """Somebody uses a command of an app's, and the app is told."""
    count = len(apps.sink.of("interactionCreate"))
    asked = apps.fake.interact(2, apps.fake.owner, apps.fake.general, TICKET)
    await apps.event("interactionCreate", count + 1)
    return asked


async def press(apps: Apps) -> FakeInteraction:
    """Somebody presses a button under a message of the bot's, and the app is told."""
    count = len(apps.sink.of("interactionCreate"))
    sent = await apps.act("sendMessage", channelId=apps.fake.general.id, content="press", components=ROW)
    pressed = await apps.fake.click(apps.fake.owner, apps.fake.general.messages[sent["id"]], "go")
    await apps.event("interactionCreate", count + 1)
    return pressed


async def wrong(apps: Apps, action: str, asked: FakeInteraction, **params: Any) -> ActionRefused:
    with pytest.raises(ActionRefused) as raised:
        await apps.act(action, interactionId=asked.id, **params)
    return raised.value


async def test_a_reply_its_changes_and_what_follows(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        fake = apps.fake
        asked = await command(apps)
        for action in ("followUpInteraction", "editInteractionReply"):
            early = await wrong(apps, action, asked, content="early")
            assert (early.bridge_code, "first" in early.hint) == ("INVALID_REQUEST", True)
        reply = await apps.act("replyToInteraction", interactionId=asked.id, content="@everyone done", ephemeral=True)
        assert reply["channelId"] == fake.general.id
        assert fake.ephemerals[0].ephemeral_for == fake.owner.id
        for action, more in (
            ("replyToInteraction", {"content": "again"}),
            ("deferInteraction", {}),
            ("showModal", FORM),
        ):
            late = await wrong(apps, action, asked, **more)
            assert late.bridge_code == "INVALID_REQUEST"
            assert late.hint
        edited = await apps.act("editInteractionReply", interactionId=asked.id, content="better", embeds=[])
        assert edited["content"] == asked.replies[0].content == "better"
        more = await apps.act("followUpInteraction", interactionId=asked.id, content="and this")
        assert fake.general.messages[more["id"]].content == "and this"
        assert fake.general.messages[more["id"]].pings == []
        assert (await apps.act("deleteInteractionReply", interactionId=asked.id))["deleted"] is True
        assert fake.ephemerals == []
        assert fake.violations == []


async def test_deferring_first(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        asked = await command(apps)
        for _ in range(2):
            assert (await apps.act("deferInteraction", interactionId=asked.id, ephemeral=True))["deferred"] is True
        assert asked.response_type == 5
        assert (await wrong(apps, "replyToInteraction", asked, content="x")).bridge_code == "INVALID_REQUEST"
        await apps.act("editInteractionReply", interactionId=asked.id, content="there")
        assert [one.content for one in asked.replies] == ["there"]
        assert (await wrong(apps, "deferUpdateInteraction", await command(apps))).bridge_code == "INVALID_REQUEST"


async def test_buttons_and_forms(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        pressed = await press(apps)
        updated = await apps.act("updateInteraction", interactionId=pressed.id, content="pressed", components=[])
        assert pressed.source is not None
        assert (updated["id"], pressed.source.content, pressed.source.components) == (pressed.source.id, "pressed", [])
        pressed = await press(apps)
        await apps.act("deferUpdateInteraction", interactionId=pressed.id)
        assert pressed.response_type == 6
        assert (await wrong(apps, "updateInteraction", pressed, content="x")).bridge_code == "INVALID_REQUEST"
        edited = await apps.act("editInteractionReply", interactionId=pressed.id, content="later")
        assert pressed.source is not None
        assert edited["id"] == pressed.source.id
        pressed = await press(apps)
        assert (await apps.act("showModal", interactionId=pressed.id, **FORM))["shown"] is True
        assert (await wrong(apps, "followUpInteraction", pressed, content="x")).bridge_code == "INVALID_REQUEST"
        filled = await apps.fake.submit_modal(pressed, {"text": "because"})
        told = await apps.event("interactionCreate", 4)
        assert told.data["interaction"]["fields"] == {"text": "because"}
        assert (await wrong(apps, "showModal", filled, **FORM)).bridge_code == "INVALID_REQUEST"
        await apps.act("replyToInteraction", interactionId=filled.id, content="thanks")
        assert filled.replies[0].content == "thanks"
        assert apps.fake.violations == []


async def test_two_apps_at_once_make_one_answer(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        asked = await command(apps)
        attempts = [apps.act("replyToInteraction", interactionId=asked.id, content=str(n)) for n in range(5)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, ActionRefused)]
        assert [one.bridge_code for one in refused] == ["INVALID_REQUEST"] * 4
        assert len(asked.replies) == 1


async def test_what_failed_for_sure_may_be_tried_again_and_what_may_have_been_done_may_not(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        asked = await command(apps)
        apps.fake.faults.fail("create_interaction_response", code=50035, status=400)
        assert (await wrong(apps, "replyToInteraction", asked, content="x")).bridge_code == "INVALID_REQUEST"
        await apps.act("replyToInteraction", interactionId=asked.id, content="y")
        other = await command(apps)
        apps.fake.faults.drop_after("create_interaction_response")
        assert (await wrong(apps, "replyToInteraction", other, content="x")).unknown
        assert (await wrong(apps, "replyToInteraction", other, content="x")).bridge_code == "INVALID_REQUEST"
        await apps.act("followUpInteraction", interactionId=other.id, content="more")
        assert [one.content for one in other.replies] == ["x", "more"]


async def test_phantoms_own_are_not_for_apps(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        fake = apps.fake
        await fake.wait_for(fake.commands)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
        await apps.event("interactionCreate")
        refused = await wrong(apps, "editInteractionReply", asked, content="mine")
        assert (refused.bridge_code, bool(refused.hint)) == ("FORBIDDEN", True)
        pressed = fake.interact(3, fake.owner, fake.general, {"custom_id": "phantom_button:x:y", "component_type": 2})
        await apps.event("interactionCreate", 2)
        assert (await wrong(apps, "updateInteraction", pressed, content="x")).bridge_code == "FORBIDDEN"
        typing = fake.interact(4, fake.owner, fake.general, TICKET)
        await apps.event("interactionCreate", 3)
        assert (await wrong(apps, "replyToInteraction", typing, content="x")).bridge_code == "FORBIDDEN"
        assert (await typing.answered()).choices == []


async def test_tokens_live_for_fifteen_minutes_and_are_nowhere_else(tmp_path: Path) -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake:
        with structlog.testing.capture_logs() as logs:
            async with lent(tmp_path, fake, clock=clock) as apps:
                asked = await command(apps)
                where = await apps.wire.channel.app_place("replyToInteraction", {"interactionId": asked.id})
                assert where == AppPlace(guild=fake.guild.id, channel=fake.general.id)
                await apps.act("deferInteraction", interactionId=asked.id)
                fake.faults.fail("update_original_webhook_message", code=50035, status=400)
                await wrong(apps, "editInteractionReply", asked, content="x")
                clock.advance(901)
                gone = await wrong(apps, "editInteractionReply", asked, content="too late")
                assert gone.bridge_code == "NOT_FOUND"
                told = f"{logs} {apps.sink.events} {gone} {gone.details}"
        assert asked.token not in told
        assert asked.token not in "".join(
            path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()
        )


async def test_an_interaction_that_no_app_answers_is_counted(tmp_path: Path) -> None:
    async with patient(tmp_path) as apps:
        answered = await command(apps)
        await apps.act("deferInteraction", interactionId=answered.id)
        asked = await command(apps)
        await apps.wire.until(lambda: apps.wire.outcome("not_answered_by_apps") == 1)
        assert apps.wire.outcome("left_to_apps") == 2
        apps.fake.core.interactions.answer_within = ANSWER_WITHIN
        late = await wrong(apps, "replyToInteraction", asked, content="late")
        assert (late.bridge_code, late.details["discordCode"]) == ("NOT_FOUND", 10062)
