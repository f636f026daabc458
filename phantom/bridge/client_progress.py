"""How far an app has got: the number up to which everything that it was given has been handled.

Handlers run side by side, so a later event may be done before an earlier one; whoever goes on after a restart must go
on after the last number before the first that is not done.
"""

from __future__ import annotations

from collections import deque

Position = tuple[str, int]
"""A stream, and a number in it."""


class Step:
    """One number of the stream. It is done once everybody who `held` it has let go."""

    __slots__ = ("at", "held")

    def __init__(self, at: Position) -> None:
        self.at = at
        self.held = 1


class Progress:
    """`begin` for each number in order, `hold` for each handler that works on it, `done` for each of these."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self._open: deque[Step] = deque()

    def begin(self, at: Position) -> Step:
        """A number was reached. It is held by the caller, who calls `done` once everybody else holds it."""
        step = Step(at)
        self._open.append(step)
        return step

    def done(self, step: Step) -> None:
        """One of its holders is through with it."""
        step.held -= 1
        while self._open and self._open[0].held == 0:
            self.position = self._open.popleft().at
        if len(self._open) > 1 and self._open[-1].held == self._open[-2].held == 0:
            del self._open[-2]  # the newer one says more
