"""Interactions that bridge apps may answer: told as events, their tokens kept here for as long as they live.

A token speaks for the application for fifteen minutes. It is in this book alone: not in the event, not in a log, not on
disk; a restart forgets it. What does *not* live here: the answers themselves (`apps_answers.py`), what the event says
(`apps_interaction_shape.py`).

What belongs to Phantom (its command, its context menu, its buttons and forms) is told too, but Phantom answers it. All
other commands, components and forms are left to the apps while one listens; Discord waits three seconds for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import structlog

from channels.discord import apps_interaction_shape as shape
from channels.discord import custom_ids
from channels.discord.apps_telling import Telling
from channels.discord.decode import mapping, number, text
from channels.discord.interaction_address import LIFETIME
from channels.discord.interactions_in import COMMAND, COMPONENT, MODAL
from channels.discord.place import CHANNEL
from phantom.apps import ActionRefused, AppPlace
from phantom.channel import Meter
from phantom.clock import Clock
from phantom.refused_posts import REQUESTS

log = structlog.get_logger(__name__)

ANSWER_WITHIN = 3.0
"""Seconds that Discord waits for the first answer."""
MAX_OPEN = 10_000
EVENT = "interactionCreate"
_OURS = "phantom_"
"""What the custom ids of Phantom's own buttons, menus and forms begin with."""
_ANSWERABLE = frozenset({COMMAND, COMPONENT, MODAL})


class State(Enum):
    """How far an interaction is answered. `TAKEN`: an answer is on its way."""

    NEW = "new"
    TAKEN = "taken"
    THINKING = "deferred"
    UPDATING = "deferred its update"
    ANSWERED = "answered"
    FORM = "answered with a form"


@dataclass(slots=True, kw_only=True, eq=False)
class Open:
    """One interaction. `token` is "" for what apps may not answer; `refusal` says why they may not."""

    id: str
    application: str
    token: str = field(repr=False)
    kind: int
    place: AppPlace
    expires: float
    refusal: str = ""
    state: State = State.NEW


class InteractionBook:
    """Every interaction that was told of and can still be answered."""

    def __init__(self, clock: Clock, meter: Meter) -> None:
        self._clock = clock
        self._meter = meter
        self._open: dict[str, Open] = {}

    def hear(self, telling: Telling, payload: Mapping[str, Any]) -> bool:
        """Tell of an interaction; whether its answer is left to the apps. Raises what builders raise."""
        number_of, guild = text(payload, "id"), text(payload, "guild_id")
        if number_of in self._open:
            return not self._open[number_of].refusal  # the same one, delivered again
        if not telling.wants(EVENT, guild) or not telling.interactions.first(number_of):
            return False
        shown = shape.interaction(payload, shape.kind_of(payload))
        refusal = _refusal(payload)
        token = "" if refusal else text(payload, "token")
        self._note(
            Open(
                id=number_of,
                application=text(payload, "application_id"),
                token=token,
                kind=number(payload, "type") or 0,
                place=AppPlace(
                    guild=guild, channel=shown.get("channelId", ""), parent=shown.get("parentChannelId", "")
                ),
                expires=self._clock.monotonic() + LIFETIME,
                refusal=refusal,
            )
        )
        telling.tell(EVENT, {"interaction": shown}, shape.facts(shown), guild)
        return not refusal

    def find(self, interaction: str) -> Open:
        """The interaction of that id. Raises `ActionRefused` when it is not known any more."""
        found = self._open.get(interaction)
        if found is None or self._clock.monotonic() >= found.expires:
            raise ActionRefused(
                "NOT_FOUND",
                "the interaction is not known, or is older than fifteen minutes",
                hint="answer within three seconds, follow up within fifteen minutes; a restart forgets interactions",
            )
        return found

    def answerable(self, interaction: str) -> Open:
        """The same for an answer. Raises `ActionRefused` (FORBIDDEN) for one that Phantom answers itself."""
        found = self.find(interaction)
        if found.refusal:
            raise ActionRefused("FORBIDDEN", found.refusal, hint="apps answer their own commands, buttons and forms")
        return found

    def _note(self, found: Open) -> None:
        self._open[found.id] = found
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]
        loop = asyncio.get_running_loop()
        loop.call_later(LIFETIME, self._forget, found)
        if not found.refusal:
            loop.call_later(ANSWER_WITHIN, self._look, found)

    def _forget(self, found: Open) -> None:
        found.token = ""
        if self._open.get(found.id) is found:
            del self._open[found.id]

    def _look(self, found: Open) -> None:
        """Three seconds have passed: the person saw that nobody answered."""
        if found.state is State.NEW:
            self._meter.count(REQUESTS, channel=CHANNEL, outcome="not_answered_by_apps")
            log.warning(
                "interaction_not_answered_by_apps",
                channel=CHANNEL,
                cure="an app that subscribes to interactionCreate must answer or defer within three seconds",
            )


def _refusal(payload: Mapping[str, Any]) -> str:
    """Why apps may not answer it, "" when they may."""
    kind, data = number(payload, "type"), mapping(payload, "data")
    if kind not in _ANSWERABLE:
        return "suggestions while typing are not answered over the bridge"
    name, custom_id = text(data, "name"), text(data, "custom_id")
    ours = name in (custom_ids.COMMAND, custom_ids.CONTEXT) if kind == COMMAND else custom_id.startswith(_OURS)
    return "Phantom answers this interaction itself" if ours else ""
