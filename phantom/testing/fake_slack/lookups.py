"""Finding what a Web API call names, with Slack's error codes when it is not there or not allowed."""

from __future__ import annotations

from phantom.testing.fake_slack.calls import Call, SlackError
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON, FakeChannel

_SCOPE_PREFIX = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}


def channel_of(call: Call, name: str = "channel", *, member: bool = False) -> FakeChannel:
    """The conversation in argument `name`; private ones are invisible to a bot that is not in them."""
    workspace = call.core.workspace
    channel = workspace.channel_named(call.text(name, required="channel_not_found"))
    if channel is None:
        raise SlackError("channel_not_found")
    inside = workspace.bot.id in channel.members
    if not inside and channel.kind != "channel":
        raise SlackError("channel_not_found")
    if member and not inside:
        raise SlackError("not_in_channel")
    return channel


def writable_channel(call: Call, name: str = "channel") -> FakeChannel:
    """As `channel_of`, and the bot may post there."""
    channel = channel_of(call, name, member=True)
    if channel.is_archived:
        raise SlackError("is_archived")
    return channel


def message_of(call: Call, channel: FakeChannel, name: str = "ts", error: str = "message_not_found") -> FakeMessage:
    """The message in argument `name`."""
    message = channel.messages.get(call.text(name, required=error))
    if message is None:
        raise SlackError(error)
    return message


def need_scope(call: Call, channel: FakeChannel, what: str) -> None:
    """Scopes that depend on the kind of conversation: `channels:history`, `im:read`, …"""
    scope = f"{_SCOPE_PREFIX[channel.kind]}:{what}"
    granted = call.core.app.scopes - call.core.faults.withdrawn_scopes
    if scope not in granted:
        raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(granted)))


def page(call: Call, items: list[JSON], *, default: int, most: int) -> tuple[list[JSON], JSON]:
    """One page of `items` and its `response_metadata`; cursors are opaque to the caller."""
    limit = min(call.number("limit", default), most)
    if limit < 1:
        raise SlackError("invalid_limit")
    cursor = call.text("cursor")
    start = 0
    if cursor:
        if not cursor.startswith("next:") or not cursor[5:].isdigit():
            raise SlackError("invalid_cursor")
        start = int(cursor[5:])
    more = start + limit < len(items)
    return items[start : start + limit], {"next_cursor": f"next:{start + limit}" if more else ""}
