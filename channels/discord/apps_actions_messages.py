"""Actions on messages and reactions. What does *not* live here: answers to interactions (`apps_answers.py`).

https://docs.discord.com/developers/resources/message
"""

from __future__ import annotations

from typing import Any

from channels.discord import apps_bodies as bodies
from channels.discord.apps_action import Action, Desk
from channels.discord.apps_bodies import Params
from channels.discord.decode import JSON, snowflake_time, text

_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = "/channels/{channel_id}/messages/{message_id}"
_PIN = "/channels/{channel_id}/messages/pins/{message_id}"
_REACTION = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"
_BULK_AGE = 14 * 24 * 3600.0 - 60.0
"""Discord refuses to delete older ones at once; the minute is for the way there."""


async def send(desk: Desk, params: Params, key: str) -> JSON:
    """`sendMessage`."""
    return await _post(desk, params["channelId"], params, key)


async def send_direct(desk: Desk, params: Params, key: str) -> JSON:
    """`sendDirectMessage`: opening the conversation twice opens it once."""
    opened = await desk.line.object(
        "POST", "/users/@me/channels", json={"recipient_id": params["userId"]}, repeatable=True
    )
    return await _post(desk, text(opened, "id"), params, key)


async def _post(desk: Desk, channel: str, params: Params, key: str) -> JSON:
    # With a nonce that Discord enforces, a repeated post is the first one.
    raw = await desk.line.object(
        "POST", _MESSAGES, channel_id=channel, json=bodies.message(params, key=key), repeatable=bool(key)
    )
    return desk.message(raw)


async def edit(desk: Desk, params: Params, _: str) -> JSON:
    """`editMessage`."""
    return desk.message(await desk.line.object("PATCH", _MESSAGE, json=bodies.message(params), **_at(params)))


async def fetch(desk: Desk, params: Params, _: str) -> JSON:
    """`fetchMessage`."""
    return desk.message(await desk.line.object("GET", _MESSAGE, **_at(params)))


async def delete(desk: Desk, params: Params, _: str) -> JSON:
    """`deleteMessage`."""
    await desk.line.call("DELETE", _MESSAGE, **_at(params))
    return {"deleted": True, **_named(params)}


async def pin(desk: Desk, params: Params, _: str) -> JSON:
    """`pinMessage`."""
    await desk.line.call("PUT", _PIN, reason=bodies.reason(params), **_at(params))
    return {"pinned": True, **_named(params)}


async def unpin(desk: Desk, params: Params, _: str) -> JSON:
    """`unpinMessage`."""
    await desk.line.call("DELETE", _PIN, reason=bodies.reason(params), repeatable=True, **_at(params))
    return {"pinned": False, **_named(params)}


async def delete_many(desk: Desk, params: Params, _: str) -> JSON:
    """`bulkDeleteMessages`: those that are older than two weeks are left out, unless `filterOld` is false."""
    ids: list[str] = list(params["messageIds"])
    if params.get("filterOld", True):
        oldest = desk.clock.now() - _BULK_AGE
        ids = [one for one in ids if snowflake_time(one) > oldest]
    channel = params["channelId"]
    if len(ids) == 1:
        await desk.line.call("DELETE", _MESSAGE, channel_id=channel, message_id=ids[0])
    elif ids:
        await desk.line.call(
            "POST", "/channels/{channel_id}/messages/bulk-delete", channel_id=channel, json={"messages": ids}
        )
    return {"channelId": channel, "deletedCount": len(ids), "deletedMessageIds": ids}


async def react(desk: Desk, params: Params, _: str) -> JSON:
    """`addMessageReaction`."""
    await desk.line.call("PUT", _REACTION, emoji=bodies.emoji(params["emoji"]), **_at(params))
    return {**_named(params), "emoji": params["emoji"]}


async def unreact(desk: Desk, params: Params, _: str) -> JSON:
    """`removeOwnMessageReaction`."""
    await desk.line.call("DELETE", _REACTION, emoji=bodies.emoji(params["emoji"]), **_at(params))
    return {**_named(params), "emoji": params["emoji"]}


def _at(params: Params) -> dict[str, Any]:
    return {"channel_id": params["channelId"], "message_id": params["messageId"]}


def _named(params: Params) -> JSON:
    return {"channelId": params["channelId"], "messageId": params["messageId"]}


ACTIONS: dict[str, Action] = {
    "sendMessage": send,
    "sendDirectMessage": send_direct,
    "editMessage": edit,
    "fetchMessage": fetch,
    "deleteMessage": delete,
    "pinMessage": pin,
    "unpinMessage": unpin,
    "bulkDeleteMessages": delete_many,
    "addMessageReaction": react,
    "removeOwnMessageReaction": unreact,
}
