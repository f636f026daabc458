"""The greeting for whoever installed the app, and the agent view's first suggestions.

What does *not* live here: that it happens once (the engine keeps the key for ever).
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from channels.slack.place import CHANNEL
from channels.slack.settings import SlackSettings
from channels.slack.web import SlackSelf, SlackWeb
from phantom.channel import ChannelContext
from phantom.errors import Forbidden, MetadataError
from phantom.identity import SlackInstall
from phantom.messages import ConversationKind, ConversationRef, OutboundMessage, Receipt

log = structlog.get_logger(__name__)

PROMPTS = (
    {"title": "What can you do?", "message": "What can you do?"},
    {"title": "How do I use you in a channel?", "message": "How do I use you in a channel?"},
    {"title": "Remember something", "message": "Remember that our release day is Thursday."},
)


def greeting(
    name: str, settings: SlackSettings, me: SlackSelf | None, install: SlackInstall | None
) -> OutboundMessage | None:
    """To the installer, else the owner, else the home channel; None when none is known, or not which workspace."""
    team = install.team_id if install is not None else me.team_id if me is not None else ""
    person = (install.installer_user_id if install is not None else "") or settings.owner
    place = person or settings.home_channel
    if not team or not place:
        return None
    where = "" if me is None or not me.team_name else f" in {me.team_name}"
    text = (
        f"Hello, I am **{name}**, and I am ready{where}.\n\n"
        f"- Write to me here, or mention @{name} in a channel that I was invited to; I answer in the thread.\n"
        "- `/phantom help` shows what I can do, `/phantom status` how I am.\n"
        "- While I work, I mark your message with a reaction."
    )
    return OutboundMessage(
        conversation=ConversationRef(
            channel=CHANNEL,
            tenant=team,
            place=place,
            thread=None,
            kind=ConversationKind.DIRECT if person else ConversationKind.PUBLIC,
        ),
        text=text,
        idempotency_key=f"intro:{team}:{place}",
    )


class Introduction:
    """Tells the metadata service that the installer was greeted, and sets the agent view's suggestions."""

    def __init__(self, web: SlackWeb, settings: SlackSettings, context: ChannelContext) -> None:
        self._web = web
        self._settings = settings
        self._context = context

    async def sent(self, receipt: Receipt) -> None:
        """Only in profile gateway is there a service to tell. Its failure is logged and costs nothing else."""
        gateway = self._settings.transport == "http" and self._settings.http_profile == "gateway"
        if not gateway or not receipt.message_ids:
            return
        try:
            await self._context.tenant_status.first_dm_sent(receipt.message_ids[0])
        except MetadataError as error:
            log.warning("tenant_status_failed", report="first_dm_sent", error=str(error))

    async def suggest(self, payload: Mapping[str, object]) -> None:
        """First suggestions in a new thread of the agent view; comfort only, so a missing scope is just noted.

        https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts
        """
        call = {
            "channel_id": payload.get("channel"),
            "thread_ts": payload.get("thread_ts"),
            "title": f"Ask {self._context.phantom_name}",
            "prompts": list(PROMPTS),
        }
        try:
            await self._web.call("assistant.threads.setSuggestedPrompts", call, idempotent=True)
        except Forbidden as error:
            log.info("slack_prompts_refused", code=error.code, cure=error.hint)
