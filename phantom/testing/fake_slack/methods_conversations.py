"""`conversations.*`: opening, describing, reading."""

from __future__ import annotations

from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.lookups import channel_of, need_scope, page
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON, FakeChannel

_TYPES = {"public_channel": "channel", "private_channel": "group", "mpim": "mpim", "im": "im"}


@method("conversations.open", "im:write")
def conversations_open(call: Call) -> JSON:
    """A DM or group DM with `users` (comma-separated, without the bot)."""
    workspace = call.core.workspace
    if call.text("channel"):
        channel = channel_of(call)
    else:
        users = [who for who in call.text("users", required="users_list_not_supplied").split(",") if who]
        if any(who not in workspace.users for who in users):
            raise SlackError("user_not_found")
        if any(workspace.users[who].deleted for who in users):
            raise SlackError("user_disabled")
        if users == [workspace.bot.id]:
            raise SlackError("cannot_dm_bot")
        channel = workspace.direct(users[0]) if len(users) == 1 else workspace.group_direct(users)
    shape = channel.to_slack() if call.flag("return_im") else {"id": channel.id}
    return {"channel": shape}


@method("conversations.info")
def conversations_info(call: Call) -> JSON:
    """One conversation."""
    channel = channel_of(call)
    need_scope(call, channel, "read")
    return {"channel": channel.to_slack() | {"is_member": call.core.workspace.bot.id in channel.members}}


@method("conversations.members")
def conversations_members(call: Call) -> JSON:
    """Ids of the members."""
    channel = channel_of(call)
    need_scope(call, channel, "read")
    found, metadata = page(call, [{"id": who} for who in channel.members], default=100, most=1000)
    return {"members": [one["id"] for one in found], "response_metadata": metadata}


@method("conversations.list")
def conversations_list(call: Call) -> JSON:
    """Conversations of the asked `types` that the bot can see."""
    asked = (call.text("types") or "public_channel").split(",")
    if any(name not in _TYPES for name in asked):
        raise SlackError("invalid_types")
    kinds = {_TYPES[name] for name in asked}
    bot = call.core.workspace.bot.id
    seen = [
        one.to_slack() | {"is_member": bot in one.members}
        for one in call.core.workspace.channels.values()
        if one.kind in kinds
        and (one.kind == "channel" or bot in one.members)
        and not (call.flag("exclude_archived") and one.is_archived)
    ]
    found, metadata = page(call, seen, default=100, most=1000)
    return {"channels": found, "response_metadata": metadata}


@method("conversations.join", "channels:read")
def conversations_join(call: Call) -> JSON:
    """The bot enters a public channel."""
    channel = channel_of(call)
    if channel.is_archived:
        raise SlackError("is_archived")
    if call.core.workspace.bot.id not in channel.members:
        channel.members.append(call.core.workspace.bot.id)
    return {"channel": channel.to_slack() | {"is_member": True}}


@method("conversations.history")
def conversations_history(call: Call) -> JSON:
    """Messages of a channel outside threads, newest first."""
    channel = channel_of(call, member=True)
    need_scope(call, channel, "history")
    messages = [one for one in channel.messages.values() if not one.is_reply]
    shapes = _shapes(call, channel, _between(call, messages)[::-1])
    found, metadata = page(call, shapes, default=100, most=999)
    return {
        "messages": found,
        "has_more": bool(metadata["next_cursor"]),
        "pin_count": 0,
        "response_metadata": metadata,
    }


@method("conversations.replies")
def conversations_replies(call: Call) -> JSON:
    """A thread: the root first, then replies, oldest first. `ts` may be the root's or a reply's."""
    channel = channel_of(call, member=True)
    need_scope(call, channel, "history")
    ts = call.text("ts", required="thread_not_found")
    message = channel.messages.get(ts)
    root_ts = (message.thread_ts or message.ts) if message else ts
    thread = call.core.workspace.thread(channel, root_ts)
    if not thread:
        raise SlackError("thread_not_found")
    root = [one for one in thread if one.ts == root_ts]
    replies = _between(call, [one for one in thread if one.ts != root_ts])
    found, metadata = page(call, _shapes(call, channel, root + replies), default=1000, most=1000)
    return {"messages": found, "has_more": bool(metadata["next_cursor"]), "response_metadata": metadata}


def _between(call: Call, messages: list[FakeMessage]) -> list[FakeMessage]:
    low, high = _bound(call, "oldest", "0"), _bound(call, "latest", "inf")
    if call.flag("inclusive"):
        return [one for one in messages if low <= float(one.ts) <= high]
    return [one for one in messages if low < float(one.ts) < high]


def _bound(call: Call, name: str, default: str) -> float:
    try:
        return float(call.text(name) or default)
    except ValueError:
        raise SlackError(f"invalid_ts_{name}") from None


def _shapes(call: Call, channel: FakeChannel, messages: list[FakeMessage]) -> list[JSON]:
    with_metadata = call.flag("include_all_metadata")
    thread_shape = call.core.workspace.thread_shape
    return [one.to_slack(with_metadata=with_metadata) | thread_shape(channel, one) for one in messages]
