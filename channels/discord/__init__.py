"""Discord: one behaviour layer and two receivers (the gateway, signed HTTP interactions).

Only the plugin record lives at this level, so that importing it costs nothing; `channels.discord.factory:build` makes
the channel.
"""

from __future__ import annotations

from phantom.capabilities import Capability
from phantom.channel import API_VERSION, Descriptor

CAPABILITIES = (
    Capability.TEXT
    | Capability.THREADS
    | Capability.EDIT
    | Capability.DELETE
    | Capability.REACT
    | Capability.TYPING
    | Capability.ATTACH_IN
    | Capability.ATTACH_OUT
    | Capability.BUTTONS
    | Capability.EPHEMERAL
    | Capability.COMMANDS
    | Capability.LOOKUP
    | Capability.ROUTES
    | Capability.SILENT_EDIT
)
"""What the Discord channel promises over either transport."""

DESCRIPTOR = Descriptor(
    kind="discord",
    api_version=API_VERSION,
    settings="channels.discord.settings:DiscordSettings",
    target="channels.discord.factory:build",
    capabilities=CAPABILITIES,
    secrets=("discord_bot_token", "discord_public_key"),
    enabled_by=("DISCORD_BOT_TOKEN", "DISCORD_TRANSPORT"),
    apps="channels.discord.apps_catalogue:TABLE",
    egress="channels.discord.hosts:destinations",
)
"""The entry point `discord` of the group `phantom.channels`."""
