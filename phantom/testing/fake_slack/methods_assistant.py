"""`assistant.threads.*`: status line, title and suggested prompts of an assistant thread."""

from __future__ import annotations

from typing import Any

import orjson

from phantom.testing.fake_slack.blocks import parse_json
from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.changes import AssistantChanged
from phantom.testing.fake_slack.lookups import channel_of
from phantom.testing.fake_slack.model import JSON, FakeChannel


def _publish(call: Call, what: str, channel: FakeChannel, thread_ts: str, value: str) -> None:
    change = AssistantChanged(what=what, channel=channel, thread_ts=thread_ts, value=value)
    call.core.feed.publish(change)


def _thread(call: Call, channel: FakeChannel) -> str:
    thread_ts = call.text("thread_ts", required="invalid_thread_ts")
    if thread_ts not in channel.messages and thread_ts not in channel.threads:
        raise SlackError("invalid_thread_ts")
    return thread_ts


@method("assistant.threads.setStatus", "assistant:write")
def set_status(call: Call) -> JSON:
    """Shown until the app posts in the thread; an empty one clears it."""
    channel = channel_of(call, "channel_id", member=True)
    thread_ts = _thread(call, channel)
    status = call.text("status")
    if status:
        channel.status[thread_ts] = status
    else:
        channel.status.pop(thread_ts, None)
    _publish(call, "status", channel, thread_ts, status)
    return {}


@method("assistant.threads.setTitle", "assistant:write")
def set_title(call: Call) -> JSON:
    """The thread's name in the history."""
    channel = channel_of(call, "channel_id", member=True)
    thread_ts = _thread(call, channel)
    channel.titles[thread_ts] = call.text("title", required="invalid_arguments")
    _publish(call, "title", channel, thread_ts, channel.titles[thread_ts])
    return {}


@method("assistant.threads.setSuggestedPrompts", "assistant:write")
def set_suggested_prompts(call: Call) -> JSON:
    """Up to four `{title, message}`."""
    channel = channel_of(call, "channel_id", member=True)
    prompts: Any = parse_json(call.args.get("prompts"), "invalid_arguments")
    if not isinstance(prompts, list) or not 0 < len(prompts) <= 4:
        raise SlackError("invalid_arguments")
    if any(not isinstance(one, dict) or not one.get("title") or not one.get("message") for one in prompts):
        raise SlackError("invalid_arguments")
    channel.prompts = prompts
    _publish(call, "prompts", channel, call.text("thread_ts"), orjson.dumps(prompts).decode())
    return {}
