"""Slack's table for apps: its names, what its actions take, and which scopes its events need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from channels.discord.apps_catalogue import TABLE as DISCORD
from channels.slack.apps_catalogue import HISTORY, TABLE, intents
from phantom.apps import ActionRefused
from phantom.bridge.catalogue import load, method

CATALOGUE = load([DISCORD, TABLE])
AT = {"channelId": "C0123ABC"}
ON_MESSAGE = {**AT, "messageId": "1712345678.000100"}
BLOCK = {"type": "section", "text": {"type": "mrkdwn", "text": "hi"}}
FULL: dict[str, dict[str, Any]] = {
    "slack.postMessage": {
        **AT, "text": "hi", "blocks": [BLOCK], "threadId": "1712345678.000100", "replyBroadcast": True,
        "unfurlLinks": False, "unfurlMedia": False,
    },
    "slack.updateMessage": {**ON_MESSAGE, "text": "hi"},
    "slack.deleteMessage": ON_MESSAGE,
    "slack.postEphemeral": {**AT, "userId": "U01", "text": "psst"},
    "slack.fetchMessage": {**ON_MESSAGE, "threadId": "1712345678.000100"},
    "slack.addReaction": {**ON_MESSAGE, "emoji": "wave::skin-tone-3"},
    "slack.removeReaction": {**ON_MESSAGE, "emoji": "パーティー"},
    "slack.openModal": {"interactionId": "i1", "title": "T", "blocks": [BLOCK], "submit": "Go", "customId": "form"},
    "slack.uploadFile": {**AT, "fileName": "a.txt", "content": "text", "comment": "here"},
}  # fmt: skip
BAD = [
    ("slack.postMessage", AT, "text"),
    ("slack.postMessage", {"channelId": "#general", "text": "x"}, "channelId"),
    ("slack.postMessage", {**AT, "text": "x" * 40_001}, "text"),
    ("slack.postMessage", {**AT, "text": "x", "blocks": [BLOCK] * 51}, "blocks"),
    ("slack.postMessage", {**AT, "blocks": [{"text": "x"}]}, "blocks[0]"),
    ("slack.postMessage", {**AT, "text": "x", "token": "x"}, "token"),
    ("slack.updateMessage", {**AT, "messageId": "1712345678", "text": "x"}, "messageId"),
    ("slack.addReaction", {**ON_MESSAGE, "emoji": ":wave:"}, "emoji"),
    ("slack.openModal", {"interactionId": "i1", "title": "x" * 25, "blocks": [BLOCK]}, "title"),
    ("slack.uploadFile", {**AT, "fileName": "a"}, "content"),
    ("slack.uploadFile", {**AT, "fileName": "a", "content": "x", "contentBase64": "eHh4"}, "content"),
    ("slack.uploadFile", {**AT, "fileName": "a", "contentBase64": "eHh4e"}, "contentBase64"),
    ("slack.uploadFile", {**AT, "fileName": "../a", "content": "x"}, "fileName"),
]


def decode(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return CATALOGUE.decode_params(name, json.dumps(data).encode())


def test_both_tables_make_one_catalogue() -> None:
    assert [spec.name for spec in TABLE.actions] == list(FULL)
    assert all(name.startswith("slack.") for name in (*FULL, *(spec.name for spec in TABLE.events)))
    assert set(TABLE.filters) <= set(DISCORD.filters)
    assert CATALOGUE.channel_of("slack.message") == "slack"
    assert CATALOGUE.channel_of("messageCreate") == "discord"
    methods = [method(name) for name in CATALOGUE.actions]
    assert len(set(methods)) == len(methods)
    assert {"send_message", "slack_post_message"} <= set(methods)


@pytest.mark.parametrize("name", FULL)
def test_what_an_action_takes(name: str) -> None:
    assert decode(name, FULL[name]) == FULL[name]


@pytest.mark.parametrize(("name", "data", "field"), BAD)
def test_what_slack_would_refuse_is_refused_before(name: str, data: dict[str, Any], field: str) -> None:
    with pytest.raises(ActionRefused) as caught:
        decode(name, data)
    assert caught.value.details["field"] == field


def test_any_history_scope_lets_messages_arrive() -> None:
    assert HISTORY in intents({"im:history"})
    assert HISTORY not in intents({"chat:write"})
    assert intents({"reactions:read"}) == {"reactions:read"}
