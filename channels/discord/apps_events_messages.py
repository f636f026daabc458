"""Events of messages, reactions and typing: from the gateway's payload to what apps get.

What does *not* live here: shapes (`apps_shapes.py`), interactions (`apps_interactions.py`).
https://docs.discord.com/developers/events/gateway-events#messages
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from channels.discord import apps_shapes as shapes
from channels.discord import decode
from channels.discord.apps_telling import Raw, Teller, Telling, guild_of
from channels.discord.decode import JSON


def created(telling: Telling, raw: Raw) -> None:
    """`messageCreate`, once a message however often Discord shows it."""
    guild = guild_of(raw)
    if telling.posted.first(raw["id"]) and telling.wants("messageCreate", guild):
        _message(telling, "messageCreate", raw, guild)


def _updated(telling: Telling, raw: Raw) -> None:
    guild = guild_of(raw)
    if telling.wants("messageUpdate", guild):
        _message(telling, "messageUpdate", raw, guild)


def _message(telling: Telling, name: str, raw: Raw, guild: str) -> None:
    channel = raw["channel_id"]
    kind, parent = telling.spot(guild, channel)
    if type(told := raw.get("channel_type")) is int:
        kind = told
    shown = shapes.message(raw, guild, parent, kind)
    facts = telling.facts(guild, channel, kind, parent)
    facts["messageId"] = raw["id"]
    if author := shown.get("author"):
        facts["userId"] = author["id"]
    telling.tell(name, {"message": shown}, facts, guild)


def _deleted(telling: Telling, raw: Raw) -> None:
    guild, channel = guild_of(raw), raw["channel_id"]
    if not (telling.deleted.first(raw["id"]) and telling.wants("messageDelete", guild)):
        return
    kind, parent = telling.spot(guild, channel)
    now = datetime.fromtimestamp(telling.clock.now(), UTC).isoformat(timespec="milliseconds")
    shown: JSON = {"id": raw["id"], "channelId": channel, "deletedAt": now.replace("+00:00", "Z")}
    _place(shown, guild, kind, parent)
    facts = telling.facts(guild, channel, kind, parent)
    facts["messageId"] = raw["id"]
    telling.tell("messageDelete", {"message": shown}, facts, guild)


def _deleted_in_bulk(telling: Telling, raw: Raw) -> None:
    guild, channel = guild_of(raw), raw["channel_id"]
    if not telling.wants("messageBulkDelete", guild):
        return
    ids = list(decode.strings(raw, "ids"))
    kind, parent = telling.spot(guild, channel)
    data: JSON = {"channelId": channel, "messageIds": ids}
    _place(data, guild, kind, parent)
    facts = telling.facts(guild, channel, kind, parent)
    facts["messageId"] = tuple(ids)
    telling.tell("messageBulkDelete", data, facts, guild)


def _place(shown: JSON, guild: str, kind: int | None, parent: str) -> None:
    if guild:
        shown["guildId"] = guild
    if kind is not None:
        shown["channelType"] = kind
    if parent:
        shown["parentChannelId"] = parent


def _reaction(name: str, telling: Telling, raw: Raw) -> None:
    guild, channel = guild_of(raw), raw["channel_id"]
    if not telling.wants(name, guild):
        return
    shown: JSON = {"messageId": raw["message_id"], "channelId": channel, "emoji": shapes.emoji(raw["emoji"])}
    facts = telling.facts(guild, channel, *telling.spot(guild, channel))
    facts["messageId"] = raw["message_id"]
    facts["emoji"] = shapes.emoji_forms(raw["emoji"])
    if guild:
        shown["guildId"] = guild
    if who := decode.text(raw, "user_id"):
        known = decode.mapping(decode.mapping(raw, "member"), "user")
        shown["user"] = shapes.user(known) if known else shapes.unknown_user(who)
        facts["userId"] = who
    telling.tell(name, {"reaction": shown}, facts, guild)


def _reactions_cleared(telling: Telling, raw: Raw) -> None:
    guild, channel = guild_of(raw), raw["channel_id"]
    if not telling.wants("messageReactionRemoveAll", guild):
        return
    data: JSON = {"channelId": channel, "messageId": raw["message_id"]}
    if guild:
        data["guildId"] = guild
    facts = telling.facts(guild, channel, *telling.spot(guild, channel))
    facts["messageId"] = raw["message_id"]
    telling.tell("messageReactionRemoveAll", data, facts, guild)


def _typing(telling: Telling, raw: Raw) -> None:
    guild, channel = guild_of(raw), raw["channel_id"]
    if not telling.wants("typingStart", guild):
        return
    data: JSON = {"channelId": channel, "userId": raw["user_id"], "startedAt": int(raw["timestamp"]) * 1000}
    if guild:
        data["guildId"] = guild
    facts = telling.facts(guild, channel, *telling.spot(guild, channel))
    facts["userId"] = raw["user_id"]
    telling.tell("typingStart", data, facts, guild)


TELLERS: dict[str, Teller] = {
    decode.MESSAGE: created,
    decode.EDITED: _updated,
    decode.DELETED: _deleted,
    decode.DELETED_BULK: _deleted_in_bulk,
    decode.REACTION_ADDED: partial(_reaction, "messageReactionAdd"),
    decode.REACTION_REMOVED: partial(_reaction, "messageReactionRemove"),
    "MESSAGE_REACTION_REMOVE_ALL": _reactions_cleared,
    "MESSAGE_REACTION_REMOVE_EMOJI": partial(_reaction, "messageReactionRemoveEmoji"),
    "TYPING_START": _typing,
}
