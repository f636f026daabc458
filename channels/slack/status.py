"""What a turn is doing, as a reaction of ours on the person's message, and Slack's "is thinking…" line.

What does *not* live here: when to show what. The engine debounces and serialises; every call here is safe to repeat.
"""

from __future__ import annotations

import structlog

from channels.slack.channel_ids import ChannelIds
from channels.slack.web import SlackWeb
from phantom.clock import Clock
from phantom.errors import ChannelError, DeliveryError, Forbidden
from phantom.messages import ConversationRef, MessageRef, TurnStatus

log = structlog.get_logger(__name__)

EMOJI: dict[TurnStatus, str] = {
    TurnStatus.QUEUED: "eyes",
    TurnStatus.THINKING: "thinking_face",
    TurnStatus.TOOL: "hammer_and_wrench",
    TurnStatus.STALLED: "hourglass_flowing_sand",
    TurnStatus.DONE: "white_check_mark",
    TurnStatus.ERROR: "warning",
}
_AS_WANTED = frozenset({"already_reacted", "no_reaction", "message_not_found"})
_TYPING_PAUSE = 3600.0


class StatusMarks:
    """Puts and takes reactions. `RateLimited` is raised as it comes: the engine shows the mark later."""

    def __init__(self, web: SlackWeb, ids: ChannelIds, clock: Clock) -> None:
        self._web = web
        self._ids = ids
        self._clock = clock
        self._typing_from = 0.0

    async def show(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        """Add `status`, then take `shown` away: the message is never without a mark in between."""
        if not target.message_id:
            return
        if status is not None:
            await self._react("reactions.add", target, EMOJI[status])
        if shown is not None and shown is not status:
            await self._react("reactions.remove", target, EMOJI[shown])

    async def clear(self, target: MessageRef, our_user: str) -> None:
        """Take every mark of ours away; asks first which there are, and tries all when it may not ask."""
        if not target.message_id:
            return
        for emoji in await self._ours(target, our_user):
            await self._react("reactions.remove", target, emoji)

    async def typing(self, conversation: ConversationRef, *, active: bool) -> None:
        """Slack's own line in a thread; best effort, and given up for an hour where Slack does not want it.

        https://docs.slack.dev/reference/methods/assistant.threads.setStatus: goes by itself when we post.
        """
        if conversation.thread is None or self._clock.monotonic() < self._typing_from:
            return
        try:
            params = {
                "channel_id": await self._ids.channel(conversation.place),
                "thread_ts": conversation.thread,
                "status": "is thinking…" if active else "",
            }
            await self._web.call("assistant.threads.setStatus", params, idempotent=True, timeout=3.0)
        except ChannelError as error:
            if isinstance(error, Forbidden) or error.code == "unknown_method":
                self._typing_from = self._clock.monotonic() + _TYPING_PAUSE
            log.debug("slack_typing_failed", code=error.code)

    async def _ours(self, target: MessageRef, our_user: str) -> list[str]:
        params = {
            "channel": await self._ids.channel(target.conversation.place),
            "timestamp": target.message_id,
            "full": True,
        }
        try:
            answer = await self._web.call("reactions.get", params, idempotent=True)
        except Forbidden:
            return list(EMOJI.values())
        except DeliveryError as error:
            if error.code in _AS_WANTED:
                return []
            raise
        reactions = (answer.get("message") or {}).get("reactions") or ()
        marks = set(EMOJI.values())
        return [one["name"] for one in reactions if one.get("name") in marks and our_user in one.get("users", ())]

    async def _react(self, method: str, target: MessageRef, emoji: str) -> None:
        channel = await self._ids.channel(target.conversation.place)
        params = {"channel": channel, "timestamp": target.message_id, "name": emoji}
        try:
            await self._web.call(method, params, idempotent=True)
        except DeliveryError as error:
            if error.code not in _AS_WANTED:
                raise
