"""What a turn is doing, as a reaction of ours on the person's message, and Discord's typing line.

What does *not* live here: when to show what. The engine debounces and serialises; every call here is safe to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from channels.discord.decode import items, mapping, text
from channels.discord.place import ASIDE, target
from channels.discord.rest import DiscordRest
from phantom.errors import ChannelError, ConversationGone
from phantom.messages import ConversationRef, MessageRef, TurnStatus

log = structlog.get_logger(__name__)

EMOJI: dict[TurnStatus, str] = {
    TurnStatus.QUEUED: "👀",
    TurnStatus.THINKING: "🤔",
    TurnStatus.TOOL: "🛠️",
    TurnStatus.STALLED: "⏳",
    TurnStatus.DONE: "✅",
    TurnStatus.ERROR: "⚠️",
}
_MESSAGE = "/channels/{channel_id}/messages/{message_id}"
_REACTION = _MESSAGE + "/reactions/{emoji}/@me"
_TYPING_SECONDS = 3.0
_VARIANT = "\ufe0f"


class StatusMarks:
    """Puts and takes reactions."""

    def __init__(self, rest: DiscordRest) -> None:
        self._rest = rest

    async def show(self, where: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        """Add `status`, then take `shown` away: the message is never without a mark in between."""
        if not where.message_id:
            return
        if status is not None:
            await self._react("PUT", where, EMOJI[status])
        if shown is not None and shown is not status:
            await self._react("DELETE", where, EMOJI[shown])

    async def clear(self, where: MessageRef) -> None:
        """Take every mark of ours away; asks first which there are."""
        if not where.message_id:
            return
        try:
            message = await self._rest.call(
                "GET",
                _MESSAGE,
                channel_id=target(where.conversation),
                message_id=where.message_id,
                idempotent=True,
            )
        except ConversationGone:
            return
        marks = {emoji.rstrip(_VARIANT): emoji for emoji in EMOJI.values()}
        for name in _ours(message):
            if name.rstrip(_VARIANT) in marks:
                await self._react("DELETE", where, name)

    async def typing(self, conversation: ConversationRef, *, active: bool) -> None:
        """Discord's own line, for ten seconds or until we post; best effort. A private answer has a line already."""
        thread = conversation.thread
        if not active or (thread is not None and thread.startswith(ASIDE)):
            return
        try:
            async with asyncio.timeout(_TYPING_SECONDS):
                await self._rest.call("POST", "/channels/{channel_id}/typing", channel_id=target(conversation))
        except (ChannelError, TimeoutError) as error:
            log.debug("discord_typing_failed", cause=type(error).__name__)

    async def _react(self, method: str, where: MessageRef, emoji: str) -> None:
        try:
            await self._rest.call(
                method,
                _REACTION,
                channel_id=target(where.conversation),
                message_id=where.message_id,
                emoji=emoji,
                idempotent=True,
            )
        except ConversationGone as error:
            if error.code != "message_gone":
                raise


def _ours(message: Any) -> list[str]:
    found: Mapping[str, Any] = message if isinstance(message, dict) else {}
    return [text(mapping(one, "emoji"), "name") for one in items(found, "reactions") if one.get("me") is True]
