"""Slack's objects in the shapes that apps see (`apps_catalogue_data.py`). Pure.

What does *not* live here: interactions and commands (`apps_interaction_shape.py`), which event is told
(`apps_events.py`). Addresses of files stay inside: they want the bot's token.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from channels.slack.decode import items, mapping, needed, seconds, text

JSON = dict[str, Any]
Raw = Mapping[str, Any]

_KINDS = frozenset({"channel", "group", "im", "mpim"})


def message(raw: Raw, channel: str, team: str, kind: str = "") -> JSON:
    """A message. `channel`, `team` and `kind` ("" for unknown) say where it is, since `raw` may not."""
    shown = _placed(needed(raw, "ts"), channel, team, kind, text(raw, "thread_ts"))
    shown["text"] = text(raw, "text")
    shown["createdAt"] = time(shown["id"])
    for name, value in (("userId", text(raw, "user")), ("botId", text(raw, "bot_id"))):
        if value:
            shown[name] = value
    if blocks := items(raw, "blocks"):
        shown["blocks"] = blocks
    if files := [file(entry) for entry in items(raw, "files") if text(entry, "id")]:
        shown["files"] = files
    if edited := text(mapping(raw, "edited"), "ts"):
        shown["editedAt"] = time(edited)
    return shown


def deleted(ts: str, at: str, channel: str, team: str, kind: str, thread: str) -> JSON:
    """A message that is gone since `at` (a `ts`)."""
    return _placed(ts, channel, team, kind, thread) | {"deletedAt": time(at)}


def reaction(raw: Raw, team: str) -> JSON:
    """A reaction on a message."""
    item = mapping(raw, "item")
    shown: JSON = {
        "messageId": needed(item, "ts"),
        "channelId": needed(item, "channel"),
        "teamId": team,
        "userId": needed(raw, "user"),
        "emoji": needed(raw, "reaction"),
    }
    if author := text(raw, "item_user"):
        shown["authorId"] = author
    return shown


def file(raw: Raw) -> JSON:
    """A file of a message."""
    shown: JSON = {"id": text(raw, "id"), "name": text(raw, "name") or text(raw, "title") or text(raw, "id")}
    if media_type := text(raw, "mimetype"):
        shown["contentType"] = media_type
    size = raw.get("size")
    if type(size) is int and size >= 0:
        shown["size"] = size
    return shown


def channel_kind(channel: str, told: str) -> str:
    """The kind of a conversation: Slack's word, else what its id shows, else ""."""
    if told in _KINDS:
        return told
    return "im" if told == "app_home" or channel.startswith("D") else ""


def time(ts: str) -> str:
    """A `ts` in ISO 8601. Raises `ValueError` for what is none."""
    at = seconds(ts)
    if not at:
        raise ValueError("not a ts")
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _placed(ts: str, channel: str, team: str, kind: str, thread: str) -> JSON:
    shown: JSON = {"id": ts, "channelId": channel, "teamId": team}
    if kind:
        shown["channelType"] = kind
    if thread:
        shown["threadId"] = thread
    return shown
