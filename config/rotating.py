"""A secret's text with its predecessor and the holders to tell: what the live sources have in common.

What does *not* live here: where the text comes from and when it is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from phantom.clock import Clock
from phantom.secrets import Listener

OVERLAP_SECONDS = 300.0
"""How long the value before a rotation stays acceptable."""


def secret_text(data: bytes) -> str | None:
    """The secret that `data` holds, one line end at its end not counted; None when it is not UTF-8."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None  # and not raised on: the exception holds the bytes
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


class RotatingText:
    """The current text, the one before it while the overlap lasts, and who wants to hear of changes."""

    __slots__ = ("_clock", "_listeners", "_overlap", "_previous", "_previous_until", "text")

    def __init__(self, clock: Clock, *, overlap_seconds: float = OVERLAP_SECONDS) -> None:
        self.text: str | None = None
        self._clock = clock
        self._overlap = overlap_seconds
        self._previous: str | None = None
        self._previous_until = 0.0
        self._listeners: list[Listener] = []

    def previous(self) -> str | None:
        """The text before the last rotation, until its overlap ends."""
        if self._previous is not None and self._clock.monotonic() >= self._previous_until:
            self._previous = None
        return self._previous

    def replace(self, text: str) -> bool:
        """Make `text` current; True, and every holder is told, when it differs."""
        if text == self.text:
            return False
        old, self.text = self.text, text
        if old is not None:
            self._previous, self._previous_until = old, self._clock.monotonic() + self._overlap
        self._tell()
        return True

    def withdraw(self) -> bool:
        """Forget the text and its predecessor: the origin says that there is none. True when there was one."""
        had = self.text is not None
        self.text = self._previous = None
        if had:
            self._tell()
        return had

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` on the event loop after each change; the result ends that and may be called twice."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def _tell(self) -> None:
        # Through the loop: a listener that raises is reported there and keeps neither the others nor us from working.
        if self._listeners:
            loop = asyncio.get_running_loop()
            for listener in self._listeners:
                loop.call_soon(listener)

    def __repr__(self) -> str:
        return "RotatingText(…)"
