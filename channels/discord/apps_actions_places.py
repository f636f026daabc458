"""Actions on servers, channels and threads. https://docs.discord.com/developers/resources/channel

What does *not* live here: what is said in them (`apps_actions_messages.py`).
"""

from __future__ import annotations

from channels.discord import apps_bodies as bodies
from channels.discord import apps_shapes as shapes
from channels.discord.apps_action import Action, Desk
from channels.discord.apps_bodies import Params
from channels.discord.apps_refusals import NOT_FOUND, invalid
from channels.discord.decode import JSON
from phantom.apps import ActionRefused

_CHANNEL = "/channels/{channel_id}"
_ANNOUNCEMENTS, _ANNOUNCED, _PUBLIC, _PRIVATE = 5, 10, 11, 12
_POSTS = frozenset({15, 16})
"""Forums and media channels: a thread there begins with a message."""


async def fetch_guild(desk: Desk, params: Params, _: str) -> JSON:
    """`fetchGuild`."""
    return shapes.guild(await desk.line.object("GET", "/guilds/{guild_id}", guild_id=params["guildId"]))


async def fetch_channel(desk: Desk, params: Params, _: str) -> JSON:
    """`fetchChannel`, a thread too."""
    return shapes.channel(await desk.line.object("GET", _CHANNEL, channel_id=params["channelId"]))


async def fetch_thread(desk: Desk, params: Params, _: str) -> JSON:
    """`fetchThread`."""
    return _thread(await desk.line.object("GET", _CHANNEL, channel_id=params["threadId"]))


async def create_channel(desk: Desk, params: Params, _: str) -> JSON:
    """`createChannel`: a text channel, unless `type` says otherwise."""
    body: JSON = {"name": params["name"], "type": params.get("type", 0)}
    if "parentId" in params:
        body["parent_id"] = params["parentId"]
    if "topic" in params:
        body["topic"] = params["topic"]
    raw = await desk.line.object(
        "POST", "/guilds/{guild_id}/channels", guild_id=params["guildId"], json=body, reason=bodies.reason(params)
    )
    return shapes.channel(raw, params["guildId"])


async def edit_channel(desk: Desk, params: Params, _: str) -> JSON:
    """`editChannel`: what is given is changed; a null name is left as it is."""
    body: JSON = {}
    if params.get("name") is not None:
        body["name"] = params["name"]
    for ours, theirs in (("parentId", "parent_id"), ("topic", "topic")):
        if ours in params:
            body[theirs] = params[ours]
    if not body:
        raise invalid("nothing to change", "give `name`, `parentId` or `topic`")
    raw = await desk.line.object(
        "PATCH", _CHANNEL, channel_id=params["channelId"], json=body, reason=bodies.reason(params)
    )
    return shapes.channel(raw)


async def delete_channel(desk: Desk, params: Params, _: str) -> JSON:
    """`deleteChannel`."""
    await desk.line.call("DELETE", _CHANNEL, channel_id=params["channelId"], reason=bodies.reason(params))
    return {"deleted": True, "channelId": params["channelId"]}


async def create_thread(desk: Desk, params: Params, _: str) -> JSON:
    """`createThread`: on a message, or by itself. Its type follows from the channel's, as Discord has it."""
    parent, message = params["parentChannelId"], params.get("messageId")
    body: JSON = {"name": params["name"]}
    if "autoArchiveDuration" in params:
        body["auto_archive_duration"] = params["autoArchiveDuration"]
    path = "/channels/{channel_id}/threads"
    route = {"channel_id": parent}
    if message is not None:
        if params.get("type") == "private":
            raise invalid("a thread on a message cannot be private", "leave out `messageId` or `type`")
        path, route = "/channels/{channel_id}/messages/{message_id}/threads", route | {"message_id": message}
    else:
        body["type"] = await _type(desk, parent, params.get("type"))
    return _thread(await desk.line.object("POST", path, json=body, reason=bodies.reason(params), **route))


async def _type(desk: Desk, parent: str, wanted: str | None) -> int:
    spot = desk.channels.get(parent) if desk.channels is not None else None
    kind = spot.kind if spot is not None else None
    if kind is None and wanted != "private":
        kind = (await desk.line.object("GET", _CHANNEL, channel_id=parent)).get("type")
    if kind in _POSTS:
        raise invalid(
            "a post in a forum begins with a message, which this action does not take",
            "make threads in text channels",
        )
    if wanted == "private":
        return _PRIVATE
    return _ANNOUNCED if kind == _ANNOUNCEMENTS else _PUBLIC


async def archive_thread(desk: Desk, params: Params, _: str) -> JSON:
    """`archiveThread`, or back with `archived: false`."""
    raw = await desk.line.object(
        "PATCH",
        _CHANNEL,
        channel_id=params["threadId"],
        json={"archived": params.get("archived", True)},
        reason=bodies.reason(params),
    )
    return _thread(raw)


def _thread(raw: JSON) -> JSON:
    if not shapes.is_thread(raw):
        raise ActionRefused(NOT_FOUND, "there is no such thread", hint="that id is a channel's: use fetchChannel")
    return shapes.thread(raw)


ACTIONS: dict[str, Action] = {
    "fetchGuild": fetch_guild,
    "fetchChannel": fetch_channel,
    "fetchThread": fetch_thread,
    "createChannel": create_channel,
    "editChannel": edit_channel,
    "deleteChannel": delete_channel,
    "createThread": create_thread,
    "archiveThread": archive_thread,
}
