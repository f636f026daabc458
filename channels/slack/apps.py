"""What the Slack channel lends to bridge apps: the four methods of `phantom.apps.SupportsApps`, put together.

The channel tells it who the bot is (`bound`) and that receiving begins (`began`), the receivers tell `events` what they
have got. What does *not* live here: events (`apps_events.py`), actions (`apps_messages.py`, `apps_files.py`), scopes
and the wire (`phantom/bridge/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.slack import apps_files, apps_messages
from channels.slack.apps_doubts import Doubts
from channels.slack.apps_events import AppEvents
from channels.slack.apps_line import Line
from channels.slack.apps_messages import Action, Desk
from channels.slack.apps_refusals import INTERNAL, INVALID, invalid, not_connected
from channels.slack.apps_triggers import TriggerBook
from channels.slack.boot import Bound
from channels.slack.decode import text
from channels.slack.scopes import OPTIONAL, REQUIRED
from channels.slack.web import SlackWeb
from phantom.apps import ActionRefused, AppPlace, AppSink
from phantom.channel import ChannelContext
from phantom.errors import MalformedEvent

ACTIONS: dict[str, Action] = {**apps_messages.ACTIONS, **apps_files.ACTIONS}
_ODD = (LookupError, TypeError, ValueError, AttributeError, MalformedEvent)
_FOLDER = "apps_posts"


class SlackApps:
    """One for the life of the channel. Without `lend` it tells nobody anything and acts all the same."""

    def __init__(self, web: SlackWeb, context: ChannelContext) -> None:
        self._book = TriggerBook()
        self.events = AppEvents(self._book)
        self._line = Line(web)
        self._doubts = Doubts(context.data_dir / _FOLDER, context.clock)
        self._bound: Bound | None = None

    def lend(self, sink: AppSink, events: frozenset[str]) -> None:
        """What the app is subscribed to is set at Slack, not here: nothing further is to be asked for."""
        self.events.lend(sink)

    def app_intents(self) -> frozenset[str]:
        """By the granted scopes; what Phantom's manifest asks for while Slack has not told them."""
        from channels.slack import apps_catalogue  # a bridge has it loaded; without one, nobody needs it

        told = self._bound.me.scopes if self._bound is not None else frozenset()
        return apps_catalogue.intents(told or frozenset({*REQUIRED, *OPTIONAL}))

    async def app_place(self, action: str, params: Mapping[str, Any]) -> AppPlace:
        """A conversation that the bot sees belongs to its team, whoever else is connected to it: nothing to ask."""
        if interaction := text(params, "interactionId"):
            return self._book.find(interaction).place
        if self._bound is None:
            raise not_connected()
        return AppPlace(guild=self._bound.binding.team_id, channel=text(params, "channelId"))

    async def act(self, action: str, params: Mapping[str, Any], *, key: str) -> Any:
        """As `SupportsApps`, but for `AuthError`: it comes through, since the channel has to stop then."""
        perform = ACTIONS.get(action)
        if perform is None:
            raise ActionRefused(INVALID, f"the Slack channel has no action {action[:64]}")
        if self._bound is None:
            raise not_connected()
        desk = Desk(
            line=self._line,
            book=self._book,
            doubts=self._doubts,
            me=self._bound.me,
            team=self._bound.binding.team_id,
        )
        try:
            return await perform(desk, _Params(params), key)
        except _ODD:
            reads = action == "slack.fetchMessage"
            raise ActionRefused(INTERNAL, f"{action}: Slack's answer makes no sense", unknown=not reads) from None

    # --- the channel ---

    def bound(self, bound: Bound) -> None:
        """Slack has confirmed who we are."""
        self._bound = bound
        self.events.team = bound.binding.team_id

    def began(self) -> None:
        """Receiving begins."""
        self.events.began()


class _Params(dict[str, Any]):
    """The parameters of one action; one that is needed and not there is the app's mistake."""

    def __missing__(self, name: str) -> Any:
        raise invalid(f"`{name}`: is missing")
