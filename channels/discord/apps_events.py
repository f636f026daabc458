"""Which dispatch of the gateway becomes which event of bridge apps, and what a new session means to them.

What does *not* live here: what an event says (`apps_events_messages.py`, `apps_events_guilds.py`), interactions
(`apps_interactions.py`), who may see what (the bridge).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import structlog

from channels.discord import apps_events_guilds, apps_events_messages
from channels.discord import apps_shapes as shapes
from channels.discord.apps_telling import ODD, Raw, Teller, Telling, Whereabouts
from channels.discord.decode import JSON, items, text
from channels.discord.place import CHANNEL
from channels.discord.rest import DiscordSelf
from phantom.apps import AppSink
from phantom.clock import Clock

log = structlog.get_logger(__name__)

INTERRUPTED = "source_interrupted"


class AppEvents:
    """Tells `sink`. `hear` is called for every dispatch in `HEARD`, before anybody else acts on it."""

    def __init__(self, sink: AppSink, wanted: frozenset[str], guilds: Container[str], clock: Clock) -> None:
        self.telling = Telling(sink, wanted, guilds, clock)
        self._begun: set[int] = set()

    def session(self, atlas: Whereabouts, shards: int) -> None:
        """A run of the gateway begins; every shard is new."""
        self.telling.atlas = atlas
        self.telling.shards = shards
        self._begun = set()

    def hear(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Take one dispatch. Never raises."""
        try:
            if kind == "READY":
                self._ready(payload)
            else:
                TELLERS[kind](self.telling, payload)
        except ODD as error:
            log.warning("app_event_not_understood", channel=CHANNEL, kind=kind, error=type(error).__name__)

    def missed(self, payload: Mapping[str, Any]) -> None:
        """Tell of a message that was written while nobody listened, unless it was told already. Never raises."""
        self.hear("MESSAGE_CREATE", payload)

    def _ready(self, payload: Raw) -> None:
        """A session that is new: what happened since the last one, if there was one, was not told."""
        shard = payload.get("shard")
        which = shard[0] if isinstance(shard, list) and shard and isinstance(shard[0], int) else 0
        anew = not self._begun or which in self._begun
        self._begun.add(which)
        self.telling.members_of |= {text(guild, "id") for guild in items(payload, "guilds")}
        if anew:
            self._begin(shapes.user(payload["user"]))

    def posts(self, me: DiscordSelf) -> None:
        """Signed posts are taken from now on."""
        self._begin(shapes.user({"id": me.user_id, "username": me.name, "bot": True}))

    def _begin(self, user: JSON) -> None:
        # Told also when nobody listens: whoever comes later gets it then.
        self.telling.gap(INTERRUPTED, CHANNEL)
        self.telling.tell("ready", {"user": user}, {}, "")


TELLERS: dict[str, Teller] = {**apps_events_messages.TELLERS, **apps_events_guilds.TELLERS}
HEARD = frozenset({"READY", *TELLERS})
"""The dispatches that become events, or that say where things are."""
