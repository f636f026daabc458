"""An agent for tests: answers from a script or a function, records every turn, and can block, fail, stream and ask.

agent = ScriptedAgent("hello", streamed("a longer answer"), Failed(message="sorry"))
agent = ScriptedAgent(by=lambda turn: f"you said {turn.text}")
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass

from phantom.agent import AgentEvent, ApprovalNeeded, Failed, Final, TextDelta, Turn


@dataclass(frozen=True, slots=True)
class Wait:
    """Block this turn until `event` is set; `started`, if given, is set when the turn gets here."""

    event: asyncio.Event
    started: asyncio.Event | None = None


@dataclass(frozen=True, slots=True)
class Raise:
    """Break with `error`, as buggy agent code would."""

    error: Exception


Line = AgentEvent | Wait | Raise
Answer = str | Line | list[Line]
"""What one turn is answered with: a string is a `Final`; a list without an end gets a `Final` of what it said."""


class ScriptedAgent:
    """Each turn takes the next answer of the script; when it is used up, `by(turn)` answers, else "ok".

    A turn that asked for approval takes its next answer when it is run again. `turns` holds every call of `reply` in
    order; `finished` the ids of the turns whose last event was taken, `cancelled` of those that were cut off.
    """

    def __init__(self, *script: Answer, by: Callable[[Turn], Answer] | None = None, name: str = "scripted") -> None:
        self.name = name
        self.turns: list[Turn] = []
        self.finished: list[str] = []
        self.cancelled: list[str] = []
        self._script = deque(script)
        self._by = by
        self._changed = asyncio.Event()

    def will(self, *answers: Answer) -> None:
        """Add answers to the script."""
        self._script.extend(answers)

    @property
    def texts(self) -> list[str]:
        """What people said, in the order it arrived."""
        return [turn.text for turn in self.turns]

    async def asked(self, count: int, timeout: float = 15.0) -> list[Turn]:  # noqa: ASYNC109 - a bound for tests
        """Wait until `reply` was called `count` times; `timeout` in seconds. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout):
            while len(self.turns) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.turns[:count]

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        """Play the next answer."""
        self.turns.append(turn)
        self._changed.set()
        ended = False
        try:
            for line in self._lines(turn):
                match line:
                    case Wait(event=event, started=started):
                        if started is not None:
                            started.set()
                        await event.wait()
                    case Raise(error=error):
                        raise error
                    case _:
                        ended = isinstance(line, Final | Failed | ApprovalNeeded)
                        if ended:
                            self.finished.append(turn.id)
                        yield line
        except (asyncio.CancelledError, GeneratorExit):
            if not ended:
                self.cancelled.append(turn.id)
            raise

    def _lines(self, turn: Turn) -> Iterable[Line]:
        answer: Answer = "ok"
        if self._script:
            answer = self._script.popleft()
        elif self._by is not None:
            answer = self._by(turn)
        lines = _as_lines(answer)
        ends = bool(lines) and isinstance(lines[-1], Final | Failed | ApprovalNeeded | Raise)
        return lines if ends else [*lines, Final(text=_said(lines))]


def streamed(text: str, size: int = 8) -> list[Line]:
    """`text` as deltas of `size` characters and the `Final`."""
    return [*(TextDelta(text=text[i : i + size]) for i in range(0, len(text), size)), Final(text=text)]


def _as_lines(answer: Answer) -> list[Line]:
    if isinstance(answer, str):
        return [Final(text=answer)]
    return list(answer) if isinstance(answer, list) else [answer]


def _said(lines: Sequence[Line]) -> str:
    return "".join(line.text for line in lines if isinstance(line, TextDelta)) or "ok"
