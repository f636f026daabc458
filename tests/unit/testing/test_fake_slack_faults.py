"""Failures on command, as slack_sdk's client experiences them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncConnectionErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from phantom.testing.fake_slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(transport="http", echo_own=False) as running:
        yield running


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, timeout=60, retry_handlers=[])


async def test_errors_statuses_and_rate_limits(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.faults.fail("chat.postMessage", "fatal_error")
    slack.faults.rate_limit("chat.postMessage", retry_after=7)
    slack.faults.reply("chat.postMessage", 503, b"<html>down</html>")
    where: dict[str, Any] = {"channel": slack.general.id, "text": "x"}
    with pytest.raises(SlackApiError, match="fatal_error"):
        await client.chat_postMessage(**where)
    with pytest.raises(SlackApiError) as limited:
        await client.chat_postMessage(**where)
    assert (limited.value.response.status_code, limited.value.response.headers["Retry-After"]) == (429, "7")
    with pytest.raises(SlackApiError) as down:
        await client.chat_postMessage(**where)
    assert down.value.response.status_code == 503
    assert slack.messages(slack.general) == []
    await client.chat_postMessage(**where)
    assert [(call.status, call.error) for call in slack.calls] == [
        (200, "fatal_error"),
        (429, "ratelimited"),
        (503, ""),
        (200, ""),
    ]


async def test_dropped_after_it_was_applied(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.faults.drop_after("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=slack.general.id, text="there")
    assert [one.text for one in slack.messages(slack.general)] == ["there"]
    assert (slack.calls[0].lost, slack.calls[0].applied) == (True, True)


async def test_dropped_before_and_a_retrying_client_posts_once(slack: FakeSlack, client: AsyncWebClient) -> None:
    client.retry_handlers.append(AsyncConnectionErrorRetryHandler(max_retry_count=1))
    slack.faults.drop_before("*")
    await client.chat_postMessage(channel=slack.general.id, text="once")
    assert [one.text for one in slack.messages(slack.general)] == ["once"]
    assert [call.applied for call in slack.calls] == [False, True]


async def test_hang_and_delay(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.faults.hang("auth.test")
    hanging = asyncio.create_task(client.auth_test())
    await slack.wait_for(lambda: slack.faults.taken["hang"])
    await asyncio.wait({hanging}, timeout=0.1)
    assert not hanging.done()
    hanging.cancel()
    slack.faults.delay("auth.test", 0.02)
    assert (await client.auth_test())["ok"]


async def test_missing_scope_says_which(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.faults.withdraw_scope("chat:write")
    slack.faults.withdraw_scope("channels:history")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=slack.general.id, text="x")
    assert (caught.value.response["error"], caught.value.response["needed"]) == ("missing_scope", "chat:write")
    assert "chat:write" not in caught.value.response["provided"].split(",")
    with pytest.raises(SlackApiError, match="missing_scope"):
        await client.conversations_history(channel=slack.general.id)
    slack.faults.clear()
    await client.chat_postMessage(channel=slack.general.id, text="x")


async def test_token_bucket(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.faults.limit("chat.postMessage", per_second=0.001, burst=2, per_channel=True)
    other = slack.add_channel("other")
    for _ in range(2):
        await client.chat_postMessage(channel=slack.general.id, text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=slack.general.id, text="x")
    assert int(caught.value.response.headers["Retry-After"]) >= 1
    await client.chat_postMessage(channel=other.id, text="x")
    slack.faults.clear()
    slack.faults.slack_limits()
    await client.chat_postMessage(channel=slack.general.id, text="x")


async def test_revoked_token(slack: FakeSlack, client: AsyncWebClient) -> None:
    for error in ("token_revoked", "invalid_auth", "account_inactive"):
        slack.faults.revoke_bot_token(error)
        with pytest.raises(SlackApiError, match=error):
            await client.auth_test()
    slack.faults.restore_bot_token()
    await client.auth_revoke()
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()
