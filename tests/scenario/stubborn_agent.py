"""An agent that takes no notice of being cancelled: `PHANTOM_AGENT=stubborn_agent:make`.

It leaves `begun` in the folder that `GATES` names. Where that is there already when it is made, it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from phantom.agent import AgentContext, AgentEvent, Final, Turn


class StubbornAgent:
    """Waits for ever, the first time."""

    name = "stubborn"

    def __init__(self) -> None:
        self._mark = Path(os.environ["GATES"]) / "begun"
        self._answers = self._mark.exists()

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        self._mark.touch()
        while not self._answers:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        yield Final(text="at last")


def make(context: AgentContext) -> StubbornAgent:
    """The factory."""
    return StubbornAgent()
