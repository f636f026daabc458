"""Where a payload happened and who did it: conversations and authors from Slack's fields. Pure.

Slack Connect facts: https://docs.slack.dev/apis/slack-connect. In a shared channel the author's team is `user_team`
or `source_team`, on some events only `team`, and for an organisation it may be an enterprise id (E…).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from channels.slack.decode import items, mapping, text
from phantom.messages import Author, ConversationKind, ConversationRef

CHANNEL = "slack"

_KINDS = {
    "im": ConversationKind.DIRECT,
    "app_home": ConversationKind.DIRECT,
    "mpim": ConversationKind.GROUP,
    "channel": ConversationKind.PUBLIC,
    "group": ConversationKind.PUBLIC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: our bot in the bound workspace. Ids are "" while `auth.test` has not answered.

    `org_wide`: the app is installed on a whole Enterprise Grid organisation, so its people are of many teams.
    """

    team_id: str = ""
    enterprise_id: str = ""
    user_id: str = ""
    bot_id: str = ""
    org_wide: bool = False

    def filled_from(self, payload: Mapping[str, Any]) -> Reader:
        """The same, with the bot's user id taken from the payload's authorizations where `auth.test` is still out."""
        if self.user_id:
            return self
        for entry in items(payload, "authorizations"):
            if entry.get("is_bot") is True and text(entry, "team_id") in ("", self.team_id):
                return replace(self, user_id=text(entry, "user_id"))
        return self


def kind_of(place: str, channel_type: str, name: str = "") -> ConversationKind:
    """How public a place is: by Slack's word, else by the shape of its id (D… is a direct message) and name."""
    known = _KINDS.get(channel_type)
    if known is not None:
        return known
    if place.startswith("D") or name == "directmessage":
        return ConversationKind.DIRECT
    return ConversationKind.GROUP if name.startswith("mpdm-") else ConversationKind.PUBLIC


def conversation(team: str, place: str, kind: ConversationKind, *, thread: str, ts: str) -> ConversationRef:
    """In channels a post belongs to its thread or starts one; elsewhere only to a thread it is in."""
    root = thread or (ts if kind is ConversationKind.PUBLIC else "")
    return ConversationRef(channel=CHANNEL, tenant=team, place=place, thread=root or None, kind=kind)


def logical_id(team: str, place: str, ts: str) -> str:
    """Equal for all events of one post."""
    return f"{team}:{place}:{ts}"


def event_author(payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader) -> Author:
    """Who caused an event (`event` is the inner event, or the message inside an edit)."""
    user, bot = text(event, "user"), text(event, "bot_id")
    profile = mapping(event, "bot_profile")
    app = text(event, "app_id") or text(profile, "app_id")
    is_self = bool(
        (user and user == reader.user_id)
        or (bot and bot == reader.bot_id)
        or (bot and app and app == text(payload, "api_app_id"))
    )
    team = text(event, "user_team") or text(event, "source_team") or text(event, "team")
    person = mapping(event, "user_profile")
    name = text(person, "display_name") or text(person, "real_name") or text(event, "username") or text(profile, "name")
    return Author(
        id=user or bot,
        display_name=name,
        is_bot=bool(bot) or text(event, "subtype") == "bot_message",
        is_self=is_self,
        is_external=not is_self and _event_external(payload, event, reader),
        tenant=team,
    )


def actor(payload: Mapping[str, Any], reader: Reader) -> Author:
    """Who pressed, submitted or chose, from an interactive payload."""
    user = mapping(payload, "user")
    user_id = text(user, "id")
    team = text(user, "team_id")
    return Author(
        id=user_id,
        display_name=text(user, "name") or text(user, "username"),
        is_self=bool(user_id) and user_id == reader.user_id,
        is_external=not reader.org_wide and _foreign(team, reader),
        tenant=team,
    )


def _event_external(payload: Mapping[str, Any], event: Mapping[str, Any], reader: Reader) -> bool:
    shared = payload.get("is_ext_shared_channel")
    claimed = text(event, "user_team") or text(event, "source_team")
    if shared is True:
        return _foreign(claimed or text(event, "team") or text(payload, "team_id"), reader)
    if reader.org_wide or (shared is False and reader.enterprise_id):
        return False  # a colleague, maybe from another workspace of the same organisation
    return _foreign(claimed, reader)


def _foreign(team: str, reader: Reader) -> bool:
    return bool(team and reader.team_id) and team != reader.team_id and team != reader.enterprise_id
