"""A process that runs one turn of a model agent in a DBOS workflow on SQLite; its test kills and restarts it.

Usage: python durable_agent_child.py FOLDER BASE_URL MODEL SCENARIO
Tools and events leave their traces as lines of FOLDER/trace; the answer becomes FOLDER/answer.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetWorkflowID
from pydantic_ai.tools import Tool

from phantom.agent import AgentContext, ApprovalNeeded, Failed, Final, ToolFinished, ToolStarted, Turn
from phantom.agents.model import model_agent
from phantom.messages import Author, ConversationKind, ConversationRef
from phantom.secrets import held

FOLDER, BASE_URL, MODEL, SCENARIO = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


def trace(line: str) -> None:
    with (FOLDER / "trace").open("a") as stream:
        stream.write(line + "\n")
    print(line, flush=True)


def count(line: str) -> int:
    path = FOLDER / "trace"
    return path.read_text().splitlines().count(line) if path.exists() else 0


async def first(city: str) -> str:
    """The weather of a city."""
    trace("ran first")
    return f"sunny in {city}"


async def second(city: str) -> str:
    """The traffic of a city."""
    trace("ran second")
    if SCENARIO != "approval" and count("ran second") == 1:
        await asyncio.Event().wait()  # the test kills this process here
    return f"quiet in {city}"


def conversation() -> ConversationRef:
    return ConversationRef(channel="slack", tenant="T1", place="D1", thread=None, kind=ConversationKind.DIRECT)


AGENT = model_agent(
    AgentContext(
        phantom_name="Phantom",
        model=MODEL,
        base_url=BASE_URL,
        instructions="",
        secret=lambda name: held(name, "k-live"),
        now=time.time,
    ),
    tools=[first, Tool(second, requires_approval=SCENARIO == "approval")],
)


@DBOS.workflow(name="turn")
async def turn_workflow(text: str) -> str:
    approvals: dict[str, bool] = {}
    while True:
        turn = Turn(
            id="slack:T1:E1",
            conversation=conversation(),
            author=Author(id="U1"),
            text=text,
            approvals=dict(approvals),
        )
        async for event in AGENT.reply(turn):
            match event:
                case ToolStarted(tool=tool):
                    trace(f"shown {tool}")
                case ToolFinished(call_id=call_id):
                    trace(f"finished {call_id}")
                case Final(text=answer):
                    return answer
                case Failed(message=message, hint=hint):
                    return f"failed: {message} / {hint}"
                case ApprovalNeeded(approval_id=approval_id, prompt=prompt):
                    (FOLDER / "prompt").write_text(prompt)
                    trace(f"asked {approval_id}")
                    approvals[approval_id] = bool(await DBOS.recv_async(approval_id, timeout_seconds=60))


async def main() -> None:
    config: DBOSConfig = {
        "name": "agents",
        "system_database_url": f"sqlite:///{FOLDER / 'workflows.sqlite'}",
        "application_version": "1",
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    with SetWorkflowID("slack:T1:E1"):
        handle = await DBOS.start_workflow_async(turn_workflow, "how is it in Basel?")
    if (FOLDER / "approve").exists():
        approval_id = (FOLDER / "approve").read_text()
        await DBOS.send_async(handle.workflow_id, True, topic=approval_id)
    (FOLDER / "answer").write_text(await handle.get_result())
    DBOS.destroy()


asyncio.run(main())
gc.freeze()  # nothing is left to look for at the end
