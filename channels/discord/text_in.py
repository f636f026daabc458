"""Discord's message text to what an agent reads: our own mention gone, others by name, no ids. Pure.

https://docs.discord.com/developers/reference#message-formatting
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from channels.discord.decode import items, mapping, text

_PERSON = re.compile(r"<@!?(?P<id>[0-9]{1,20})>")
_ROLE = re.compile(r"<@&(?P<id>[0-9]{1,20})>")
_EMOJI = re.compile(r"<a?:(?P<name>[A-Za-z0-9_]{1,64}):[0-9]{1,20}>")
_COMMAND = re.compile(r"</(?P<name>[^:<>\n]{1,100}):[0-9]{1,20}>")
_MOMENT = re.compile(r"<t:(?P<at>-?[0-9]{1,12})(?::[tTdDfFsSR])?>")
_MAX_YEAR = 253_402_300_799


def read(payload: Mapping[str, Any], me: str, role: str = "") -> str:
    """The text of a message."""
    said = text(payload, "content")
    if "<" not in said:
        return said.strip()
    names = {text(user, "id"): name_of(user) for user in items(payload, "mentions")}

    def person(match: re.Match[str]) -> str:
        if match["id"] == me:
            return ""
        return f"@{names.get(match['id']) or match['id']}"

    said = _PERSON.sub(person, said)
    said = _ROLE.sub(lambda match: "" if match["id"] == role else f"@role-{match['id']}", said)
    said = _EMOJI.sub(lambda match: f":{match['name']}:", said)
    said = _COMMAND.sub(lambda match: f"/{match['name']}", said)
    return _MOMENT.sub(_moment, said).strip()


def mentions(payload: Mapping[str, Any], me: str) -> bool:
    """Whether the text or Discord's own list names `me`."""
    if not me:
        return False
    if any(text(user, "id") == me for user in items(payload, "mentions")):
        return True
    said = text(payload, "content")
    return f"<@{me}>" in said or f"<@!{me}>" in said


def name_of(user: Mapping[str, Any]) -> str:
    """What people call a user there."""
    member = mapping(user, "member")
    return text(member, "nick") or text(user, "global_name") or text(user, "username")


def _moment(match: re.Match[str]) -> str:
    at = int(match["at"])
    if not 0 <= at <= _MAX_YEAR:
        return match[0]
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
