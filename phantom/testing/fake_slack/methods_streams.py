"""`chat.startStream`, `chat.appendStream`, `chat.stopStream`: a reply that grows while it is written.

Facts: docs.slack.dev, the three methods' pages; openclaw pull request 21218 for the two recipient errors.
Append-only; always in a thread; in channels the reader must be named.
"""

from __future__ import annotations

from typing import Any

from phantom.testing.fake_slack.blocks import MAX_MARKDOWN, check_blocks, check_metadata, parse_json
from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.lookups import channel_of, message_of, writable_channel
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.methods_chat import new_message, thread_root
from phantom.testing.fake_slack.model import JSON
from phantom.testing.fake_slack.payloads import changed_event, message_event


def _piece(call: Call) -> str:
    text = call.text("markdown_text")
    if len(text) > MAX_MARKDOWN:
        raise SlackError("msg_too_long")
    chunks: Any = parse_json(call.args.get("chunks"), "invalid_chunks") or []
    if not isinstance(chunks, list) or not all(isinstance(one, dict) and "type" in one for one in chunks):
        raise SlackError("invalid_chunks")
    return text + "".join(str(one.get("text", "")) for one in chunks if one["type"] == "markdown_text")


def _streaming(call: Call) -> FakeMessage:
    message = message_of(call, channel_of(call))
    if message.user != call.core.app.bot_user_id:
        raise SlackError("message_not_owned_by_app")
    if not message.streaming:
        raise SlackError("message_not_in_streaming_state")
    return message


def _grow(message: FakeMessage, piece: str) -> None:
    if piece:
        message.text += piece


@method("chat.startStream", "chat:write")
def start_stream(call: Call) -> JSON:
    """Begin; answers with the ts that the other two take."""
    channel = writable_channel(call)
    if not call.text("thread_ts") or thread_root(call, channel) is None:
        raise SlackError("invalid_thread_ts")
    if channel.kind != "im":
        for name in ("recipient_team_id", "recipient_user_id"):
            if not call.text(name):
                raise SlackError(f"missing_{name}")
    message = new_message(call, channel, (_piece(call), [], []))
    message.streaming = True
    call.core.workspace.post(message)
    call.core.emit(message_event(call.core, channel, message), channel=channel, by=message.user)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream", "chat:write")
def append_stream(call: Call) -> JSON:
    """Add text at the end."""
    message = _streaming(call)
    piece = _piece(call)
    if not piece and not call.args.get("chunks"):
        raise SlackError("no_text")
    _grow(message, piece)
    call.core.workspace.touch("edited", message, message.user)
    return {"channel": message.channel, "ts": message.ts}


@method("chat.stopStream", "chat:write")
def stop_stream(call: Call) -> JSON:
    """Add the last text, blocks and metadata, and seal the message."""
    message = _streaming(call)
    previous = message.to_slack()
    _grow(message, _piece(call))
    message.blocks = check_blocks(call.args.get("blocks"))
    if "metadata" in call.args:
        message.metadata = check_metadata(call.args["metadata"])
    message.streaming = False
    channel = call.core.workspace.channels[message.channel]
    call.core.workspace.touch("edited", message, message.user)
    call.core.emit(changed_event(call.core, channel, message, previous), channel=channel, by=message.user)
    return {"channel": channel.id, "ts": message.ts, "message": message.to_slack()}
