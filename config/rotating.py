"""A secret's text with its predecessor and the holders to tell: what the live sources have in common.

A source that gives two values in turn (two replicas that disagree) must neither shut anybody out nor make every holder
reconnect for ever. So the first changes are told at once; when it keeps going back and forth, both values stay
acceptable and the current one is kept until the source has said the other one for a while.

What does *not* live here: where the text comes from and when it is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from phantom.clock import Clock
from phantom.secrets import Listener

OVERLAP_SECONDS = 300.0
"""How long the value before a rotation stays acceptable."""
RETURNS = 2
"""How often, within one overlap, the value before may become current again until that counts as flipping."""
SETTLE_SECONDS = 30.0
"""How long a flipping source must stay with a value until it becomes current."""
FLIPPING = "its source gives two values in turn; both are accepted"


def secret_text(data: bytes) -> str | None:
    """The secret that `data` holds, one line end at its end not counted; None when it is not UTF-8."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None  # and not raised on: the exception holds the bytes
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


class RotatingText:
    """The current text, the one before it while the overlap lasts, and who wants to hear of changes."""

    __slots__ = (
        "_clock",
        "_doubted_since",
        "_listeners",
        "_overlap",
        "_previous",
        "_previous_until",
        "_returns",
        "text",
    )

    def __init__(self, clock: Clock, *, overlap_seconds: float = OVERLAP_SECONDS) -> None:
        self.text: str | None = None
        self._clock = clock
        self._overlap = overlap_seconds
        self._previous: str | None = None
        self._previous_until = 0.0
        self._listeners: list[Listener] = []
        self._returns: list[float] = []
        self._doubted_since: float | None = None

    def previous(self) -> str | None:
        """The text before the last rotation, until its overlap ends."""
        if self._previous is not None and self._clock.monotonic() >= self._previous_until:
            self._previous = None
        return self._previous

    @property
    def flipping(self) -> bool:
        """Whether the source lately went back and forth between two values."""
        now = self._clock.monotonic()
        self._returns = [at for at in self._returns if now - at < max(self._overlap, SETTLE_SECONDS)]
        return len(self._returns) >= RETURNS

    def replace(self, text: str) -> bool:
        """The source says `text`. True, and every holder is told, when that is now another current value."""
        if text == self.text:
            self._doubted_since = None
            return False
        now = self._clock.monotonic()
        if text == self.previous():
            if self.flipping and not self._settled(now):
                self._previous_until = now + self._overlap
                return False
            self._returns.append(now)
        self._doubted_since = None
        old, self.text = self.text, text
        if old is not None:
            self._previous, self._previous_until = old, now + self._overlap
        self._tell()
        return True

    def confirm(self) -> bool:
        """The source says the same as the last time it was asked. True as for `replace`."""
        if self._doubted_since is None or self._previous is None:
            return False
        return self.replace(self._previous)

    def withdraw(self) -> bool:
        """Forget the text and its predecessor: the origin says that there is none. True when there was one."""
        had = self.text is not None
        self.text = self._previous = self._doubted_since = None
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

    def _settled(self, now: float) -> bool:
        """Whether a flipping source has said the other value for long enough, without a break."""
        if self._doubted_since is None:
            self._doubted_since = now
        return now - self._doubted_since >= SETTLE_SECONDS

    def _tell(self) -> None:
        # Through the loop: a listener that raises is reported there and keeps neither the others nor us from working.
        if self._listeners:
            loop = asyncio.get_running_loop()
            for listener in self._listeners:
                loop.call_soon(listener)

    def __repr__(self) -> str:
        return "RotatingText(…)"
