"""Web API methods, asked by the real slack_sdk: results, argument checks and Slack's error codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from phantom.testing.fake_slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as running:
        yield running


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)


async def refused(client: AsyncWebClient, method: str, **args: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await client.api_call(method, json=args)
    return str(caught.value.response["error"])


async def test_auth_test_and_tokens(slack: FakeSlack, client: AsyncWebClient) -> None:
    who = await client.auth_test()
    assert (who["team_id"], who["user_id"], who["bot_id"]) == (slack.team.id, slack.bot.id, slack.app.bot_id)
    assert "chat:write" in who.headers["x-oauth-scopes"]
    assert await refused(AsyncWebClient(base_url=slack.api_url), "auth.test") == "not_authed"
    assert await refused(AsyncWebClient(token="xoxb-no", base_url=slack.api_url), "auth.test") == "invalid_auth"
    assert await refused(AsyncWebClient(token=slack.app_token, base_url=slack.api_url), "auth.test") == (
        "not_allowed_token_type"
    )
    assert await refused(client, "apps.connections.open") == "not_allowed_token_type"
    assert await refused(client, "no.such.method") == "unknown_method"


async def test_calls_are_recorded_without_tokens(slack: FakeSlack, client: AsyncWebClient) -> None:
    await client.api_call("auth.test", data={"token": slack.bot_token})
    await client.chat_postMessage(channel=slack.general.id, text="hello")
    await refused(client, "chat.postMessage", channel="C404", text="x")
    assert [(call.method, call.ok, call.error) for call in slack.calls] == [
        ("auth.test", True, ""),
        ("chat.postMessage", True, ""),
        ("chat.postMessage", False, "channel_not_found"),
    ]
    assert slack.bot_token not in repr(slack.calls)
    assert slack.calls_of("chat.postMessage")[0].args["text"] == "hello"


async def test_post_in_a_thread_with_blocks_and_metadata(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await slack.post(slack.owner, slack.general, "question")
    metadata = {"event_type": "phantom_message", "event_payload": {"key": "k/1"}}
    sent = await client.chat_postMessage(
        channel=slack.general.id,
        thread_ts=root.ts,
        text="answer",
        blocks=[{"type": "markdown", "text": "**answer**"}],
        metadata=metadata,
    )
    assert sent["message"]["thread_ts"] == root.ts
    assert [one.shown for one in slack.replies(root)] == ["**answer**"]
    with_it = await client.conversations_replies(channel=slack.general.id, ts=root.ts, include_all_metadata=True)
    without = await client.conversations_replies(channel=slack.general.id, ts=root.ts)
    assert with_it["messages"][1]["metadata"] == metadata
    assert "metadata" not in without["messages"][1]
    assert with_it["messages"][0]["reply_count"] == 1
    assert with_it["messages"][1]["parent_user_id"] == slack.owner.id


async def test_reply_to_a_reply_goes_to_the_root(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await slack.post(slack.owner, slack.general, "question")
    first = await client.chat_postMessage(channel=slack.general.id, thread_ts=root.ts, text="1")
    second = await client.chat_postMessage(channel=slack.general.id, thread_ts=first["ts"], text="2")
    assert second["message"]["thread_ts"] == root.ts
    assert await refused(client, "chat.postMessage", channel=slack.general.id, text="x", thread_ts="1.0") == (
        "thread_not_found"
    )


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "markdown", "text": "x" * 12_001}]}, "invalid_blocks"),
        ({"blocks": [{"type": "markdown", "text": "x" * 6_001}] * 2}, "msg_blocks_too_long"),
        ({"blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
        ({"blocks": "not json"}, "invalid_blocks_format"),
        ({"blocks": [{"type": "actions", "elements": []}]}, "invalid_blocks"),
        ({"text": "x", "metadata": {"event_type": "e"}}, "invalid_metadata_format"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
    ],
)
async def test_content_checks(slack: FakeSlack, client: AsyncWebClient, args: dict[str, Any], error: str) -> None:
    assert await refused(client, "chat.postMessage", channel=slack.general.id, **args) == error
    assert slack.messages(slack.general) == []


async def test_where_the_bot_may_not_post(slack: FakeSlack, client: AsyncWebClient) -> None:
    public = slack.add_channel("elsewhere", with_bot=False)
    private = slack.add_channel("secret", private=True, with_bot=False)
    assert await refused(client, "chat.postMessage", channel=public.id, text="x") == "not_in_channel"
    assert await refused(client, "chat.postMessage", channel=private.id, text="x") == "channel_not_found"
    await slack.archive(slack.general)
    assert await refused(client, "chat.postMessage", channel=slack.general.id, text="x") == "is_archived"


async def test_update_and_delete(slack: FakeSlack, client: AsyncWebClient) -> None:
    sent = await client.chat_postMessage(channel=slack.general.id, text="one")
    await client.chat_update(channel=slack.general.id, ts=sent["ts"], text="two")
    shown = (await client.conversations_history(channel=slack.general.id))["messages"][0]
    assert (shown["text"], shown["edited"]["user"]) == ("two", slack.bot.id)
    theirs = await slack.post(slack.owner, slack.general, "mine")
    where: dict[str, Any] = {"channel": slack.general.id, "text": "x"}
    assert await refused(client, "chat.update", ts=theirs.ts, **where) == "cant_update_message"
    assert await refused(client, "chat.update", ts="1.0", **where) == "message_not_found"
    assert await refused(client, "chat.update", ts=sent["ts"], channel=slack.general.id, text="x" * 4001) == (
        "msg_too_long"
    )
    assert await refused(client, "chat.delete", ts=theirs.ts, channel=slack.general.id) == "cant_delete_message"
    await client.chat_delete(channel=slack.general.id, ts=sent["ts"])
    assert await refused(client, "chat.delete", ts=sent["ts"], channel=slack.general.id) == "message_not_found"


async def test_update_keeps_the_blocks_that_it_does_not_name(slack: FakeSlack, client: AsyncWebClient) -> None:
    blocks = [{"type": "markdown", "text": "**old**"}]
    sent = await client.chat_postMessage(channel=slack.general.id, text="old", blocks=blocks)
    message = slack.general.messages[sent["ts"]]
    await client.chat_update(channel=slack.general.id, ts=sent["ts"], text="new")
    assert (message.text, message.shown) == ("new", "**old**")
    await client.chat_update(channel=slack.general.id, ts=sent["ts"], text="new", blocks=[])
    assert message.shown == "new"


async def test_history_pages_newest_first_and_leaves_threads_out(slack: FakeSlack, client: AsyncWebClient) -> None:
    posts = [await slack.post(slack.owner, slack.general, f"m{number}") for number in range(5)]
    await slack.post(slack.owner, slack.general, "reply", thread_ts=posts[0].ts)
    assert [posts[i].ts < posts[i + 1].ts for i in range(4)] == [True] * 4
    seen: list[str] = []
    async for page in await client.conversations_history(channel=slack.general.id, limit=2):
        seen += [one["text"] for one in page["messages"]]
    assert seen == ["m4", "m3", "m2", "m1", "m0"]
    later = await client.conversations_history(channel=slack.general.id, oldest=posts[3].ts)
    assert [one["text"] for one in later["messages"]] == ["m4"]
    same = await client.conversations_history(channel=slack.general.id, oldest=posts[3].ts, inclusive=True)
    assert [one["text"] for one in same["messages"]] == ["m4", "m3"]
    assert await refused(client, "conversations.replies", channel=slack.general.id, ts="1.0") == "thread_not_found"


async def test_reactions(slack: FakeSlack, client: AsyncWebClient) -> None:
    message = await slack.post(slack.owner, slack.general, "hi")
    where: dict[str, Any] = {"channel": slack.general.id, "timestamp": message.ts}
    await client.reactions_add(name="eyes", **where)
    assert await refused(client, "reactions.add", name="eyes", **where) == "already_reacted"
    assert await refused(client, "reactions.add", name="No Such", **where) == "invalid_name"
    assert message.reactions == {"eyes": [slack.bot.id]}
    assert (await client.reactions_get(**where))["message"]["reactions"][0]["count"] == 1
    await client.reactions_remove(name="eyes", **where)
    assert await refused(client, "reactions.remove", name="eyes", **where) == "no_reaction"


async def test_users_conversations_team(slack: FakeSlack, client: AsyncWebClient) -> None:
    guest = slack.add_user("gus", single_channel_guest=True)
    foreign = slack.add_user("fay", team=slack.add_team("Other"))
    shown = (await client.users_info(user=guest.id))["user"]
    assert (shown["is_restricted"], shown["is_ultra_restricted"]) == (True, True)
    assert (await client.users_info(user=foreign.id))["user"]["is_stranger"] is True
    assert await refused(client, "users.info", user="U404") == "user_not_found"
    assert foreign.id not in [one["id"] for one in (await client.users_list())["members"]]
    direct = (await client.conversations_open(users=guest.id))["channel"]["id"]
    assert slack.dm(guest).id == direct
    assert (await client.conversations_info(channel=direct))["channel"]["is_im"] is True
    assert (await client.conversations_members(channel=slack.general.id))["members"] == [slack.owner.id, slack.bot.id]
    assert [one["name"] for one in (await client.conversations_list())["channels"]] == ["general"]
    assert (await client.team_info())["team"]["id"] == slack.team.id
    assert (await client.bots_info(bot=slack.app.bot_id))["bot"]["user_id"] == slack.bot.id


async def test_ephemeral_and_permalink(slack: FakeSlack, client: AsyncWebClient) -> None:
    await client.chat_postEphemeral(channel=slack.general.id, user=slack.owner.id, text="psst")
    assert [(one.text, one.ephemeral_for) for one in slack.ephemerals] == [("psst", slack.owner.id)]
    assert slack.messages(slack.general) == []
    assert await refused(client, "chat.postEphemeral", channel=slack.general.id, user="U404", text="x") == (
        "user_not_in_channel"
    )
    message = await slack.post(slack.owner, slack.general, "hi")
    link = (await client.chat_getPermalink(channel=slack.general.id, message_ts=message.ts))["permalink"]
    assert link.endswith(f"/archives/{slack.general.id}/p{message.ts.replace('.', '')}")


async def test_streams(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await slack.post(slack.owner, slack.general, "question")
    where: dict[str, Any] = {"channel": slack.general.id, "thread_ts": root.ts}
    assert await refused(client, "chat.startStream", **where) == "missing_recipient_team_id"
    stream = await client.chat_startStream(
        **where, recipient_team_id=slack.team.id, recipient_user_id=slack.owner.id, markdown_text="a"
    )
    here: dict[str, Any] = {"channel": slack.general.id, "ts": stream["ts"]}
    await client.chat_appendStream(**here, markdown_text="b")
    assert await refused(client, "chat.update", **here, text="x") == "cant_update_message"
    await client.chat_stopStream(**here, markdown_text="c")
    assert slack.replies(root)[0].text == "abc"
    assert await refused(client, "chat.appendStream", **here, markdown_text="d") == "message_not_in_streaming_state"


async def test_files_go_up_and_come_down(slack: FakeSlack, client: AsyncWebClient) -> None:
    sent = await client.files_upload_v2(
        channel=slack.general.id, content=b"1,2\n", filename="numbers.csv", initial_comment="here"
    )
    message = slack.messages(slack.general)[0]
    assert (message.text, message.files[0].name, message.files[0].data) == ("here", "numbers.csv", b"1,2\n")
    info = await client.files_info(file=sent["file"]["id"])
    theirs = await slack.post(slack.owner, slack.general, "look", files=[("note.txt", b"secret")])
    url = theirs.to_slack()["files"][0]["url_private_download"]
    async with aiohttp.ClientSession() as http:
        bearer = {"Authorization": f"Bearer {slack.bot_token}"}
        assert await (await http.get(url, headers=bearer)).read() == b"secret"
        assert await (await http.get(info["file"]["url_private"], headers=bearer)).read() == b"1,2\n"
        anonymous = await http.get(url)
        assert (anonymous.status, anonymous.content_type) == (200, "text/html")
        assert b"secret" not in await anonymous.read()


async def test_assistant_status_is_cleared_by_the_answer(slack: FakeSlack, client: AsyncWebClient) -> None:
    thread_ts = await slack.start_assistant_thread(slack.owner)
    place = slack.dm(slack.owner)
    where: dict[str, Any] = {"channel_id": place.id, "thread_ts": thread_ts}
    await client.assistant_threads_setStatus(**where, status="is thinking…")
    await client.assistant_threads_setTitle(**where, title="Numbers")
    await client.assistant_threads_setSuggestedPrompts(**where, prompts=[{"title": "t", "message": "m"}])
    assert (place.status[thread_ts], place.titles[thread_ts]) == ("is thinking…", "Numbers")
    await client.chat_postMessage(channel=place.id, thread_ts=thread_ts, text="done")
    assert place.status == {}


async def test_form_query_and_broken_bodies(slack: FakeSlack) -> None:
    bearer = {"Authorization": f"Bearer {slack.bot_token}"}
    async with aiohttp.ClientSession() as http:
        form = {"token": slack.bot_token, "channel": slack.general.id, "text": "by form"}
        assert (await (await http.post(slack.api_url + "chat.postMessage", data=form)).json())["ok"] is True
        query = await http.get(slack.api_url + "conversations.info", params={"channel": "C404"}, headers=bearer)
        assert (await query.json())["error"] == "channel_not_found"
        broken = await http.post(
            slack.api_url + "auth.test", data=b"{", headers={**bearer, "Content-Type": "application/json"}
        )
        assert (await broken.json())["error"] == "invalid_json"
    assert slack.bot_token not in repr(slack.calls)
