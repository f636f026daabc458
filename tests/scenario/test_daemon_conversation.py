"""What people do in conversations, through the real daemon: one turn a post, order, edits, commands, access.

Tests that take `shared` talk to one daemon a transport: each counts what it adds, and opens gates of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.scenario import daemon_kit
from tests.scenario.daemon_kit import World, soon

BOTH = pytest.mark.parametrize("transport", ["socket", "http"])
ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
world = partial(daemon_kit.world, ack_within=30.0)
"""None of this is about Slack's patience: a daemon that is slow for once loses no click and gets no event twice."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["socket", "http"])
async def one_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("shared"), request.param) as here:
        yield here


@pytest_asyncio.fixture(loop_scope="module")
async def shared(one_world: World) -> World:
    """Quiet: nothing of an earlier test is on its way."""
    await one_world.quiet()
    return one_world


async def counted(here: World, name: str, before: float, count: float) -> float:
    """How much a metric has grown, once that is `count` or more: it is counted a moment after the event is stored."""
    async with asyncio.timeout(30):
        while (grown := (await here.daemon.metrics()).get(name, 0) - before) < count:
            await asyncio.sleep(0.05)
    return grown


@ONE_LOOP
async def test_one_post_is_one_turn_however_often_it_is_delivered(shared: World) -> None:
    here = shared
    duplicate = 'phantom_receiver_requests_total{channel="slack",outcome="duplicate"}'
    second = 'phantom_events_total{channel="slack",outcome="duplicate_post"}'
    before, earlier = await here.daemon.metrics(), len(here.slack.delivered)
    question = await here.ask("hello")
    await here.answered(question, "heard: hello")
    delivered = list(here.slack.delivered)[earlier:]
    kinds = [delivery.type for delivery in delivered]
    assert kinds.count("app_mention") == 1
    assert kinds.count("message") >= 1
    for delivery in delivered:
        here.slack.redeliver(delivery)
    if here.slack.transport == "http":
        assert await here.slack.sender.replay(delivered[0]) == 200
    await here.quiet()
    assert here.said(question) == ["heard: hello"]
    assert await counted(here, duplicate, before.get(duplicate, 0), 2) >= 2
    assert await counted(here, second, before.get(second, 0), 1) == 1


@ONE_LOOP
async def test_a_lost_ack_is_answered_once(shared: World) -> None:
    shared.slack.faults.lose_acks(3)
    question = await shared.ask("hello")
    await shared.answered(question, "heard: hello")
    await shared.quiet()
    assert shared.said(question) == ["heard: hello"]


@ONE_LOOP
async def test_a_busy_conversation_queues_in_order_and_others_go_on(shared: World) -> None:
    here = shared
    first = await here.tell("gate busy one")
    await here.begun("busy")
    queued = [await here.tell(f"then {number}") for number in range(4)][-1]
    elsewhere = await here.ask("meanwhile")
    await here.answered(elsewhere, "heard: meanwhile")
    await here.until(lambda: "eyes" in queued.reactions)
    assert (await here.daemon.metrics())["phantom_journal_backlog"] >= 5
    here.open("busy")
    await here.answered(first, "heard: then 3")
    shown = [text for text in here.said(first) if "Hello, I am" not in text]
    assert shown == ["passed busy one", *(f"heard: then {number}" for number in range(4))]
    await here.until(lambda: list(queued.reactions) == ["white_check_mark"])


@BOTH
async def test_a_queued_post_is_answered_as_edited_and_not_at_all_when_deleted(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as here:
        first = await here.tell("gate a one")
        await here.begun("a")
        edited, deleted = await here.tell("wrong words"), await here.tell("never mind")
        await here.slack.settled()
        await here.slack.edit(edited, "right words")
        await here.slack.delete(deleted)
        await here.slack.edit(first, "gate a too late")
        await here.slack.settled()
        here.open("a")
        last = await here.tell("last")
        await here.answered(last, "heard: last")
        await here.quiet()
        assert [text for text in here.said(first) if "Hello, I am" not in text] == [
            "passed a one",
            "heard: right words",
            "heard: last",
        ]
        await here.until(lambda: "eyes" not in edited.reactions)


async def test_a_follow_up_needs_no_mention_even_while_the_first_turn_has_not_begun(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as here:
        await here.daemon.start()
        first = await here.ask("gate a one")  # the turns are still loading when this arrives
        follow = await here.slack.post(here.slack.owner, here.slack.general, "and this", thread_ts=first.ts)
        stranger = here.slack.add_user("other")
        aside = await here.slack.post(stranger, here.slack.general, "we talk aside", thread_ts=first.ts)
        here.open("a")
        await here.answered(first, "heard: and this")
        await here.quiet()
        assert here.said(first) == ["passed a one", "heard: and this"]
        assert aside.reactions == {}
        await here.until(lambda: "white_check_mark" in follow.reactions)


@BOTH
async def test_commands(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as here:
        slack, dm = here.slack, here.slack.dm(here.slack.owner)
        for word, expected in (("help", "/phantom"), ("status", "is well"), ("stop", "Nothing of yours")):
            answer = await slack.command(slack.owner, dm, "/phantom", word)
            assert answer.acked
            await here.told(expected)
        await here.answered(await here.tell("remember me"), "heard: remember me")
        history = await here.tell("history")
        await here.answered(history, "user:remember me | assistant:heard: remember me")
        await slack.command(slack.owner, dm, "/phantom", "new")
        await here.until(lambda: [m for m in slack.ephemerals if "forgotten" in m.shown])
        fresh = await here.tell("history")
        reply = await here.answered(fresh, "before:")
        assert "remember" not in reply.shown
        running, waiting = await here.tell("gate b one"), await here.tell("gate b two")
        await here.begun("b")
        await slack.settled()
        await here.until(lambda: "eyes" in waiting.reactions)
        await slack.command(slack.owner, dm, "/phantom", "stop")
        await here.until(
            lambda: [m for m in slack.ephemerals if "stopped 1 answer" in m.shown and "dropped 1" in m.shown]
        )
        await here.answered(running, "Stopped")
        await here.quiet()
        assert not [text for text in here.said(running) if "passed" in text]
        await here.until(lambda: "eyes" not in waiting.reactions)


@ONE_LOOP
async def test_feedback_by_button_and_by_reaction(shared: World) -> None:
    here = shared
    slack = here.slack
    reply = await here.answered(await here.ask("rate me"), "heard: rate me")
    assert {button["action_id"] for button in reply.buttons} == {
        "phantom_feedback:helpful",
        "phantom_feedback:not_helpful",
        "phantom_feedback:partly",
    }
    assert (await slack.click(slack.owner, reply, "phantom_feedback:helpful")).acked
    await here.until(lambda: [one for one in slack.ephemerals if "Thank you" in one.shown])
    await slack.react(slack.add_user("other"), reply, "thumbsdown")
    await slack.react(slack.owner, reply, "tractor")
    await here.quiet()
    for rating in ("helpful", "not_helpful"):  # of this test alone, no other rates anything
        assert await counted(here, f'phantom_feedback_total{{rating="{rating}"}}', 0, 1) == 1


@BOTH
async def test_an_approval_is_asked_once_and_survives_a_kill(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as here:
        slack = here.slack
        question = await here.ask("approve to launch")
        asked = await here.answered(question, "May I to launch?")
        other = slack.add_user("mallory")
        await slack.click(other, asked, "phantom_button:approval:yes")
        await here.daemon.kill()
        await here.daemon.start()
        elsewhere = await here.tell("still there")
        await here.answered(elsewhere, "heard: still there")
        assert [text for text in here.said(question) if "decided" in text] == []
        assert (await slack.click(slack.owner, asked, "phantom_button:approval:yes")).acked
        await here.answered(question, "decided True on to launch")
        await slack.click(slack.owner, asked, "phantom_button:approval:no") if asked.buttons else None
        await here.quiet()
        assert sum("decided" in text for text in here.said(question)) == 1
        assert sum("May I" in text for text in here.said(question)) <= 1


async def test_many_waiting_approvals_do_not_keep_others_waiting(tmp_path: Path) -> None:
    async with world(tmp_path, env={"PHANTOM_TURN_CONCURRENCY": "64"}) as here:
        asked = [await here.ask(f"approve number {number}") for number in range(24)]
        for question in asked:
            await here.answered(question, "May I", within=30)
        await here.answered(await here.tell("quick"), "heard: quick")
        assert not [text for question in asked for text in here.said(question) if "decided" in text]


@ONE_LOOP
async def test_files_in_and_out(shared: World) -> None:
    here = shared
    slack, dm = here.slack, here.slack.dm(here.slack.owner)
    given = await slack.post(slack.owner, dm, "read", files=[("note.txt", b"content of the note")])
    await here.answered(given, "content of the note")
    sent = await here.tell("file")
    await here.answered(sent, "here is a file")
    await here.until(
        lambda: [file for one in slack.messages(dm) for file in one.files if file.data == b"made by the agent"]
    )
    missing = await here.tell("nofile")
    reply = await here.answered(missing, "here is no file")
    assert "Could not be attached: nowhere.txt" in reply.shown
    await here.answered(await here.tell("after"), "heard: after")


@ONE_LOOP
async def test_what_an_agent_does_wrong_becomes_an_honest_answer(shared: World) -> None:
    here = shared
    await here.answered(await here.ask("raise hell"), "Something went wrong on my side")
    await here.answered(await here.ask("mute"), "no answer")
    here.open("p")
    reply = await here.answered(await here.ask("ping p"), "hello")
    assert reply.pings == []
    crashed = await here.daemon.until_logged("agent_crashed")
    assert "broken by hell" in crashed[-1]["traceback"]


@ONE_LOOP
async def test_who_may_not_talk(shared: World) -> None:
    here = shared
    slack = here.slack
    partner = slack.add_team("partner")
    common = slack.add_channel("shared", members=[slack.owner], shared_with=[partner])
    refused = [
        slack.add_user("guest", guest=True),
        slack.add_user("single", single_channel_guest=True),
        slack.add_user("foreign", team=partner),
        slack.add_user("robot", is_bot=True),
    ]
    asked = [await slack.post(user, common, f"{slack.mention} let me in") for user in refused]
    member = await slack.post(slack.add_user("member"), common, f"{slack.mention} me too")
    await here.answered(member, "heard: me too")
    await here.quiet()
    for question in asked:
        assert here.said(question) == []
        assert question.reactions == {}


async def test_the_owner_and_the_lists_decide(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as here:
        slack = here.slack
        friend, other = slack.add_user("friend", guest=True), slack.add_user("other")
        open_place = slack.add_channel("open", members=[slack.owner, friend, other])
        here.daemon.env |= {
            "OWNER_SLACK_USER_ID": slack.owner.id,
            "SLACK_ALLOWED_USERS": friend.id,
            "SLACK_ALLOWED_CHANNELS": open_place.id,
        }
        await here.daemon.start()
        for user, place in ((slack.owner, slack.general), (friend, slack.general), (other, open_place)):
            question = await slack.post(user, place, f"{slack.mention} {user.name}")
            await here.answered(question, f"heard: {user.name}")
        refused = await slack.post(other, slack.general, f"{slack.mention} no")
        command = await slack.command(other, slack.general, "/phantom", "status")
        assert command.acked
        await here.until(lambda: [one for one in slack.ephemerals if "not set up to talk to you" in one.shown])
        await here.quiet()
        assert here.said(refused) == []


@BOTH
async def test_the_introduction_is_sent_once_over_all_restarts(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport, start=False) as here:
        slack, dm = here.slack, here.slack.dm(here.slack.owner)
        here.daemon.env["OWNER_SLACK_USER_ID"] = slack.owner.id

        def greetings() -> list[str]:
            return [one.shown for one in slack.messages(dm) if "Hello, I am" in one.shown]

        slack.faults.drop_after("chat.postMessage")
        await here.daemon.start()
        await here.until(greetings)
        await here.daemon.until_logged("introduction_sent")
        for _ in range(2):
            await here.daemon.kill()
            await here.daemon.start()
            await here.answered(await here.tell("hello"), "heard: hello")
        assert len(greetings()) == 1
        if transport == "http":
            told = [body for what, body in here.metadata.tenant_status if what == "first_dm_sent"]
            assert len(told) == 1
            await soon(lambda: ("agent_ready", {"transport": "http"}) in here.metadata.tenant_status)
