"""An interaction as bridge apps see it: what kind it is, what was chosen or typed, never its token. Pure.

Kinds: `chatInput contextMenu button stringSelect userSelect roleSelect mentionableSelect channelSelect modalSubmit`,
and `unknown` for whatever else (suggestions while typing). What does *not* live here: answering (`apps_answers.py`).
https://docs.discord.com/developers/interactions/receiving-and-responding#interaction-object
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.discord import apps_shapes as shapes
from channels.discord.decode import JSON, items, mapping, number, strings, text
from channels.discord.interactions_in import COMMAND, COMPONENT, MODAL, SLASH, place_of
from channels.discord.place import THREADS

_MENUS = {
    2: "button",
    3: "stringSelect",
    5: "userSelect",
    6: "roleSelect",
    7: "mentionableSelect",
    8: "channelSelect",
}
_BUTTON = "button"
UNKNOWN = "unknown"


def kind_of(payload: Mapping[str, Any]) -> str:
    """The kind of an interaction."""
    data, kind = mapping(payload, "data"), number(payload, "type")
    if kind == COMMAND:
        return "chatInput" if number(data, "type") in (None, SLASH) else "contextMenu"
    if kind == COMPONENT:
        return _MENUS.get(number(data, "component_type") or 0, UNKNOWN)
    return "modalSubmit" if kind == MODAL else UNKNOWN


def interaction(payload: Mapping[str, Any], kind: str) -> JSON:
    """Interaction {id applicationId kind guildId? channelId? user member? commandName? customId? options? values?
    fields? message? channelType? parentChannelId?}.
    """
    guild, (here, parent) = text(payload, "guild_id"), place_of(payload)
    known = mapping(payload, "member")
    shown = shapes.user(known["user"] if known else payload["user"])
    found: JSON = {"id": payload["id"], "applicationId": payload["application_id"], "kind": kind, "user": shown}
    if guild:
        found["guildId"] = guild
        if known:
            found["member"] = shapes.member(known, guild, shown)
    if here:
        found["channelId"] = here
    where = mapping(payload, "channel")
    if guild and (channel_type := number(where, "type")) is not None:
        found["channelType"] = channel_type
        if above := parent or text(where, "parent_id"):
            found["parentChannelId"] = above
    found |= _told(payload, kind)
    if under := mapping(payload, "message"):
        found["message"] = shapes.message(under, guild, found.get("parentChannelId", ""), found.get("channelType"))
    return found


def facts(shown: JSON) -> dict[str, str]:
    """What filters look at."""
    found = {"userId": shown["user"]["id"], "interactionId": shown["id"], "interactionKind": shown["kind"]}
    for key in ("guildId", "channelId", "commandName", "customId", "parentChannelId"):
        if value := shown.get(key):
            found[key] = value
    if (kind := shown.get("channelType")) is not None:
        found["channelType"] = str(kind)
        if kind in THREADS:
            found["threadId"] = shown["channelId"]
    return found


def _told(payload: Mapping[str, Any], kind: str) -> JSON:
    data = mapping(payload, "data")
    if name := text(data, "name"):
        found: JSON = {"commandName": name}
        return found if kind == "contextMenu" else found | {"options": _options(data)}
    if kind == "modalSubmit":
        return {"customId": text(data, "custom_id"), "fields": _fields(data)}
    if kind in (UNKNOWN, _BUTTON):
        return {"customId": named} if (named := text(data, "custom_id")) else {}
    return {"customId": text(data, "custom_id"), "values": list(strings(data, "values"))}


def _options(data: Mapping[str, Any]) -> JSON:
    """By name; a subcommand's value is the list of what its own options hold, as version 2 has it."""
    found: JSON = {}
    for option in items(data, "options"):
        inner = items(option, "options")
        found[text(option, "name")] = [one.get("value") for one in inner] if inner else option.get("value")
    return found


def _fields(data: Mapping[str, Any]) -> dict[str, str]:
    """What was typed or chosen in a form, by custom id; inputs stand in rows or under labels."""
    found: dict[str, str] = {}
    for row in items(data, "components"):
        for field in (*items(row, "components"), mapping(row, "component")):
            if name := text(field, "custom_id"):
                chosen = strings(field, "values")
                found[name] = ",".join(chosen) if chosen else text(field, "value")
    return found
