"""What an action gets: the line to Discord, the open interactions, the clock; and the shapes that many answers have.

What does *not* live here: the actions (`apps_actions_*.py`, `apps_answers.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from channels.discord import apps_shapes as shapes
from channels.discord.apps_channel_map import ChannelMap
from channels.discord.apps_interactions import InteractionBook
from channels.discord.apps_line import Line
from channels.discord.decode import JSON, text
from phantom.clock import Clock


@dataclass(slots=True, kw_only=True)
class Desk:
    """One for the life of the channel. `channels` is None while no gateway shows any."""

    line: Line
    book: InteractionBook
    clock: Clock
    channels: ChannelMap | None = None

    def message(self, raw: Mapping[str, Any], guild: str = "") -> JSON:
        """A message of Discord's answer, with what is known of where it is."""
        channel = text(raw, "channel_id")
        spot = self.channels.get(channel) if self.channels is not None else None
        if spot is None:
            return shapes.message(raw, text(raw, "guild_id") or guild, "", None)
        return shapes.message(raw, spot.guild, spot.parent, spot.kind)

    async def member(self, guild: str, user: str) -> JSON:
        """A member as they are now."""
        raw = await self.line.object("GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild, user_id=user)
        return shapes.member(raw, guild, shapes.user(raw["user"]))

    async def change_member(self, params: Mapping[str, Any], body: JSON, reason: str | None) -> JSON:
        """Change a member; what Discord shows of them then."""
        return await self.line.object(
            "PATCH",
            "/guilds/{guild_id}/members/{user_id}",
            guild_id=params["guildId"],
            user_id=params["userId"],
            json=body,
            reason=reason,
        )


Action = Callable[[Desk, Mapping[str, Any], str], Awaitable[Any]]
"""Does it with checked parameters and the idempotency key ("" for none). Raises `ActionRefused`, `AuthError`."""
