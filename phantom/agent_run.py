"""One run of the agent: its events go to the presenter, its end becomes an outcome. Stoppable, bounded, watched.

What does *not* live here: durability (`turns.py`) and how things look (`presenter.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, assert_never

import structlog

from phantom.agent import Agent, AgentEvent, ApprovalNeeded, Failed, Final, TextDelta, ToolFinished, ToolStarted, Turn
from phantom.clock import Clock
from phantom.messages import Button, ButtonStyle, LocalFile, TurnStatus
from phantom.outgoing import Outgoing
from phantom.presenter import Presenter

log = structlog.get_logger("phantom.turns")

Kind = Literal["final", "failed", "stopped", "approval", "timeout"]

BREATHE_EVERY = 64
"""Events after which everything else has its turn: an agent may have the next event at hand each time it is asked, and
then neither a stop nor the limit would ever get to it, nor anybody else's message to the daemon.
"""
ENDING_SECONDS = 5.0
"""How long a cancelled agent may take to end; its turn ends then in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOutcome:
    """How the agent's run ended; `text` is what to say (or, for an approval, to ask)."""

    kind: Kind
    text: str
    files: tuple[LocalFile, ...] = ()
    buttons: tuple[Button, ...] = ()
    approval_id: str = ""

    def masked(self, outgoing: Outgoing, turn: str) -> TurnOutcome:
        """The same without secrets, before the text is cut into messages: a secret may stand where it is cut."""
        return replace(
            self,
            text=outgoing.text(sound(self.text), place="answer", turn=turn, whole=True),
            files=outgoing.file_names(self.files, turn=turn),
            buttons=outgoing.buttons(self.buttons, turn=turn),
        )

    def to_stored(self) -> dict[str, Any]:
        """Plain values for the step's checkpoint."""
        return {
            "kind": self.kind,
            "text": self.text,
            "files": [asdict(file) for file in self.files],
            "buttons": [{**asdict(button), "style": button.style.value} for button in self.buttons],
            "approval_id": self.approval_id,
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> TurnOutcome:
        """The inverse of `to_stored`."""
        return cls(
            kind=stored["kind"],
            text=stored["text"],
            files=tuple(LocalFile(**file) for file in stored["files"]),
            buttons=tuple(Button(**{**button, "style": ButtonStyle(button["style"])}) for button in stored["buttons"]),
            approval_id=stored["approval_id"],
        )


def sound(text: str) -> str:
    """Without halves of surrogate pairs, which no platform and no disk takes: a model's stream may be cut within one.
    Two that belong together become one character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class AgentRun:
    """Runs `agent.reply(turn)` to its end. `limit`, `stall` and `ending` are seconds."""

    def __init__(
        self,
        agent: Agent,
        turn: Turn,
        presenter: Presenter,
        clock: Clock,
        *,
        limit: float,
        stall: float,
        ending: float = ENDING_SECONDS,
    ) -> None:
        self._agent = agent
        self.turn = turn
        self._presenter = presenter
        self._clock = clock
        self._limit = limit
        self._stall = stall
        self._ending = ending
        self._stopped = asyncio.Event()
        self._last_event = clock.monotonic()

    def stop(self) -> None:
        """A person asked to stop; the run ends with what there is."""
        self._stopped.set()

    async def outcome(self) -> TurnOutcome:
        """The end: final, failed, approval, stopped, or timeout."""
        work = asyncio.create_task(self._consume(), name=f"agent {self.turn.id}")
        stop = asyncio.create_task(self._stopped.wait())
        watch = asyncio.create_task(self._watch())
        limit = asyncio.create_task(self._clock.sleep(self._limit))
        try:
            await asyncio.wait((work, stop, limit), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            if stop.done():
                return TurnOutcome(kind="stopped", text="_Stopped._")
            minutes = max(1, round(self._limit / 60))
            return TurnOutcome(kind="failed", text=f"I gave up after {minutes} min without an end. Please try again.")
        finally:
            await self._end(work, stop, watch, limit)

    async def _end(self, *tasks: asyncio.Task[Any]) -> None:
        for task in tasks:
            task.cancel()
        ended, late = await asyncio.wait(tasks, timeout=self._ending)
        for task in ended:
            if not task.cancelled():
                task.exception()  # seen: how the run ended is known already
        if late:
            cure = "the agent must end when it is cancelled; until then it goes on unheard"
            log.error("agent_does_not_end", turn=self.turn.id, cure=cure)

    async def _consume(self) -> TurnOutcome:
        pieces: list[str] = []
        count = 0
        async for event in self._agent.reply(self.turn):
            count += 1
            if count % BREATHE_EVERY == 0:
                await asyncio.sleep(0)
            self._last_event = self._clock.monotonic()
            end = self._take(event, pieces)
            if end is not None:
                return end
        if pieces:
            return TurnOutcome(kind="final", text="".join(pieces))
        return TurnOutcome(kind="failed", text="I have no answer to that: the agent ended without one.")

    def _take(self, event: AgentEvent, pieces: list[str]) -> TurnOutcome | None:
        """Show one event; the outcome when it is the last."""
        match event:
            case TextDelta(text=text):
                pieces.append(text)
                self._presenter.text(sound(text))
            case ToolStarted(tool=tool, summary=summary):
                self._presenter.status(TurnStatus.TOOL, summary or f"Using {tool}…")
            case ToolFinished():
                self._presenter.status(TurnStatus.THINKING)
            case ApprovalNeeded(approval_id=approval_id, prompt=prompt):
                return TurnOutcome(kind="approval", text=prompt, approval_id=approval_id)
            case Final(text=text, attachments=files, buttons=buttons):
                return TurnOutcome(kind="final", text=text, files=files, buttons=buttons)
            case Failed(message=message, hint=hint):
                log.warning("agent_gave_up", turn=self.turn.id, cure=hint)
                return TurnOutcome(kind="failed", text=message)
            case _:
                assert_never(event)
        return None

    async def _watch(self) -> None:
        """Say so when the agent has been silent for long."""
        while True:
            quiet = self._clock.monotonic() - self._last_event
            if quiet >= self._stall:
                self._presenter.status(TurnStatus.STALLED)
                self._last_event = self._clock.monotonic()
            await self._clock.sleep(max(0.05, self._stall - quiet))
