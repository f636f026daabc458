"""Slack: one behaviour layer and two receivers (Socket Mode, signed HTTP posts).

Only the plugin record lives at this level, so that importing it costs nothing; `channels.factory:build` makes the
channel.
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
    | Capability.AUTHORS
    | Capability.INTRODUCE
    | Capability.ROUTES
)
"""What the Slack channel promises over either transport."""

DESCRIPTOR = Descriptor(
    kind="slack",
    api_version=API_VERSION,
    settings="channels.slack.settings:SlackSettings",
    target="channels.factory:build",
    capabilities=CAPABILITIES,
    secrets=("slack_bot_token", "slack_app_token", "slack_signing_secret", "slack_gateway_signing_secret"),
    enabled_by=("SLACK_TRANSPORT", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"),
    apps="channels.slack.apps_catalogue:TABLE",
    egress="channels.slack.hosts:destinations",
)
"""The entry point `slack` of the group `phantom.channels`."""
