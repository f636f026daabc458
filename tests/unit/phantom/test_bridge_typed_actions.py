"""The generated methods: one for every action, and what they send is what the bridge takes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import UNSET

from channels.discord.apps_catalogue import TABLE as DISCORD
from channels.slack.apps_catalogue import TABLE as SLACK
from phantom.bridge.catalogue import load, method
from phantom.bridge.client_actions import Actions

CATALOGUE = load([DISCORD, SLACK])
VALUES: dict[str, Any] = {
    "components": [{"type": 1, "components": [{"type": 4, "custom_id": "a"}]}],
    "blocks": [{"type": "divider"}],
    "message_ids": ["1"],
    "duration_ms": 1000,
    "method": "get_user",
    "file_name": "a.txt",
}
SLACK_VALUES = {"channel_id": "C1", "message_id": "1712345678.000100", "user_id": "U1", "content": "x"}


class Bridge:
    """Takes what a bridge would take, and tells what it was."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], str | None, float | None]] = []

    async def __call__(
        self, name: str, data: Mapping[str, Any], *, idempotency_key: str | None, wait: float | None
    ) -> Any:
        params = CATALOGUE.decode_params(name, json.dumps(data).encode())
        self.calls.append((name, params, idempotency_key, wait))
        return params


@pytest.mark.parametrize("name", CATALOGUE.actions)
async def test_every_action_has_its_method(name: str) -> None:
    bridge = Bridge()
    call = getattr(Actions(bridge), method(name))
    values = VALUES | (SLACK_VALUES if name.startswith("slack.") else {"content": "x"})
    arguments = {}
    for key, parameter in inspect.signature(call).parameters.items():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD and (
            parameter.default is parameter.empty or key == "content"
        ):
            boolean = parameter.annotation == "bool"
            arguments[key] = values.get(key, True if boolean else "1")
    if name.startswith("slack.") and "text" in inspect.signature(call).parameters:
        arguments["text"] = "hi"
    await call(**arguments)
    assert bridge.calls[0][0] == name


async def test_what_is_not_given_is_not_sent_and_null_is() -> None:
    bridge = Bridge()
    actions = Actions(bridge)
    await actions.edit_channel(channel_id="1", topic=None, reason=None)
    await actions.edit_channel(channel_id="1", topic=UNSET, name="n")
    assert [params for _, params, _, _ in bridge.calls] == [
        {"channelId": "1", "topic": None},
        {"channelId": "1", "name": "n"},
    ]


async def test_key_and_patience_go_beside_the_parameters() -> None:
    bridge = Bridge()
    await Actions(bridge).send_message(channel_id="1", content="x", idempotency_key="k", timeout=2.5)
    assert bridge.calls == [("sendMessage", {"channelId": "1", "content": "x"}, "k", 2.5)]
