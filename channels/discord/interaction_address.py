"""Where the answer to an interaction goes, as the `respond_url` of an event. Pure.

It carries the interaction's token, which lives for fifteen minutes and speaks for the application: it is in the
journaled payload and in values that do not show it, and nowhere else.
https://docs.discord.com/developers/interactions/receiving-and-responding#followup-messages
"""

from __future__ import annotations

from dataclasses import dataclass, field

from channels.discord.decode import snowflake_time

SCHEME = "discord-interaction"
LIFETIME = 15 * 60.0
"""Seconds."""
_MARGIN = 5.0

ORIGINAL = "original"
"""The first answer replaces the "is thinking…" line."""
FOLLOWUP = "followup"
"""Every answer is a message of its own: the line is another's (the message whose button was pressed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionAddress:
    """A taken-apart `respond_url`."""

    application: str
    interaction: str
    mode: str
    token: str = field(repr=False)

    def __str__(self) -> str:
        return f"{SCHEME}:{self.application}:{self.token}:{self.interaction}:{self.mode}"

    def alive(self, now: float) -> bool:
        """Whether Discord still takes answers over it."""
        return now < snowflake_time(self.interaction) + LIFETIME - _MARGIN


def parse(address: str) -> InteractionAddress | None:
    """The address in a `respond_url`; None when it is none of ours."""
    parts = address.split(":")
    if len(parts) != 5 or parts[0] != SCHEME or parts[4] not in (ORIGINAL, FOLLOWUP):
        return None
    _, application, token, interaction, mode = parts
    if not (application.isdigit() and interaction.isdigit() and token):
        return None
    return InteractionAddress(application=application, interaction=interaction, mode=mode, token=token)
