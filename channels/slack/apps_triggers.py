"""The triggers of interactions and commands that apps may still answer with a form, by the id that apps know.

A trigger works once and for three seconds (https://docs.slack.dev/surfaces/modals). It is in this book alone: not in an
event, not in a log, not on disk. What does *not* live here: telling of interactions (`apps_events.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from channels.slack.apps_refusals import FORBIDDEN, NOT_FOUND, invalid
from phantom.apps import ActionRefused, AppPlace

TRIGGER_SECONDS = 3.0
MAX_OPEN = 10_000


@dataclass(slots=True, kw_only=True, eq=False)
class Trigger:
    """One interaction. `refusal` says why apps may not answer it, "" when they may; `used`: a form was opened, or is
    being opened.
    """

    id: str
    secret: str = field(repr=False)
    place: AppPlace
    refusal: str = ""
    used: bool = False


class TriggerBook:
    """Every interaction of the last `seconds` that was told of."""

    def __init__(self, seconds: float = TRIGGER_SECONDS) -> None:
        self.seconds = seconds
        self._open: dict[str, Trigger] = {}

    def note(self, found: Trigger) -> None:
        """Keep it for its time from now on. Needs a running loop."""
        self._open[found.id] = found
        if len(self._open) > MAX_OPEN:
            self._forget(self._open[next(iter(self._open))])
        asyncio.get_running_loop().call_later(self.seconds, self._forget, found)

    def find(self, interaction: str) -> Trigger:
        """The interaction of that id. Raises `ActionRefused` when it is not known any more."""
        found = self._open.get(interaction)
        if found is None:
            raise ActionRefused(
                NOT_FOUND,
                "the interaction is not known, or is older than three seconds",
                hint="open a form at once: Slack allows it for three seconds; an app that waits longer posts a message",
            )
        return found

    def answerable(self, interaction: str) -> Trigger:
        """The same for a form. Raises `ActionRefused` for one that Phantom answers itself or that had its form."""
        found = self.find(interaction)
        if found.refusal:
            raise ActionRefused(FORBIDDEN, found.refusal, hint="apps answer their own buttons, shortcuts and commands")
        if found.used:
            raise invalid("a form was opened for this interaction before", "one interaction opens one form")
        return found

    def _forget(self, found: Trigger) -> None:
        found.secret = ""
        if self._open.get(found.id) is found:
            del self._open[found.id]
