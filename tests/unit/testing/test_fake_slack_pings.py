"""What a message would notify, wherever the mention stands."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.pings import pings_in_text, pings_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<!channel>", ["<!channel>"]),
        ("a <!here|here> b <!everyone>", ["<!here>", "<!everyone>"]),
        ("<@U012AB> and <@W9|walter>", ["<@U012AB>", "<@W9>"]),
        ("<!subteam^S1|@ops>", ["<!subteam^S1>"]),
        ("`<!channel>`", ["<!channel>"]),
        ("&lt;!channel&gt; @channel <!date^1^{date}|x> <#C1> <https://a.b|c>", []),
    ],
)
def test_text(text: str, found: list[str]) -> None:
    assert pings_in_text(text) == found


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x <!here>"}}], ["<!here>"]),
        ([{"type": "section", "text": {"type": "plain_text", "text": "x <!here>"}}], []),
        ([{"type": "markdown", "text": "**x** <@U1>"}], ["<@U1>"]),
        ([{"type": "rich_text", "elements": [{"elements": [{"type": "broadcast", "range": "here"}]}]}], ["<!here>"]),
        ([{"type": "rich_text", "elements": [{"elements": [{"type": "user", "user_id": "U1"}]}]}], ["<@U1>"]),
        ([{"type": "actions", "elements": [{"type": "button", "action_id": "a", "value": "<@U1>"}]}], []),
    ],
)
def test_blocks(blocks: list[dict[str, Any]], found: list[str]) -> None:
    assert pings_of("", blocks, []) == found


def test_attachment_fields_and_linked_names() -> None:
    assert pings_of("", [], [{"fields": [{"title": "t", "value": "<@U1>", "short": True}]}]) == ["<@U1>"]
    assert pings_of("hi @channel", [], [], link_names=True) == ["<!channel>"]


async def test_an_edit_counts_and_is_not_forgotten_by_the_next_one() -> None:
    async with FakeSlack() as slack:
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        sent = await client.chat_postMessage(channel=slack.general.id, text="quiet")
        message = slack.general.messages[sent["ts"]]
        assert message.pings == []
        await client.chat_update(channel=slack.general.id, ts=sent["ts"], text="loud <!channel>")
        await client.chat_update(channel=slack.general.id, ts=sent["ts"], text="quiet again")
        assert message.pings == ["<!channel>"]
        assert message.text == "quiet again"
