"""What people do, as the app sees it: edits, reactions, shared channels, Enterprise Grid, and an uninstalled app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from phantom.testing.fake_slack import FakeApp, FakeSlack
from phantom.testing.fake_slack.changes import CallMade, Change, DeliveryChanged, MessageChanged


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(transport="http") as running:
        yield running


def events(slack: FakeSlack) -> list[dict[str, Any]]:
    """Inner events so far; nothing is sent, since no address was given."""
    return [one.payload["event"] for one in slack.delivered]


async def test_edit_and_delete(slack: FakeSlack) -> None:
    message = await slack.post(slack.owner, slack.general, "one")
    await slack.edit(message, "two")
    await slack.delete(message)
    _, changed, deleted = events(slack)
    assert (changed["subtype"], changed["message"]["text"], changed["previous_message"]["text"]) == (
        "message_changed",
        "two",
        "one",
    )
    assert changed["message"]["ts"] == message.ts != changed["ts"]
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", message.ts)
    assert slack.messages(slack.general) == []


async def test_reactions(slack: FakeSlack) -> None:
    message = await slack.post(slack.owner, slack.general, "one")
    await slack.react(slack.owner, message, "+1")
    await slack.react(slack.owner, message, "+1")
    await slack.unreact(slack.owner, message, "+1")
    assert [(one["type"], one.get("reaction")) for one in events(slack)[1:]] == [
        ("reaction_added", "+1"),
        ("reaction_removed", "+1"),
    ]
    assert events(slack)[1]["item"] == {"type": "message", "channel": slack.general.id, "ts": message.ts}


async def test_kinds_of_conversation(slack: FakeSlack) -> None:
    other = slack.add_user("otto")
    private = slack.add_channel("ops", private=True, members=[other])
    for place in (slack.general, private, slack.dm(other), slack.group_dm(slack.owner, other)):
        await slack.post(other, place, f"{slack.mention} hi")
    kinds = [one["channel_type"] for one in events(slack) if one["type"] == "message"]
    assert kinds == ["channel", "group", "im", "mpim"]
    assert [one["channel"][0] for one in events(slack) if one["type"] == "app_mention"] == ["C", "G", "G"]
    assert slack.dm(other) is slack.dm(other.id)


async def test_without_the_bot_or_a_subscription_nothing_is_sent() -> None:
    app = FakeApp(subscriptions=frozenset({"app_mention", "message.im"}))
    async with FakeSlack(transport="http", app=app) as slack:
        outside = slack.add_channel("outside", with_bot=False)
        await slack.post(slack.owner, outside, f"{slack.mention} hi")
        await slack.post(slack.owner, slack.general, f"{slack.mention} hi")
        await slack.post(slack.owner, slack.dm(slack.owner), "hi")
        assert [one["type"] for one in events(slack)] == ["app_mention", "message"]


async def test_threads_and_files(slack: FakeSlack) -> None:
    root = await slack.post(slack.owner, slack.general, "root")
    await slack.post(slack.owner, slack.general, "", thread_ts=root.ts, files=[("a.txt", b"abc")])
    event = events(slack)[1]
    assert (event["thread_ts"], event["parent_user_id"], event["subtype"]) == (root.ts, slack.owner.id, "file_share")
    assert (event["files"][0]["size"], event["files"][0]["mimetype"]) == (3, "text/plain")
    assert slack.bot_token not in event["files"][0]["url_private"]


async def test_slack_connect(slack: FakeSlack) -> None:
    team = slack.add_team("Other")
    foreign = slack.add_user("fay", team=team)
    shared = slack.add_channel("shared", members=[slack.owner, foreign], shared_with=[team])
    await slack.post(foreign, shared, "hello from outside")
    outer = slack.delivered[0].payload
    assert (outer["team_id"], outer["is_ext_shared_channel"]) == (team.id, True)
    assert [one["team_id"] for one in outer["authorizations"]] == [slack.team.id]
    assert (outer["event"]["user_team"], outer["event"]["source_team"]) == (team.id, team.id)


async def test_enterprise_grid() -> None:
    async with FakeSlack(transport="http", enterprise_id="E0GRID", org_install=True) as slack:
        await slack.post(slack.owner, slack.general, "hi")
        outer = slack.delivered[0].payload
        assert outer["enterprise_id"] == "E0GRID"
        assert outer["authorizations"][0] == {
            "enterprise_id": "E0GRID",
            "team_id": None,
            "user_id": slack.bot.id,
            "is_bot": True,
            "is_enterprise_install": True,
        }
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        who = await client.auth_test()
        assert (who["enterprise_id"], who["is_enterprise_install"]) == ("E0GRID", True)


async def test_end_of_an_installation(slack: FakeSlack) -> None:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    await slack.uninstall()
    assert [one["type"] for one in events(slack)] == ["tokens_revoked", "app_uninstalled"]
    with pytest.raises(SlackApiError, match="account_inactive"):
        await client.auth_test()
    slack.faults.restore_bot_token()
    await slack.revoke_tokens()
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()
    old = slack.bot_token
    assert slack.app.rotate_bot_token() == slack.bot_token != old
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()
    assert (await AsyncWebClient(token=slack.bot_token, base_url=slack.api_url).auth_test())["ok"]


async def test_the_bots_own_posts_come_back_to_it(slack: FakeSlack) -> None:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    sent = await client.chat_postMessage(channel=slack.general.id, text="mine")
    await client.reactions_add(channel=slack.general.id, timestamp=sent["ts"], name="eyes")
    assert [(one["type"], one["user"]) for one in events(slack)] == [
        ("message", slack.bot.id),
        ("reaction_added", slack.bot.id),
    ]
    assert events(slack)[0]["bot_id"] == slack.app.bot_id
    async with FakeSlack(transport="http", echo_own=False) as quiet:
        client = AsyncWebClient(token=quiet.bot_token, base_url=quiet.api_url)
        await client.chat_postMessage(channel=quiet.general.id, text="mine")
        assert events(quiet) == []


async def test_another_bot(slack: FakeSlack) -> None:
    robot = slack.add_user("robot", is_bot=True)
    await slack.post(robot, slack.general, f"{slack.mention} beep")
    assert [one["type"] for one in events(slack)] == ["message", "app_mention"]
    assert events(slack)[0]["bot_id"] == robot.bot_id


async def test_typed_text(slack: FakeSlack) -> None:
    assert slack.typed("@phantom a<b & @here @nobody") == f"{slack.mention} a&lt;b &amp; <!here> @nobody"


async def test_odd_events_travel_in_an_authentic_envelope(slack: FakeSlack) -> None:
    await slack.emit({"type": "brand_new_event", "x": [1]}, by=slack.owner)
    assert slack.delivered[0].payload["event"] == {"type": "brand_new_event", "x": [1]}
    assert slack.delivered[0].payload["team_id"] == slack.team.id


async def test_feed(slack: FakeSlack) -> None:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    async with slack.subscribe() as feed:
        await slack.post(slack.owner, slack.general, "hi")
        await client.auth_test()
        seen: list[Change] = []
        async for change in feed:
            seen.append(change)
            if isinstance(change, CallMade):
                break
    assert [type(one) for one in seen] == [MessageChanged, DeliveryChanged, CallMade]
    with pytest.raises(TimeoutError):
        await slack.wait_for(lambda: False, timeout=0.02)
