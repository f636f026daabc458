"""One question at a time, whoever asks: what the sources that ask a service or a command have in common.

What does *not* live here: the question itself, and what its answer means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class SingleFlight:
    """`ask` asks and tells whether the value changed; what it raises, everybody who waits for it gets."""

    def __init__(self, ask: Callable[[], Coroutine[None, None, bool]], *, name: str) -> None:
        self._ask = ask
        self._name = name
        self._flight: asyncio.Task[bool] | None = None

    async def join(self) -> bool:
        """Ask, or wait for the answer that whoever asks already gets."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._ask(), name=self._name)
            self._flight.add_done_callback(self._landed)
        # Shielded: the caller that goes away must not take the answer from the others.
        return await asyncio.shield(self._flight)

    async def anew(self) -> bool:
        """Ask now. A question that is already under way may be answered from before a rotation, so one that brings
        nothing new, or fails, is followed by another.
        """
        earlier = self._flight
        if earlier is not None:
            await asyncio.wait((earlier,))
            if earlier.cancelled() or (earlier.exception() is None and earlier.result()):
                return earlier.result()
        return await self.join()

    def cancel(self) -> None:
        """End a question that is under way."""
        if self._flight is not None:
            self._flight.cancel()

    def _landed(self, flight: asyncio.Task[bool]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # marks it as seen also when every caller has gone away; `ask` has told it
