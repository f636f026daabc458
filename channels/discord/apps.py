"""What the Discord channel lends to bridge apps: the four methods of `phantom.apps.SupportsApps`, put together.

The transports tell it of sessions (`session`, `posts`), of dispatches (`events.hear`), and of interactions
(`left_to_apps`). What does *not* live here: events (`apps_events.py`), actions (`apps_actions_*.py`, `apps_answers.py`,
`apps_raw.py`), places (`apps_whereabouts.py`), scopes and the wire (`phantom/bridge/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from channels.discord import (
    apps_actions_members,
    apps_actions_messages,
    apps_actions_places,
    apps_answers,
    apps_intents,
    apps_raw,
)
from channels.discord.apps_action import Action, Desk
from channels.discord.apps_events import AppEvents
from channels.discord.apps_interactions import InteractionBook
from channels.discord.apps_line import Line
from channels.discord.apps_own_ids import refuse_our_ids
from channels.discord.apps_refusals import INTERNAL, INVALID, UNAVAILABLE, invalid
from channels.discord.apps_telling import ODD, Whereabouts
from channels.discord.apps_whereabouts import Locator
from channels.discord.install import ServedGuilds
from channels.discord.place import CHANNEL
from channels.discord.rest import DiscordRest, DiscordSelf
from phantom.apps import ActionRefused, AppPlace, AppSink
from phantom.channel import ChannelContext
from phantom.errors import AuthError

log = structlog.get_logger(__name__)

ACTIONS: dict[str, Action] = {
    **apps_actions_messages.ACTIONS,
    **apps_actions_members.ACTIONS,
    **apps_actions_places.ACTIONS,
    **apps_answers.ACTIONS,
    **apps_raw.ACTIONS,
}


class DiscordApps:
    """One for the life of the channel. Without `lend` it tells nobody anything and acts all the same."""

    def __init__(self, rest: DiscordRest, context: ChannelContext, guilds: ServedGuilds) -> None:
        self.events: AppEvents | None = None
        self._guilds = guilds
        self._clock = context.clock
        self._book = InteractionBook(context.clock, context.meter)
        line = Line(rest)
        self._desk = Desk(line=line, book=self._book, clock=context.clock)
        self._locator = Locator(line, self._book, guilds, context.clock)
        self._further: frozenset[str] = frozenset()
        self._live: frozenset[str] | None = None

    # --- SupportsApps, but for `AuthError`: it comes through, since the channel has to stop then ---

    def lend(self, sink: AppSink, events: frozenset[str]) -> None:
        self.events = AppEvents(sink, events, self._guilds, self._clock)
        self._further = apps_intents.wanted(events)

    def app_intents(self) -> frozenset[str]:
        if self._live is not None:
            return self._live
        # Before the first connection: what it will have in any case.
        return apps_intents.OWN | self._further - {apps_intents.GUILD_MEMBERS}

    async def app_place(self, action: str, params: Mapping[str, Any]) -> AppPlace:
        return await self._locator.place(params)

    async def act(self, action: str, params: Mapping[str, Any], *, key: str) -> Any:
        perform = ACTIONS.get(action)
        if perform is None:
            raise ActionRefused(INVALID, f"the Discord channel has no action {action[:64]}")
        given = _Params(params)
        refuse_our_ids(params)
        if self._guilds.listed is not None:
            await self._locator.place(given)
        try:
            return await perform(self._desk, given, key)
        except ODD:
            reads = action.startswith("fetch")
            raise ActionRefused(INTERNAL, f"{action}: Discord's answer makes no sense", unknown=not reads) from None

    # --- the transports ---

    def session(self, me: DiscordSelf, atlas: Whereabouts, shards: int) -> frozenset[str]:
        """A run of the gateway begins: the intents to ask for beyond the agent's own."""
        granted = apps_intents.granted(self._further, me.flags)
        self._live = apps_intents.OWN | granted
        if self.events is not None:
            self.events.session(atlas, shards)
            self._desk.channels = self._locator.channels = self.events.telling.channels
        return granted

    def posts(self, me: DiscordSelf) -> None:
        """Signed posts are taken from now on: interactions are all that comes."""
        self._live = frozenset()
        if self.events is not None:
            self.events.posts(me)

    def left_to_apps(self, payload: Mapping[str, Any]) -> bool:
        """Tell of an interaction of a server that we serve. True when its answer is left to the apps."""
        if self.events is None:
            return False
        try:
            return self._book.hear(self.events.telling, payload)
        except ODD as error:
            log.warning("app_event_not_understood", channel=CHANNEL, kind="interaction", error=type(error).__name__)
            return False


class _Params(dict[str, Any]):
    """The parameters of one action; one that is needed and not there is the app's mistake."""

    def __missing__(self, name: str) -> Any:
        raise invalid(f"`{name}`: is missing")


def refused(error: AuthError) -> ActionRefused:
    """What an app is told when Discord refuses the bot's own token."""
    return ActionRefused(
        UNAVAILABLE, "Discord refuses the bot's token", hint=error.hint, details={"discordStatus": 401}
    )
