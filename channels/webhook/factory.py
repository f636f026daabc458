"""Builds the webhook channel from checked settings: the target that the descriptor names. No I/O happens here."""

from __future__ import annotations

from channels.webhook.channel import WebhookChannel
from channels.webhook.endpoints import endpoints_of
from channels.webhook.pinned import PinnedClient
from channels.webhook.settings import WebhookSettings
from channels.webhook.tasks import TaskStore
from phantom.channel import Channel, ChannelContext


def build(settings: WebhookSettings, context: ChannelContext) -> Channel:
    """The webhook channel. Raises `ConfigError` with the variable's name and the cure."""
    return WebhookChannel(
        settings,
        context,
        endpoints_of(settings, context.clock),
        client=PinnedClient(insecure=settings.insecure_callbacks),
        store=TaskStore(context.data_dir, context.clock, at_rest=context.at_rest),
    )
