"""`chat.*` except streams: posting, editing, deleting, permalinks.

The app also hears of its own posts (a `message` event with its `bot_id`), as with Slack.
"""

from __future__ import annotations

from phantom.testing.fake_slack.blocks import (
    MAX_MARKDOWN,
    MAX_UPDATE_TEXT,
    check_attachments,
    check_blocks,
    check_metadata,
    check_text,
)
from phantom.testing.fake_slack.calls import Call, SlackError, method
from phantom.testing.fake_slack.lookups import channel_of, message_of, writable_channel
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import JSON, FakeChannel
from phantom.testing.fake_slack.payloads import changed_event, deleted_event, message_event

Content = tuple[str, list[JSON], list[JSON]]


def content(call: Call) -> Content:
    """Checked (text, blocks, attachments); `no_text` when there is nothing, one of them suffices."""
    text = check_text(call.text("text"))
    blocks = check_blocks(call.args.get("blocks"))
    attachments = check_attachments(call.args.get("attachments"))
    markdown = call.text("markdown_text")
    if markdown:
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MAX_MARKDOWN:
            raise SlackError("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown, "block_id": "md"}]
    if not text and not blocks and not attachments:
        raise SlackError("no_text")
    return text, blocks, attachments


def linked(call: Call) -> bool:
    """Whether bare `@names` in this message become mentions."""
    return call.flag("link_names") or call.text("parse") == "full"


def thread_root(call: Call, channel: FakeChannel) -> str | None:
    """The thread to post in: a reply's ts leads to its root; an unknown one is `thread_not_found`."""
    thread_ts = call.text("thread_ts")
    if not thread_ts:
        return None
    message = channel.messages.get(thread_ts)
    if message is None:
        if thread_ts in channel.threads:
            return thread_ts
        raise SlackError("thread_not_found")
    return message.thread_ts or message.ts


def new_message(call: Call, channel: FakeChannel, parts: Content) -> FakeMessage:
    """A message by the bot, not yet posted."""
    core = call.core
    text, blocks, attachments = parts
    return FakeMessage(
        channel=channel.id,
        ts=core.workspace.next_ts(),
        user=core.app.bot_user_id,
        bot_id=core.app.bot_id,
        app_id=core.app.app_id,
        team=core.workspace.team.id,
        text=text,
        blocks=blocks,
        attachments=attachments,
        metadata=check_metadata(call.args.get("metadata")),
        thread_ts=thread_root(call, channel),
        author_name=call.text("username") or None,
        icon=call.text("icon_url") or call.text("icon_emoji") or None,
        link_names=linked(call),
    )


@method("chat.postMessage", "chat:write")
def post_message(call: Call) -> JSON:
    """Post; answers with the channel's id, the ts and the message as stored."""
    channel = writable_channel(call)
    message = new_message(call, channel, content(call))
    call.core.workspace.post(message)
    call.core.emit(message_event(call.core, channel, message), channel=channel, by=message.user)
    return {"channel": channel.id, "ts": message.ts, "message": message.to_slack(with_metadata=True)}


@method("chat.update", "chat:write")
def update(call: Call) -> JSON:
    """Change one of the bot's own messages. Blocks and attachments not named are kept; an empty list removes them."""
    channel = channel_of(call)
    message = message_of(call, channel)
    if message.user != call.core.app.bot_user_id or message.streaming:
        raise SlackError("cant_update_message")
    check_text(call.text("text"), MAX_UPDATE_TEXT)
    text, blocks, attachments = content(call)
    previous = message.to_slack()
    if "attachments" not in call.args:
        attachments = message.attachments
    if "blocks" not in call.args and "markdown_text" not in call.args:
        blocks = message.blocks
    message.replace(text=text, blocks=blocks, attachments=attachments)
    message.link_names = message.link_names or linked(call)
    if "metadata" in call.args:
        message.metadata = check_metadata(call.args["metadata"])
    message.edited_ts, message.edited_by = call.core.workspace.next_ts(), message.user
    call.core.workspace.touch("edited", message, message.user)
    call.core.emit(changed_event(call.core, channel, message, previous), channel=channel, by=message.user)
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": message.to_slack()}


@method("chat.delete", "chat:write")
def delete(call: Call) -> JSON:
    """Delete one of the bot's own messages."""
    channel = channel_of(call)
    message = message_of(call, channel)
    if message.user != call.core.app.bot_user_id:
        raise SlackError("cant_delete_message")
    call.core.workspace.delete(message, message.user)
    call.core.emit(deleted_event(call.core, channel, message), channel=channel, by=message.user)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.postEphemeral", "chat:write")
def post_ephemeral(call: Call) -> JSON:
    """Show a message to one user of the channel."""
    channel = writable_channel(call)
    user = call.text("user", required="user_not_in_channel")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    message = new_message(call, channel, content(call))
    message.ephemeral_for = user
    call.core.workspace.post_ephemeral(message)
    return {"message_ts": message.ts}


@method("chat.getPermalink")
def get_permalink(call: Call) -> JSON:
    """A link to a message."""
    channel = channel_of(call)
    message = message_of(call, channel, "message_ts")
    domain = call.core.workspace.team.domain
    link = f"https://{domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}
