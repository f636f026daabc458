"""What Slack says of one person: guest, other workspace, bot. Asked one at a time, when needed, and remembered.

What does *not* live here: who may talk to Phantom (the engine's policy). Listing all users is never done: in a large
workspace it uses up the rate limit for minutes. https://docs.slack.dev/reference/objects/user-object
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from channels.slack.web import SlackSelf, SlackWeb
from phantom.clock import Clock
from phantom.errors import DeliveryError
from phantom.messages import AuthorFacts

_FRESH = 600.0
_REMEMBERED = 2000
_STRANGERS = frozenset({"user_not_found", "user_not_visible"})


class Authors:
    """`users.info` behind a bounded cache; one question a person at a time."""

    def __init__(self, web: SlackWeb, clock: Clock) -> None:
        self._web = web
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, AuthorFacts]] = OrderedDict()
        self._asking: dict[str, asyncio.Lock] = {}

    async def facts(self, user: str, me: SlackSelf) -> AuthorFacts:
        """The facts, at most ten minutes old. Somebody whom the workspace does not know counts as external.

        Raises a `ChannelError` when Slack cannot be asked.
        """
        lock = self._asking.setdefault(user, asyncio.Lock())
        try:
            async with lock:
                held = self._known.get(user)
                if held is None or self._clock.monotonic() - held[0] > _FRESH:
                    held = (self._clock.monotonic(), await self._ask(user, me))
                    self._known[user] = held
                self._known.move_to_end(user)
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
                return held[1]
        finally:
            if not lock.locked():
                self._asking.pop(user, None)

    async def _ask(self, user: str, me: SlackSelf) -> AuthorFacts:
        try:
            answer = await self._web.call("users.info", {"user": user}, idempotent=True)
        except DeliveryError as error:
            if error.code in _STRANGERS:
                return AuthorFacts(is_external=True)
            raise
        return _facts(answer.get("user") or {}, me)


def _facts(user: Mapping[str, Any], me: SlackSelf) -> AuthorFacts:
    profile = user.get("profile") or {}
    name = profile.get("display_name") or profile.get("real_name") or user.get("real_name") or user.get("name") or ""
    return AuthorFacts(
        display_name=str(name),
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_external=_is_external(user, me),
        is_bot=bool(user.get("is_bot")) or user.get("id") == "USLACKBOT",
        is_deleted=bool(user.get("deleted")),
    )


def _is_external(user: Mapping[str, Any], me: SlackSelf) -> bool:
    """Of another workspace, and not of our organisation either (its members carry `enterprise_user`)."""
    if user.get("is_stranger"):
        return True
    team = user.get("team_id")
    if not team or not me.team_id or team == me.team_id:
        return False
    enterprise = user.get("enterprise_user") or {}
    ours = me.team_id in (enterprise.get("teams") or ()) or (
        me.enterprise_id is not None and me.enterprise_id in (enterprise.get("enterprise_id"), team)
    )
    return not ours
