"""Where an action would act: what the bridge compares with the limits of a secret.

The gateway's own map answers for what it shows; Discord is asked for the rest, and the answer kept for a minute. A
parent is a thread's channel, or a channel's category. What does *not* live here: the limits themselves (the bridge).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from channels.discord.apps_channel_map import ChannelMap
from channels.discord.apps_interactions import InteractionBook
from channels.discord.apps_line import Line
from channels.discord.apps_recent import Latest
from channels.discord.apps_refusals import FORBIDDEN, invalid
from channels.discord.decode import text
from phantom.apps import ActionRefused, AppPlace
from phantom.clock import Clock

KEPT_SECONDS = 60.0
MAX_ASKED = 2_000
_NAMES = ("channelId", "threadId", "parentChannelId")


class Locator:
    """Finds places by the ids in an action's parameters."""

    def __init__(self, line: Line, book: InteractionBook, guilds: Container[str], clock: Clock) -> None:
        self.channels: ChannelMap | None = None
        self._line = line
        self._book = book
        self._guilds = guilds
        self._clock = clock
        self._asked: Latest[tuple[float, AppPlace]] = Latest(MAX_ASKED)

    async def place(self, params: Mapping[str, Any]) -> AppPlace:
        """Where it would act. Raises `ActionRefused`: NOT_FOUND for what does not exist, FORBIDDEN for a server that
        this bot does not serve.
        """
        if interaction := text(params, "interactionId"):
            return self._book.find(interaction).place
        guild = text(params, "guildId")
        channel = next((value for name in _NAMES if (value := text(params, name))), "")
        if not channel:
            return self._served(AppPlace(guild=guild))
        found = self._served(await self.channel(channel))
        if guild and found.guild != guild:
            raise invalid("the channel is not in that guild")
        return found

    async def channel(self, channel: str) -> AppPlace:
        """Where a channel is."""
        spot = self.channels.get(channel) if self.channels is not None else None
        if spot is not None:
            return AppPlace(guild=spot.guild, channel=channel, parent=spot.parent)
        known = self._asked.get(channel)
        now = self._clock.monotonic()
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1]
        found = await self._line.object("GET", "/channels/{channel_id}", channel_id=channel)
        place = AppPlace(guild=text(found, "guild_id"), channel=channel, parent=text(found, "parent_id"))
        self._asked.swap(channel, (now, place))
        return place

    def _served(self, place: AppPlace) -> AppPlace:
        if place.guild and place.guild not in self._guilds:
            raise ActionRefused(
                FORBIDDEN, "this bot does not serve that guild", hint="add the guild to DISCORD_ALLOWED_GUILDS"
            )
        return place
