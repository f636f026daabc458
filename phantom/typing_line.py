"""The "is typing…" line of a platform that has one: shown while a turn runs, renewed before it fades.

What does *not* live here: what the line looks like and how long it lasts (the channel); marks and messages
(`presenter.py`).
"""

from __future__ import annotations

import asyncio

import structlog

from phantom.capabilities import Capability
from phantom.channel import Channel, SupportsTyping
from phantom.clock import Clock
from phantom.errors import PhantomError
from phantom.messages import ConversationRef

log = structlog.get_logger("phantom.presenter")

SETTLE = 0.4
"""Seconds a turn must last before anything is shown."""
RENEW = 8.0
"""Seconds between two calls; Discord's line fades after ten."""


class TypingLine:
    """One turn's line: `start`, `stop` before the answer goes out, `clear` after it."""

    def __init__(self, channel: Channel, conversation: ConversationRef, clock: Clock) -> None:
        able = isinstance(channel, SupportsTyping) and Capability.TYPING in channel.capabilities
        self._channel = channel if able and isinstance(channel, SupportsTyping) else None
        self._conversation = conversation
        self._clock = clock
        self._shown = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        if self._channel is not None:
            self._task = asyncio.create_task(self._renew(), name="typing-line")

    def stop(self) -> None:
        """Show it no more; returns at once. A call under way is dropped: the answer must not wait for it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def clear(self) -> None:
        """Take it away where it does not go by itself."""
        if self._shown:
            self._shown = False
            await self._show(active=False)

    async def _renew(self) -> None:
        await self._clock.sleep(SETTLE)
        while True:
            self._shown = True
            await self._show(active=True)
            await self._clock.sleep(RENEW)

    async def _show(self, *, active: bool) -> None:
        """A courtesy: its failure never fails the turn."""
        if self._channel is None:
            return
        try:
            await self._channel.typing(self._conversation, active)
        except PhantomError as error:
            log.info("typing_failed", channel=self._conversation.channel, code=error.code, cure=error.hint)
