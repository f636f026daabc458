"""Author facts, the form, the home tab, suggestions, the introduction, and the doctor, against a fake Slack."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from channels.slack.doctor import diagnose
from channels.slack.settings import SlackSettings
from phantom.errors import ConnectError, DeliveryError, UnsupportedCapability
from phantom.events import ChannelTask
from phantom.findings import Finding, Level
from phantom.identity import SlackInstall
from phantom.messages import Author, ConversationKind
from phantom.secrets import held
from phantom.testing.fake_slack.server import FakeSlack
from tests.scenario.slack_out_kit import Kit, slack_kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    async with FakeSlack() as slack, slack_kit(slack, tmp_path, owner=slack.owner.id) as made:
        yield made


def task(name: str, payload: Mapping[str, object]) -> ChannelTask:
    return ChannelTask(event_id="e1", name=name, author=Author(id="U1"), payload=payload)


async def test_facts_of_a_member_a_guest_a_stranger_and_a_bot(kit: Kit) -> None:
    slack, ask = kit.slack, kit.behaviour.author_facts
    other_team = slack.add_team("Globex")
    member = await ask(kit.where(), slack.owner.id)
    assert (member.display_name, member.is_guest, member.is_external, member.is_bot) == ("olivia", False, False, False)
    assert (await ask(kit.where(), slack.add_user("g", guest=True).id)).is_guest
    assert (await ask(kit.where(), slack.add_user("s", single_channel_guest=True).id)).is_guest
    assert (await ask(kit.where(), slack.add_user("x", team=other_team).id)).is_external
    assert (await ask(kit.where(), slack.add_user("b", is_bot=True).id)).is_bot
    assert (await ask(kit.where(), slack.add_user("d", deleted=True).id)).is_deleted
    assert (await ask(kit.where(), "U0UNKNOWN")).is_external


async def test_somebody_of_our_own_organisation_is_not_external(tmp_path: Path) -> None:
    async with FakeSlack(enterprise_id="E0ORG") as slack, slack_kit(slack, tmp_path) as kit:
        sister = slack.add_team("Sister", enterprise_id="E0ORG")
        user = slack.add_user("sis", team=sister)
        user.is_stranger = False
        assert not (await kit.behaviour.author_facts(kit.where(), user.id)).is_external


async def test_a_person_is_asked_for_once_and_never_all_of_them(kit: Kit) -> None:
    people = [kit.slack.add_user(f"p{n}").id for n in range(5)]
    await asyncio.gather(*(kit.behaviour.author_facts(kit.where(), person) for person in people * 4))
    assert len(kit.slack.calls_of("users.info")) == 5
    assert kit.slack.calls_of("users.list") == []


async def test_a_failed_question_is_not_remembered(kit: Kit) -> None:
    kit.slack.faults.reply("users.info", 500, times=3)
    with pytest.raises(ConnectError):
        await kit.behaviour.author_facts(kit.where(), kit.slack.owner.id)
    assert (await kit.behaviour.author_facts(kit.where(), kit.slack.owner.id)).display_name == "olivia"


async def test_a_shortcut_opens_the_form(kit: Kit) -> None:
    trigger = kit.slack.core.views.issue_trigger(kit.slack.owner.id)
    await kit.behaviour.perform(task("phantom_ask", {"trigger_id": trigger, "user": kit.slack.owner.id}))
    (view,) = kit.slack.open_views(kit.slack.owner)
    assert view.content["callback_id"] == "phantom_ask_modal"
    text, where = view.content["blocks"]
    assert (text["block_id"], text["element"]["action_id"]) == ("ask_text", "phantom_ask_text")
    assert (where["block_id"], where["element"]["action_id"]) == ("ask_where", "phantom_ask_where")
    assert where["optional"] is True
    assert where["element"]["min_query_length"] == 0
    assert view.content["private_metadata"] == ""


async def test_a_message_shortcut_keeps_the_place_and_quotes_the_message(kit: Kit) -> None:
    payload = {
        "trigger_id": kit.slack.core.views.issue_trigger(kit.slack.owner.id),
        "channel": kit.slack.general.id,
        "message_ts": "1700000000.000100",
        "thread_ts": "",
        "text": "line one\n" + "x" * 5000,
    }
    await kit.behaviour.perform(task("phantom_ask_about", payload))
    (view,) = kit.slack.open_views(kit.slack.owner)
    assert json.loads(view.content["private_metadata"]) == {
        "channel": kit.slack.general.id,
        "message_ts": "1700000000.000100",
        "thread_ts": "1700000000.000100",
    }
    initial = view.content["blocks"][0]["element"]["initial_value"]
    assert initial.startswith("> line one\n> xxx")
    assert initial.endswith("…\n\n")
    assert len(initial) < 3000


async def test_a_form_that_comes_too_late_is_explained(kit: Kit) -> None:
    owner, general = kit.slack.owner.id, kit.slack.general.id
    kit.slack.faults.fail("views.open", "expired_trigger_id", times=2)
    url = kit.slack.core.hooks.issue("app", user=owner, channel=general)
    await kit.behaviour.perform(task("phantom_ask_about", {"trigger_id": "t", "response_url": url}))
    assert "try again" in kit.slack.ephemerals[0].text
    with pytest.raises(DeliveryError, match="expired_trigger_id"):
        await kit.behaviour.perform(task("phantom_ask", {"trigger_id": "t"}))


async def test_the_home_tab_is_published_only_when_it_is_looked_at(kit: Kit) -> None:
    owner = kit.slack.owner.id
    await kit.behaviour.perform(task("app_home_opened", {"user": owner, "tab": "messages"}))
    assert kit.slack.calls_of("views.publish") == []
    await kit.behaviour.perform(task("app_home_opened", {"user": owner, "tab": "home"}))
    assert "Phantom" in json.dumps(kit.slack.core.views.homes[owner].content)
    kit.slack.faults.fail("views.publish", "not_enabled")
    await kit.behaviour.perform(task("app_home_opened", {"user": owner, "tab": "home"}))


async def test_a_new_agent_thread_gets_suggestions(kit: Kit) -> None:
    thread = await kit.slack.start_assistant_thread(kit.slack.owner)
    payload = {"user": kit.slack.owner.id, "channel": kit.slack.dm(kit.slack.owner).id, "thread_ts": thread}
    await kit.behaviour.perform(task("assistant_thread_started", payload))
    (call,) = kit.slack.calls_of("assistant.threads.setSuggestedPrompts")
    assert call.applied
    assert 1 <= len(call.args["prompts"]) <= 4
    kit.slack.faults.withdraw_scope("assistant:write")
    await kit.behaviour.perform(task("assistant_thread_started", payload))


async def test_an_unknown_task_is_refused(kit: Kit) -> None:
    with pytest.raises(UnsupportedCapability):
        await kit.behaviour.perform(task("make_coffee", {}))


async def test_the_installer_is_greeted_and_the_metadata_service_told(tmp_path: Path) -> None:
    async with FakeSlack() as slack, slack_kit(slack, tmp_path, transport="http", owner="U0OTHER") as kit:
        assert await kit.behaviour.introduction() is None
        kit.behaviour.me = await kit.web.auth_test()
        kit.behaviour.identity = SlackInstall(
            team_id=slack.team.id, installer_user_id=slack.owner.id, team_name="Acme", installed_at=""
        )
        message = await kit.behaviour.introduction()
        assert message is not None
        assert message.idempotency_key == f"intro:{slack.team.id}:{slack.owner.id}"
        assert message.conversation.kind is ConversationKind.DIRECT
        receipt = await kit.behaviour.send(message)
        await kit.behaviour.introduced(receipt)
        (greeting,) = slack.messages(slack.dm(slack.owner))
        assert kit.reports.first_dms == [greeting.ts]
        assert "I am **Phantom**" in greeting.shown or "I am *Phantom*" in greeting.shown
        assert greeting.pings == []


async def test_over_a_socket_the_owner_is_greeted_and_nobody_is_told(kit: Kit) -> None:
    kit.behaviour.me = await kit.web.auth_test()
    message = await kit.behaviour.introduction()
    assert message is not None
    assert message.conversation.place == kit.slack.owner.id
    await kit.behaviour.introduced(await kit.behaviour.send(message))
    assert kit.reports.first_dms == []


def found(findings: list[Finding], level: Level) -> str:
    return "\n".join(f"{one.what} → {one.cure}" for one in findings if one.level is level)


async def test_doctor_finds_nothing_wrong_with_a_good_install(kit: Kit) -> None:
    settings = SlackSettings(
        api_base_url=kit.slack.api_url, owner=kit.slack.owner.id, app_token=held("slack_app_token", kit.slack.app_token)
    )
    findings = await diagnose(settings, kit.context, kit.web)
    assert found(findings, Level.FAIL) == ""
    assert found(findings, Level.WARN) == ""
    said = found(findings, Level.OK)
    for part in (
        "bot token works",
        "every scope",
        "clock agrees",
        "opens Socket Mode",
        "owner is",
        "every full member",
    ):
        assert part in said
    assert kit.slack.app_token not in said
    assert kit.slack.bot_token not in said


async def test_doctor_names_each_fault_with_its_cure(kit: Kit) -> None:
    kit.slack.faults.withdraw_scope("files:read")
    kit.slack.faults.withdraw_scope("assistant:write")
    kit.slack.faults.revoke_app_token()
    kit.clock.ahead = 400.0
    settings = SlackSettings(
        api_base_url=kit.slack.api_url, owner="olivia", app_token=held("slack_app_token", kit.slack.app_token)
    )
    findings = await diagnose(settings, kit.context, kit.web)
    failed, warned = found(findings, Level.FAIL), found(findings, Level.WARN)
    assert "scope files:read is missing" in failed
    (ahead,) = re.findall(r"(\d+) s ahead", failed)
    assert 400 <= int(ahead) < 430, "as far as it is, and what passed since the answer was dated"
    assert "connections:write" in failed
    assert "OWNER_SLACK_USER_ID" in failed
    assert "assistant:write" in warned
    assert all(one.cure for one in findings if one.level is not Level.OK)


async def test_doctor_survives_a_dead_token_and_missing_secrets(kit: Kit) -> None:
    kit.slack.faults.revoke_bot_token("account_inactive")
    settings = SlackSettings(api_base_url=kit.slack.api_url)
    failed = found(await diagnose(settings, kit.context, kit.web), Level.FAIL)
    assert "account_inactive" in failed
    assert "app-level token" in failed
    direct = SlackSettings(api_base_url=kit.slack.api_url, transport="http", http_profile="direct",
                           signing_secret=held("slack_signing_secret", "client-secret"))  # fmt: skip
    assert "32 hex digits" in found(await diagnose(direct, kit.context, kit.web), Level.WARN)
    gateway = SlackSettings(api_base_url=kit.slack.api_url, transport="http")
    assert "gateway" in found(await diagnose(gateway, kit.context, kit.web), Level.FAIL)
