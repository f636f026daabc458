"""An agent that gives away what it can, for the leak hunt: `PHANTOM_AGENT=leaky_agent:make`. What it gives away is in
the file that `LOOT` names: secrets by name, each in every encoding.

    all      says everything in one long answer             stream   says it in small pieces, over seconds
    file     attaches it, under a name that holds one       buttons  offers it
    approve  asks for permission with it                    crash    raises it
    print    prints, logs, warns, breaks in a thread, in a destructor and in a task nobody waits for
    children tells what a child process inherits, and whether this one would leave a core
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import resource
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from phantom.agent import AgentContext, AgentEvent, ApprovalNeeded, Final, TextDelta, ToolFinished, ToolStarted, Turn
from phantom.messages import Button, LocalFile


class LeakyAgent:
    """Keeps nothing between turns."""

    name = "leaky"

    def __init__(self, loot: dict[str, dict[str, str]]) -> None:
        self._loot = loot

    def _everything(self) -> str:
        return "\n\n".join(text for spelled in self._loot.values() for text in spelled.values())

    async def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        match turn.text.split()[0] if turn.text.split() else "":
            case "all":
                yield Final(text=f"all of it:\n\n{self._everything()}\n\nthat was all")
            case "stream":
                for event in self._stream():
                    yield event
                    await asyncio.sleep(0.05)
                yield Final(text="streamed " + "".join(one["plain"] for one in self._loot.values()))
            case "file":
                yield Final(text="a file", attachments=(self._file(),))
            case "buttons":
                yield Final(text="choose", buttons=tuple(self._buttons()))
            case "approve" if "it" not in turn.approvals:
                yield ApprovalNeeded(approval_id="it", prompt=f"May I use {self._everything()[:1500]}?")
            case "crash":
                raise ValueError(self._everything())
            case "print":
                self._print()
                yield Final(text="printed")
            case "children":
                program = "import os, json; print(json.dumps(dict(os.environ)))"
                said = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], capture_output=True)
                names = sorted(json.loads(said.stdout))
                limit = resource.getrlimit(resource.RLIMIT_CORE)
                dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 0
                yield Final(text=f"core {limit} {dumpable}, children see " + " ".join(names))
            case _:
                yield Final(text=f"heard: {turn.text}")

    def _stream(self) -> list[AgentEvent]:
        first = self._loot["GATEWAY"]["plain"]
        said: list[AgentEvent] = [ToolStarted(call_id="1", tool="look", summary=f"looking at {first}")]
        said += [TextDelta(text=f"The secret is {first[: len(first) // 2]}")]
        said += [TextDelta(text="") for _ in range(60)]  # time for a progress message in the middle of it
        said += [TextDelta(text=first[len(first) // 2 :])]
        said += [ToolFinished(call_id="1", tool="look", summary=first)]
        return said

    def _file(self) -> LocalFile:
        path = Path(os.environ["LOOT"]).with_name("loot.txt")
        path.write_text(self._everything())
        name = f"{next(iter(self._loot.values()))['plain']}.txt"
        return LocalFile(name=name, media_type="text/plain", path=str(path), size=path.stat().st_size)

    def _buttons(self) -> list[Button]:
        plain = [spelled["plain"] for spelled in self._loot.values()]
        return [Button(action="pick", label=text[:70], value=text) for text in plain[:3]]

    def _print(self) -> None:
        for text in (text for spelled in self._loot.values() for text in spelled.values()):
            print(text)
            print(text, file=sys.stderr)
            logging.getLogger("third.party").error("it is %s", text)
            structlog.get_logger("agent").warning("agent_says", text=text, nested={"deep": [text]})
            warnings.warn(text, stacklevel=1)
        everything = self._everything()
        sys.stdout.write(everything[: len(everything) // 2])
        sys.stdout.write(everything[len(everything) // 2 :] + "\n")
        threading.Thread(target=_fail, args=(everything,)).start()
        Ungrateful(everything)
        self._lost = asyncio.get_running_loop().create_task(_fail_later(everything))
        asyncio.get_running_loop().call_later(0.05, self.__dict__.pop, "_lost")


class Ungrateful:
    """Breaks when it is thrown away."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __del__(self) -> None:
        raise RuntimeError(self._text)


def _fail(text: str) -> None:
    raise LookupError(text)


async def _fail_later(text: str) -> None:
    _fail(text)


def make(context: AgentContext) -> LeakyAgent:
    """The factory."""
    return LeakyAgent(json.loads(Path(os.environ["LOOT"]).read_text()))
