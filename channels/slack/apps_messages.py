"""Actions on messages, reactions and forms.

A post under an idempotency key carries it in its metadata; when its fate was not clear, it is looked for before it is
sent again. What does *not* live here: files (`apps_files.py`), what may be said (`apps_content.py`).
https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from channels.slack import apps_content as content
from channels.slack import apps_shapes as shapes
from channels.slack.apps_content import Params
from channels.slack.apps_doubts import Doubts, mark_of
from channels.slack.apps_line import Line, answered
from channels.slack.apps_refusals import NOT_FOUND, TRIGGER_GONE, UNAVAILABLE
from channels.slack.apps_shapes import JSON
from channels.slack.apps_triggers import TriggerBook
from channels.slack.decode import items, mapping, text
from channels.slack.web import SlackSelf
from phantom.apps import ActionRefused

EVENT_TYPE = "phantom_app_message"
"""`metadata.event_type` of an app's posts; the payload's `key` is the mark of its idempotency key."""
_PAGES = 10
_PAGE = 100
_EARLIER = 5.0
"""Seconds that a post may seem to be older than its beginning, by Slack's clock."""
_GONE = frozenset({"message_not_found"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What an action gets. `me` is who the bot token was when the channel connected."""

    line: Line
    book: TriggerBook
    doubts: Doubts
    me: SlackSelf
    team: str


Action = Callable[[Desk, Params, str], Awaitable[Any]]
"""Does it with checked parameters and the idempotency key ("" for none). Raises `ActionRefused`, `AuthError`."""


async def post(desk: Desk, params: Params, key: str) -> JSON:
    """`slack.postMessage`."""
    body = content.spoken(params) | {
        "channel": params["channelId"],
        "thread_ts": params.get("threadId"),
        "reply_broadcast": params.get("replyBroadcast"),
        "unfurl_links": params.get("unfurlLinks", False),
        "unfurl_media": params.get("unfurlMedia", False),
    }
    mark = mark_of("slack.postMessage", params, key)
    if not mark:
        return _posted(await desk.line.once("chat.postMessage", body), params)
    since = await desk.doubts.begin(mark)
    if since is not None and (found := await _look(desk, params, mark, since)) is not None:
        await desk.doubts.end(mark)
        return found
    body["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"key": mark}}
    try:
        answer = await desk.line.once("chat.postMessage", body, key=key)
    except ActionRefused as error:
        if not error.unknown:
            await desk.doubts.end(mark)
        raise
    found = _posted(answer, params)
    await desk.doubts.end(mark)
    return found


async def update(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.updateMessage`."""
    await desk.line.settle("chat.update", content.spoken(params) | _at(params))
    return {"channelId": params["channelId"], "messageId": params["messageId"]}


async def delete(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.deleteMessage`."""
    await desk.line.settle("chat.delete", _at(params), done=_GONE)
    return {"deleted": True, **_named(params)}


async def whisper(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.postEphemeral`."""
    body = content.spoken(params) | {
        "channel": params["channelId"],
        "user": params["userId"],
        "thread_ts": params.get("threadId"),
    }
    answer = await desk.line.once("chat.postEphemeral", body)
    return _spot(params, answered(answer, "message_ts", "chat.postEphemeral"), params.get("threadId"))


async def fetch(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.fetchMessage`. Outside of the thread that is named, replies are not found."""
    channel, ts, thread = params["channelId"], params["messageId"], params.get("threadId")
    call: JSON = {"channel": channel, "oldest": ts, "latest": ts, "inclusive": True, "limit": 2}
    if thread is None:
        page = await desk.line.read("conversations.history", call | {"limit": 1})
    else:
        page = await desk.line.read("conversations.replies", call | {"ts": thread})
    for raw in items(page, "messages"):
        if text(raw, "ts") == ts:
            return shapes.message(raw, channel, desk.team, shapes.channel_kind(channel, ""))
    raise ActionRefused(
        NOT_FOUND,
        "there is no such message",
        hint="check channelId and messageId; a message inside a thread is read with its threadId",
    )


async def react(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.addReaction`: one that is there already is no error."""
    await desk.line.settle("reactions.add", _on(params), so=frozenset({"already_reacted"}))
    return {**_named(params), "emoji": params["emoji"]}


async def unreact(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.removeReaction`: one that is not there is no error."""
    await desk.line.settle("reactions.remove", _on(params), so=frozenset({"no_reaction"}))
    return {**_named(params), "emoji": params["emoji"]}


async def open_modal(desk: Desk, params: Params, _: str) -> JSON:
    """`slack.openModal`, by the trigger that the book keeps. Two apps may try at once: the first one has it."""
    found = desk.book.answerable(params["interactionId"])
    call = {"trigger_id": found.secret, "view": _form(params)}
    found.used = True
    try:
        answer = await desk.line.once("views.open", call)
    except ActionRefused as error:
        found.used = error.unknown or error.details.get("slackCode") in TRIGGER_GONE
        raise
    return {"viewId": answered(mapping(answer, "view"), "id", "views.open"), "interactionId": found.id}


async def _look(desk: Desk, params: Params, mark: str, since: float) -> JSON | None:
    """Where an earlier try of the same post is, None when it surely never arrived. Raises when Slack cannot say."""
    oldest = max(0.0, since - _EARLIER - max(0.0, desk.line.web.clock_skew))
    call: JSON = {
        "channel": params["channelId"],
        "oldest": f"{oldest:.6f}",
        "inclusive": True,
        "include_all_metadata": True,
        "limit": _PAGE,
    }
    method = "conversations.history"
    if "threadId" in params:
        method, call["ts"] = "conversations.replies", params["threadId"]
    for _ in range(_PAGES):
        try:
            page = await desk.line.read(method, call)
        except ActionRefused as error:
            raise _cannot_tell(f"Slack does not let us look: {error.message}", error.hint, error.retry_after) from None
        for raw in items(page, "messages"):
            metadata = mapping(raw, "metadata")
            if (
                text(raw, "user") == desk.me.user_id
                and text(metadata, "event_type") == EVENT_TYPE
                and text(mapping(metadata, "event_payload"), "key") == mark
            ):
                return _spot(params, text(raw, "ts"), text(raw, "thread_ts") or params.get("threadId"))
        cursor = text(mapping(page, "response_metadata"), "next_cursor")
        if not page.get("has_more") or not cursor:
            return None
        call["cursor"] = cursor
    raise _cannot_tell("too much was said since", "look for it in the channel")


def _cannot_tell(why: str, hint: str, retry_after: float | None = None) -> ActionRefused:
    return ActionRefused(
        UNAVAILABLE,
        f"an earlier try of this post may have arrived, and {why}",
        hint=hint,
        retryable=retry_after is not None,
        retry_after=retry_after,
        unknown=True,
    )


def _posted(answer: Mapping[str, Any], params: Params) -> JSON:
    ts = answered(answer, "ts", "chat.postMessage")
    return _spot(params, ts, text(mapping(answer, "message"), "thread_ts") or params.get("threadId"))


def _spot(params: Params, ts: str, thread: str | None) -> JSON:
    found: JSON = {"channelId": params["channelId"], "messageId": ts}
    if thread:
        found["threadId"] = thread
    return found


def _form(params: Params) -> JSON:
    def plain(words: str) -> JSON:
        return {"type": "plain_text", "text": words}

    view: JSON = {
        "type": "modal",
        "title": plain(params["title"]),
        "blocks": content.blocks(params["blocks"], loud=True),
    }
    for name in ("submit", "close"):
        if name in params:
            view[name] = plain(params[name])
    if "customId" in params:
        view["callback_id"] = content.not_ours("customId", params["customId"])
    if "privateMetadata" in params:
        view["private_metadata"] = params["privateMetadata"]
    if "notifyOnClose" in params:
        view["notify_on_close"] = params["notifyOnClose"]
    return view


def _at(params: Params) -> JSON:
    return {"channel": params["channelId"], "ts": params["messageId"]}


def _on(params: Params) -> JSON:
    return {"channel": params["channelId"], "timestamp": params["messageId"], "name": params["emoji"]}


def _named(params: Params) -> JSON:
    return {"channelId": params["channelId"], "messageId": params["messageId"]}


ACTIONS: dict[str, Action] = {
    "slack.postMessage": post,
    "slack.updateMessage": update,
    "slack.deleteMessage": delete,
    "slack.postEphemeral": whisper,
    "slack.fetchMessage": fetch,
    "slack.addReaction": react,
    "slack.removeReaction": unreact,
    "slack.openModal": open_modal,
}
