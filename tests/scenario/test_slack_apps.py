"""Slack for bridge apps, through the real wire: every event over both transports, every action, refusals, repeats."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from channels.slack.apps_triggers import TriggerBook
from phantom.apps import ActionRefused, SupportsApps
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.app import FakeApp
from tests.scenario.slack_apps_kit import ACTIONS, EVENTS, Apps, Sink, channel_of, lent, soon

BUTTONS = [
    {
        "type": "actions",
        "block_id": "row",
        "elements": [
            {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "7"},
            {"type": "static_select", "action_id": "pick", "options": []},
        ],
    }
]
INPUT = {
    "type": "input",
    "block_id": "why",
    "label": {"type": "plain_text", "text": "Why"},
    "element": {"type": "plain_text_input", "action_id": "reason"},
}


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[Apps]:
    async with lent(tmp_path) as found:
        yield found


@pytest.fixture(params=["socket", "http"])
async def both(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Apps]:
    async with lent(tmp_path, request.param) as found:
        yield found


async def refused(call: Any) -> ActionRefused:
    with pytest.raises(ActionRefused) as caught:
        await call
    return caught.value


def other_command(found: Apps) -> Any:
    return found.slack.command(found.slack.owner, found.slack.general, "/deploy", "prod now")


# --- events ---


async def test_messages_and_mentions_are_told(both: Apps) -> None:
    slack = both.slack
    team, general, owner = slack.team.id, slack.general, slack.owner
    root = await slack.post(owner, general, "lunch?", files=[("menu.txt", b"soup")])
    said = await both.event("slack.message")
    assert said.data["message"]["files"][0]["contentType"] == "text/plain"
    assert said.data["message"]["text"] == "lunch?"
    assert said.facts == {
        "guildId": team,
        "channelId": general.id,
        "channelType": "channel",
        "messageId": root.ts,
        "userId": owner.id,
    }
    asked = await slack.post(owner, general, f"{slack.mention} hi", thread_ts=root.ts)
    message, mention = await both.event("slack.message", 2), await both.event("slack.app_mention")
    assert message.data["message"]["id"] == mention.data["message"]["id"] == asked.ts
    assert mention.data["message"]["threadId"] == mention.facts["threadId"] == root.ts
    direct = await slack.post(owner, slack.dm(owner), "psst")
    assert (await both.event("slack.message", 3)).facts["channelType"] == "im"
    await slack.edit(direct, "psst!")
    changed = await both.event("slack.message_changed")
    assert (changed.data["oldMessage"]["text"], changed.data["message"]["text"]) == ("psst", "psst!")
    assert changed.data["message"]["editedAt"]
    await slack.delete(direct)
    gone = await both.event("slack.message_deleted")
    assert gone.data["message"]["id"] == gone.facts["messageId"] == direct.ts
    await slack.settled()
    assert len(both.inbox.envelopes) == 6


async def test_reactions_are_told(both: Apps) -> None:
    slack = both.slack
    said = await slack.post(slack.owner, slack.general, "hello")
    await slack.react(slack.owner, said, "wave::skin-tone-3")
    added = await both.event("slack.reaction_added")
    assert added.data["reaction"]["authorId"] == slack.owner.id
    assert added.facts["emoji"] == ("wave::skin-tone-3", "wave")
    await slack.unreact(slack.owner, said, "wave::skin-tone-3")
    removed = await both.event("slack.reaction_removed")
    assert removed.facts["messageId"] == said.ts
    await slack.emit({"type": "reaction_added", "user": "U1", "reaction": "x", "item": {"type": "file", "file": "F1"}})
    await slack.settled()
    assert len(both.sink.of("slack.reaction_added")) == 1


async def test_interactions_are_told_and_a_form_answers_them(both: Apps) -> None:
    slack = both.slack
    posted = await both.act("slack.postMessage", channelId=slack.general.id, text="?", blocks=BUTTONS)
    message = slack.messages(slack.general)[-1]
    pressed = await slack.click(slack.owner, message, "go")
    assert pressed.acked
    event = await both.event("slack.interaction")
    shown = event.data["interaction"]
    assert (shown["kind"], shown["customId"], shown["values"], shown["blockId"]) == ("button", "go", ["7"], "row")
    assert event.facts["messageId"] == posted["messageId"] == shown["message"]["id"]
    place = await both.channel.app_place("slack.openModal", {"interactionId": shown["id"]})
    assert (place.guild, place.channel) == (slack.team.id, slack.general.id)

    form: dict[str, Any] = {"title": "Why", "blocks": [INPUT], "submit": "Send", "customId": "why-form"}
    opened = await both.act(
        "slack.openModal", interactionId=shown["id"], privateMetadata="m", notifyOnClose=True, **form
    )
    (view,) = slack.open_views(slack.owner)
    assert opened == {"viewId": view.id, "interactionId": shown["id"]}
    twice = await refused(both.act("slack.openModal", interactionId=shown["id"], **form))
    assert twice.bridge_code == "INVALID_REQUEST"
    await slack.submit_view(slack.owner, view.id, {"why": {"reason": "because"}})
    sent = (await both.event("slack.interaction", 2)).data["interaction"]
    assert (sent["kind"], sent["customId"], sent["privateMetadata"]) == ("modalSubmit", "why-form", "m")
    assert sent["fields"] == {"why": {"reason": "because"}}

    await slack.shortcut(slack.owner, "page-somebody")
    run = (await both.event("slack.interaction", 3)).data["interaction"]
    assert (run["kind"], run["customId"]) == ("shortcut", "page-somebody")
    await both.act("slack.openModal", interactionId=run["id"], notifyOnClose=True, **form)
    (view,) = slack.open_views(slack.owner)
    await slack.close_view(slack.owner, view.id)
    closed = (await both.event("slack.interaction", 4)).data["interaction"]
    assert (closed["kind"], "fields" in closed) == ("modalClosed", False)
    no_trigger = await refused(both.act("slack.openModal", interactionId=closed["id"], **form))
    assert no_trigger.bridge_code == "FORBIDDEN"
    await slack.message_shortcut(slack.owner, message, "file-it")
    filed = await both.event("slack.interaction", 5)
    assert (filed.facts["interactionKind"], filed.facts["messageId"]) == ("messageShortcut", message.ts)
    await slack.click(slack.owner, message, "pick")
    assert (await both.event("slack.interaction", 6)).facts["interactionKind"] == "select"


async def test_commands_of_apps_are_told_and_left_to_them(both: Apps) -> None:
    slack = both.slack
    assert (await other_command(both)).acked
    event = await both.event("slack.command")
    command = event.data["command"]
    assert (command["commandName"], command["text"], event.facts["userId"]) == ("/deploy", "prod now", slack.owner.id)
    assert both.inbox.envelopes[-1].idle, "the agent is not asked"
    await both.act("slack.openModal", interactionId=command["id"], title="Deploy", blocks=[INPUT], submit="Go")
    assert slack.open_views(slack.owner)
    both.sink.wanted.discard("slack.command")
    await other_command(both)
    assert not both.inbox.envelopes[-1].idle, "nobody listens, so the agent is asked"


async def test_what_is_phantoms_own_is_told_and_not_answered_by_apps(apps: Apps) -> None:
    slack = apps.slack
    await slack.command(slack.owner, slack.general, "/phantom", "status")
    own = await apps.event("slack.command")
    assert not apps.inbox.envelopes[-1].idle
    error = await refused(
        apps.act("slack.openModal", interactionId=own.data["command"]["id"], title="x", blocks=[INPUT])
    )
    assert error.bridge_code == "FORBIDDEN"
    await slack.shortcut(slack.owner, "phantom_ask")
    asked = await apps.event("slack.interaction")
    error = await refused(
        apps.act("slack.openModal", interactionId=asked.data["interaction"]["id"], title="x", blocks=[INPUT])
    )
    assert error.bridge_code == "FORBIDDEN"
    for odd in (
        {"blocks": [{**BUTTONS[0], "elements": [{"type": "button", "action_id": "phantom_button:yes"}]}]},
        {"blocks": [{"type": "section", "block_id": "phantom_x", "text": {"type": "mrkdwn", "text": "x"}}]},
    ):
        error = await refused(apps.act("slack.postMessage", channelId=slack.general.id, text="x", **odd))
        assert error.bridge_code == "INVALID_REQUEST"
    assert not slack.calls_of("chat.postMessage")


async def test_a_retry_is_not_told_again_and_what_was_not_stored_is_told_once(both: Apps) -> None:
    slack = both.slack
    slack.sockets.ack_timeout = 0.2
    slack.faults.lose_acks(1)
    await slack.post(slack.owner, slack.general, "one")
    await slack.settled()
    both.inbox.broken = 1
    await slack.post(slack.owner, slack.general, "two")
    await slack.settled()
    slack.redeliver(slack.delivered.all[0])
    await slack.settled()
    assert [event.data["message"]["text"] for event in both.sink.of("slack.message")] == ["one", "two"]


async def test_nothing_is_built_for_nobody_and_a_beginning_is_a_gap(tmp_path: Path) -> None:
    sink = Sink(wanted=set())
    async with lent(tmp_path, sink=sink) as found:
        assert sink.gaps == [("slack", "source_interrupted")]
        assert isinstance(found.channel, SupportsApps)
        await found.slack.post(found.slack.owner, found.slack.general, "hello")
        await other_command(found)
        await found.slack.settled()
        assert not sink.events
        sink.wanted = set(EVENTS)
        await found.slack.emit({"type": "message", "channel": "C1", "ts": "no time", "text": "odd"})
        await found.slack.emit({"type": "message", "channel": 5})
        await found.slack.post(found.slack.owner, found.slack.general, "still there")
        assert (await found.event("slack.message")).data["message"]["text"] == "still there"


async def test_intents_are_the_granted_scopes(tmp_path: Path) -> None:
    app = FakeApp(scopes={"chat:write", "im:history", "commands"})
    async with FakeSlack(app=app) as slack:
        before = channel_of(slack, tmp_path, "socket")
        assert {"history", "reactions:read", "app_mentions:read"} <= before.app_intents()
        error = await refused(before.act("slack.postMessage", {"channelId": "C1", "text": "x"}, key=""))
        assert (error.bridge_code, error.retryable) == ("SERVICE_UNAVAILABLE", True)
        await before.aclose()
        async with lent(tmp_path, slack=slack) as found:
            assert found.channel.app_intents() == app.scopes | {"history"}


# --- actions ---


async def test_every_action_is_done(apps: Apps) -> None:
    slack, channel = apps.slack, apps.slack.general.id
    posted = await apps.act("slack.postMessage", channelId=channel, text="<@U1> *hi*")
    (root,) = slack.messages(channel)
    assert (posted, root.text, root.metadata) == ({"channelId": channel, "messageId": root.ts}, "<@U1> *hi*", None)
    reply = await apps.act(
        "slack.postMessage", channelId=channel, text="and", threadId=root.ts, replyBroadcast=True, unfurlLinks=True
    )
    assert reply["threadId"] == root.ts
    call = slack.calls_of("chat.postMessage")[-1].args
    assert (call["reply_broadcast"], call["unfurl_links"], call["unfurl_media"]) == (True, True, False)
    here = {"channelId": channel, "messageId": root.ts}
    assert await apps.act("slack.updateMessage", text="ho", **here) == here
    assert root.text == "ho"
    fetched = await apps.act("slack.fetchMessage", **here)
    assert (fetched["text"], fetched["userId"], bool(fetched["editedAt"])) == ("ho", slack.bot.id, True)
    inside = await apps.act("slack.fetchMessage", channelId=channel, messageId=reply["messageId"], threadId=root.ts)
    assert inside["text"] == "and"
    for _ in range(2):
        await apps.act("slack.addReaction", emoji="tada", **here)
    assert root.reactions == {"tada": [slack.bot.id]}
    for _ in range(2):
        assert await apps.act("slack.removeReaction", emoji="tada", **here) == {**here, "emoji": "tada"}
    assert not root.reactions
    await apps.act("slack.postEphemeral", channelId=channel, userId=slack.owner.id, text="only you")
    assert slack.ephemerals[-1].ephemeral_for == slack.owner.id
    assert (await apps.act("slack.deleteMessage", channelId=channel, messageId=reply["messageId"]))["deleted"]
    for content in ({"content": "a,b"}, {"contentBase64": base64.b64encode(b"a,b").decode()}):
        shared = await apps.act(
            "slack.uploadFile",
            channelId=channel,
            fileName="t.csv",
            title="Table",
            comment="see <!here>",
            threadId=root.ts,
            **content,
        )
        last = slack.messages(channel)[-1]
        assert (last.files[0].id, last.files[0].data, last.pings) == (shared["fileId"], b"a,b", [])
        assert (last.files[0].title, last.thread_ts, shared["threadId"]) == ("Table", root.ts, root.ts)
    place = await apps.channel.app_place("slack.postMessage", {"channelId": channel})
    assert (place.guild, place.channel) == (slack.team.id, channel)
    assert {call.method for call in slack.calls} >= {"chat.delete", "reactions.remove", "files.completeUploadExternal"}


LOUD = "all: <!channel> <!here|x> < !everyone> <!subteam^S1|@ops> @channel, and <@U2> <#C1> <!date^1^{date}|d>"
LOUD_BLOCKS = [
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "<!CHANNEL> @here"},
        "fields": [{"type": "mrkdwn", "text": "<!here>"}],
    },
    {"type": "markdown", "text": "hey <!everyone> &lt;!channel&gt; <@U2>"},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "<!subteam^S1>"}]},
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "broadcast", "range": "here"},
                    {"type": "usergroup", "usergroup_id": "S1"},
                    {"type": "user", "user_id": "U2"},
                    {"type": "text", "text": "<!channel> https://x.test/@here"},
                ],
            }
        ],
    },
]


async def test_nobody_is_pinged_by_a_crowd_unless_the_app_says_so(apps: Apps) -> None:
    slack, channel = apps.slack, apps.slack.general.id
    await apps.act("slack.postMessage", channelId=channel, text=LOUD, blocks=LOUD_BLOCKS)
    quiet = slack.messages(channel)[-1]
    assert quiet.pings == ["<@U2>"]
    assert "<#C1>" in quiet.text
    assert "<!date^1^{date}|d>" in quiet.text
    await apps.act("slack.updateMessage", channelId=channel, messageId=quiet.ts, text=LOUD, blocks=[])
    assert quiet.pings == ["<@U2>"]
    await apps.act("slack.postMessage", channelId=channel, text=LOUD, blocks=LOUD_BLOCKS, allowMassMentions=True)
    assert {"<!channel>", "<!here>", "<!everyone>", "<!subteam^S1>"} <= set(slack.messages(channel)[-1].pings)
    deep: Any = {"type": "section"}
    for _ in range(60):
        deep = {"type": "section", "x": [deep]}
    assert (await refused(apps.act("slack.postMessage", channelId=channel, text="x", blocks=[deep]))).bridge_code == (
        "INVALID_REQUEST"
    )


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("channel_not_found", "NOT_FOUND"),
        ("thread_not_found", "NOT_FOUND"),
        ("not_in_channel", "FORBIDDEN"),
        ("is_archived", "FORBIDDEN"),
        ("restricted_action", "FORBIDDEN"),
        ("invalid_blocks", "INVALID_REQUEST"),
        ("msg_too_long", "INVALID_REQUEST"),
        ("no_such_code_yet", "INVALID_REQUEST"),
        ("internal_error", "SERVICE_UNAVAILABLE"),
    ],
)
async def test_slacks_refusals_have_the_bridges_codes(apps: Apps, said: str, code: str) -> None:
    apps.slack.faults.fail("chat.postMessage", said)
    error = await refused(apps.act("slack.postMessage", channelId=apps.slack.general.id, text="x"))
    assert error.bridge_code == code
    assert error.unknown is (said == "internal_error")
    assert error.unknown or error.details["slackCode"] == said
    assert len(apps.slack.calls_of("chat.postMessage")) == 1


async def test_a_missing_scope_is_named_and_a_wait_is_told(apps: Apps) -> None:
    slack, channel = apps.slack, apps.slack.general.id
    slack.faults.withdraw_scope("reactions:write")
    error = await refused(apps.act("slack.addReaction", channelId=channel, messageId="1.000001", emoji="x"))
    assert error.bridge_code == "FORBIDDEN"
    assert "reactions:write" in error.hint
    slack.faults.rate_limit("chat.postMessage", retry_after=7)
    error = await refused(apps.act("slack.postMessage", channelId=channel, text="x"))
    assert (error.bridge_code, error.retryable, error.retry_after) == ("SERVICE_UNAVAILABLE", True, 7)
    assert error.details["retryAfterMs"] == 7000
    for action in ("slack.fetchMessage", "slack.deleteMessage"):
        error = await refused(apps.act(action, channelId=channel, messageId="1.000001"))
        assert error.bridge_code == "NOT_FOUND"
    error = await refused(
        apps.act("slack.openModal", interactionId="Iunknown", title="x", blocks=[{"type": "divider"}])
    )
    assert error.bridge_code == "NOT_FOUND"
    for content in ({"contentBase64": "no!"}, {"content": "x" * 1_048_577}, {"content": ""}, {}):
        params = {"channelId": channel, "fileName": "x", **content}
        error = await refused(apps.channel.act("slack.uploadFile", params, key=""))
        assert error.bridge_code == "INVALID_REQUEST"
    slack.faults.drop_after("files.completeUploadExternal")
    error = await refused(apps.act("slack.uploadFile", channelId=channel, fileName="x", content="x"))
    assert (error.bridge_code, error.unknown) == ("SERVICE_UNAVAILABLE", True)


async def test_a_refused_token_is_the_bots_trouble_and_stops_the_channel(apps: Apps) -> None:
    apps.slack.faults.revoke_bot_token()
    error = await refused(apps.act("slack.postMessage", channelId=apps.slack.general.id, text="x"))
    assert (error.bridge_code, error.unknown) == ("SERVICE_UNAVAILABLE", False)
    await asyncio.wait({apps.running}, timeout=30)
    assert apps.channel.health().state == "revoked"


# --- repeats ---


async def test_a_lost_answer_is_unknown_and_a_keyed_repeat_posts_once(apps: Apps) -> None:
    slack, channel = apps.slack, apps.slack.general.id
    slack.faults.drop_after("chat.postMessage", times=2)
    error = await refused(apps.act("slack.postMessage", channelId=channel, text="no key"))
    assert error.unknown
    error = await refused(apps.act("slack.postMessage", key="k1", channelId=channel, text="once"))
    assert error.unknown
    answer = await apps.act("slack.postMessage", key="k1", channelId=channel, text="once")
    assert [one.text for one in slack.messages(channel)] == ["no key", "once"]
    assert answer["messageId"] == slack.messages(channel)[-1].ts
    # The key is free again, and bound to what was asked: nothing is looked up for another post.
    looked = len(slack.calls_of("conversations.history"))
    await apps.act("slack.postMessage", key="k1", channelId=channel, text="another")
    await apps.act("slack.postMessage", key="k1", channelId=channel, text="once")
    assert len(slack.calls_of("conversations.history")) == looked
    assert [one.text for one in slack.messages(channel)][2:] == ["another", "once"]


async def test_a_keyed_repeat_after_a_crash_posts_once_in_a_thread_too(tmp_path: Path) -> None:
    async with FakeSlack() as slack:
        root = await slack.post(slack.owner, slack.general, "root")
        spoken: dict[str, Any] = {"channelId": slack.general.id, "text": "in it", "threadId": root.ts}
        async with lent(tmp_path, slack=slack) as first:
            slack.faults.delay("chat.postMessage", 30)
            begun = asyncio.create_task(first.act("slack.postMessage", key="k", **spoken))
            await soon(lambda: bool(slack.calls_of("chat.postMessage")))
            begun.cancel()  # as a deadline or the end of the process would
            await asyncio.gather(begun, return_exceptions=True)
            slack.faults.drop_after("chat.postMessage")
            assert (await refused(first.act("slack.postMessage", key="k", **spoken))).unknown
        async with lent(tmp_path, slack=slack) as second:
            slack.faults.withdraw_scope("channels:history")
            blind = await refused(second.act("slack.postMessage", key="k", **spoken))
            assert (blind.bridge_code, blind.unknown) == ("SERVICE_UNAVAILABLE", True)
            assert "channels:history" in blind.hint
            slack.faults.clear()
            answer = await second.act("slack.postMessage", key="k", **spoken)
            (reply,) = slack.replies(root)
            assert (answer["messageId"], answer["threadId"]) == (reply.ts, root.ts)
            assert not list((tmp_path / "apps_posts").iterdir())


async def test_what_twice_is_once_is_repeated_after_a_lost_answer(apps: Apps) -> None:
    slack, channel = apps.slack, apps.slack.general.id
    here = await apps.act("slack.postMessage", channelId=channel, text="x")
    for method in ("chat.update", "reactions.add", "reactions.remove", "chat.delete"):
        slack.faults.drop_after(method)
    await apps.act("slack.updateMessage", text="y", **here)
    await apps.act("slack.addReaction", emoji="eyes", **here)
    await apps.act("slack.removeReaction", emoji="eyes", **here)
    await apps.act("slack.deleteMessage", **here)
    assert not slack.messages(channel)
    assert {name for name, spec in ACTIONS.items() if not spec.repeatable} == {
        "slack.postEphemeral",
        "slack.openModal",
        "slack.uploadFile",
    }


async def test_an_interaction_is_forgotten_after_three_seconds(apps: Apps) -> None:
    await other_command(apps)
    command = (await apps.event("slack.command")).data["command"]
    place = await apps.channel.app_place("slack.openModal", {"interactionId": command["id"]})
    assert place.channel == apps.slack.general.id
    book = apps.channel._apps._book
    book.seconds = TriggerBook().seconds
    assert book.seconds == 3.0
    await other_command(apps)
    late = (await apps.event("slack.command", 2)).data["command"]
    await soon(lambda: late["id"] not in book._open)
    error = await refused(apps.channel.app_place("slack.openModal", {"interactionId": late["id"]}))
    assert error.bridge_code == "NOT_FOUND"
