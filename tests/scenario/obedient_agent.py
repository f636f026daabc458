"""An agent for scenario tests that does what the question says. It runs in the daemon's process:
`PHANTOM_AGENT=obedient_agent:make`, with `GATES` naming a folder through which the test lets it go on.

    gate NAME …   waits until the file NAME is in the folder (and leaves NAME.begun there when it begins to wait)
    approve       asks for approval, then says what was decided
    file / nofile answers with a file of its own / with one that is not there
    read          tells what was attached
    raise / mute  breaks / ends without an answer
    history       tells what was said before
    ping          tries to notify everybody
    choose N      offers N buttons
    else          echoes
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from phantom.agent import AgentContext, AgentEvent, ApprovalNeeded, Final, TextDelta, Turn
from phantom.messages import Button, LocalFile


class ObedientAgent:
    """Keeps nothing between turns."""

    name = "obedient"

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:  # noqa: C901 - one case a word, nothing nested
        word, _, rest = turn.text.strip().partition(" ")
        match word:
            case "gate":
                name = rest.split()[0]
                yield TextDelta(text="waiting ")
                await _gate(name)
                yield Final(text=f"passed {rest}")
            case "approve":
                if "it" not in turn.approvals:
                    yield ApprovalNeeded(approval_id="it", prompt=f"May I {rest}?")
                    return
                yield Final(text=f"decided {turn.approvals['it']} on {rest}")
            case "file":
                path = Path(os.environ["GATES"]) / "answer.txt"
                path.write_text("made by the agent")
                yield Final(text="here is a file", attachments=(_file(path),))
            case "nofile":
                yield Final(text="here is no file", attachments=(_file(Path(os.environ["GATES"]) / "nowhere.txt"),))
            case "read":
                found = [f"{file.name}={Path(file.path).read_bytes()!r}" for file in turn.attachments]
                yield Final(text=f"read {found} {turn.text}")
            case "raise":
                raise ValueError(f"broken by {rest}")
            case "history":
                yield Final(text="before: " + " | ".join(f"{line.role}:{line.text}" for line in turn.history))
            case "ping":
                yield TextDelta(text="<!channel> @here ")
                await _gate(rest)
                yield Final(text=f"hello <!channel> <!everyone> <@{turn.author.id}> @here @channel")
            case "choose":
                buttons = [Button(action="pick", label=f"Choice {n}", value=f"I take {n}") for n in range(int(rest))]
                yield Final(text=f"choose of {rest}", buttons=tuple(buttons))
            case "mute":
                return
            case _:
                yield Final(text=f"heard: {turn.text}")


async def _gate(name: str) -> None:
    folder = Path(os.environ["GATES"])
    (folder / f"{name}.begun").touch()
    while not (folder / name).exists():
        await asyncio.sleep(0.01)


def _file(path: Path) -> LocalFile:
    size = path.stat().st_size if path.exists() else 10
    return LocalFile(name=path.name, media_type="text/plain", path=str(path), size=size)


def make(context: AgentContext) -> ObedientAgent:
    """The factory."""
    return ObedientAgent()
