"""An agent for kill tests: answers with the question's number, after a moment that the number decides.

Every fifth streams long enough for a progress message, every seventh is quick. It runs in the daemon's process:
`PHANTOM_AGENT=counting_agent:make`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from phantom.agent import AgentContext, AgentEvent, Final, TextDelta, ToolStarted, Turn

NUMBER = re.compile(r"question (\d+)")


class CountingAgent:
    """Deterministic, so that an answer can be told by its content."""

    name = "counting"

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        found = NUMBER.search(turn.text)
        number = int(found.group(1)) if found else -1
        if number % 5 == 0:
            yield ToolStarted(call_id="1", tool="count")
            for _ in range(9):
                await asyncio.sleep(0.2)
                yield TextDelta(text="counting ")
        else:
            await asyncio.sleep(0.0 if number % 7 == 0 else 0.02 * (number % 11))
        yield Final(text=f"answer {number}.")


def make(context: AgentContext) -> CountingAgent:
    """The factory."""
    return CountingAgent()
