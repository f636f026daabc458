"""Webhook: other programs talk to the agent with signed posts, and get their answers back or called back.

Only the plugin record lives at this level, so that importing it costs nothing; `channels.webhook.factory:build` makes
the channel.
"""

from __future__ import annotations

from phantom.capabilities import Capability
from phantom.channel import API_VERSION, Descriptor

CAPABILITIES = Capability.TEXT | Capability.LOOKUP | Capability.ROUTES
"""What the webhook channel promises."""

DESCRIPTOR = Descriptor(
    kind="webhook",
    api_version=API_VERSION,
    settings="channels.webhook.settings:WebhookSettings",
    target="channels.webhook.factory:build",
    capabilities=CAPABILITIES,
    secrets=("webhook_secret_default", "webhook_secret_backup"),
    enabled_by=("WEBHOOK_SECRET_DEFAULT",),
    egress="channels.webhook.hosts:destinations",
)
"""The entry point `webhook` of the group `phantom.channels`."""
