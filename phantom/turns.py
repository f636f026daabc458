"""A turn: a durable workflow whose id is the event's, so that one event is answered once whatever crashes.

The workflow's steps are checkpointed by DBOS Transact on SQLite: load what was said, fetch files, run the agent,
deliver. After a crash the finished steps are not run again; the one in flight is, with the same idempotency keys. An
agent that makes durable steps of its own (`DurableAgent`) runs in the workflow's body instead of in one step.

DBOS is imported here alone, and late: it costs more to import than the rest of the daemon, so `phantom.daemon` loads
this module behind the listening receivers.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from dbos import DBOS, _dbos

from phantom.agent import Agent, DurableAgent, HistoryEntry, Turn
from phantom.agent_run import AgentRun, TurnOutcome
from phantom.capabilities import Capability
from phantom.channel import Channel, Meter, SupportsDownload
from phantom.clock import Clock
from phantom.egress import Egress
from phantom.errors import ChannelError, PhantomError
from phantom.feedback import feedback_buttons
from phantom.ids import part_key
from phantom.journal import Journal
from phantom.lanes import Lanes
from phantom.messages import Button, ButtonStyle, InboundMessage, LocalFile, OutboundMessage, Tone
from phantom.outgoing import Outgoing
from phantom.presenter import Presenter, QueuedMarks
from phantom.sessions import Session, Sessions
from phantom.storage.patience import patiently
from phantom.turn_runner import SORRY

log = structlog.get_logger("phantom.turns")

APPROVAL_SECONDS = 24 * 3600.0
MAX_APPROVALS = 20
CANCEL_SECONDS = 5.0
"""How long cancelled turns may take to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnServices:
    """What turns need of the rest of the engine."""

    journal: Journal
    sessions: Sessions
    egress: Egress
    outgoing: Outgoing
    queued: QueuedMarks
    lanes: Lanes
    asks_aside: bool
    """Whether a turn that asks a person gives its place away. Not with PostgreSQL: while the server is away, each turn
    that looks for its answer holds a thread, and there are as many of them as places.
    """
    clock: Clock
    meter: Meter
    agent: Agent
    channel: Callable[[str], Channel]
    message: Callable[[int], Any]
    """Async: the inbound message of a journal row, with an edit applied, or None when it is gone."""
    files_dir: Path
    max_file_bytes: int
    turn_seconds: float
    stall_seconds: float


_services: TurnServices | None = None
_running: dict[str, AgentRun] = {}
_tasks: set[asyncio.Task[Any]] = set()


def configure(services: TurnServices | None) -> None:
    """Set what the workflow function works with. DBOS finds the function by name after a restart, not its closure."""
    global _services  # noqa: PLW0603 - one daemon a process, and workflows are module-level by DBOS's design
    _services = services


def running(prefix: str) -> list[AgentRun]:
    """Runs whose conversation key starts with `prefix`."""
    return [run for run in _running.values() if run.turn.conversation.key.startswith(prefix)]


def running_count() -> int:
    """Turns whose agent is at work."""
    return len(_running)


async def cancel_all() -> None:
    """End every turn in the middle, as a crash would: DBOS leaves a cancelled workflow pending, to be resumed."""
    tasks = set(_tasks)
    begun = _dbos._dbos_global_instance
    if begun is not None:
        for event in begun.background_thread_stop_events:
            event.set()  # nothing that an earlier process left is taken up any more
        tasks |= begun._workflow_tasks  # also those that have not got as far as `turn_workflow`
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)


@DBOS.workflow(name="phantom_turn")
async def turn_workflow(turn_id: str, channel_name: str, seq: int) -> str:
    """One turn from journal row to receipt. Returns the outcome as a metric label."""
    task = asyncio.current_task()
    if task is not None:
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    services = _services
    if services is None:
        raise RuntimeError("turns are not configured")
    message: InboundMessage | None = await services.message(seq)
    if message is None:
        return "gone"
    channel = services.channel(channel_name)
    await services.lanes.wait_aside(services.egress.usable(channel))  # a resumed turn may be back before its channel
    loaded: dict[str, Any] = await DBOS.run_step_async({"name": "load"}, _load, services, turn_id, message)
    resumed = bool(loaded["began"] != _BOOT)
    if resumed:
        services.queued.forget(message)
    shown = await services.queued.take(channel, message)
    presenter = Presenter(channel, services.egress, services.clock, turn_id, message, resumed=resumed, shown=shown)
    await presenter.start()
    try:
        outcome = await _answer(services, channel, presenter, turn_id, message, loaded)
    finally:
        await presenter.abandon()  # a step that an earlier run finished is not run again, nor is its `finish`
    if services.journal.at_rest.ever_sealed:
        await asyncio.to_thread(_remove_files, _files_folder(services, turn_id))
    return outcome


_BOOT = ""


def set_boot_id(boot: str) -> None:
    """Tell a first run from one that another process began."""
    global _BOOT  # noqa: PLW0603 - see configure
    _BOOT = boot


async def _answer(
    services: TurnServices,
    channel: Channel,
    presenter: Presenter,
    turn_id: str,
    message: InboundMessage,
    loaded: Mapping[str, Any],
) -> str:
    session = Session(**loaded["session"])
    files = await DBOS.run_step_async({"name": "files"}, _fetch_files, services, channel, turn_id, message)
    approvals: dict[str, bool] = {}
    outcome = await _run_agent(services, presenter, _turn(turn_id, message, loaded, files, approvals))
    while outcome.kind == "approval" and len(approvals) < MAX_APPROVALS:
        presenter.rest()
        approvals[outcome.approval_id] = await _ask(services, channel, turn_id, message, outcome)
        presenter.go_on()
        outcome = await _run_agent(services, presenter, _turn(turn_id, message, loaded, files, approvals))
    return await DBOS.run_step_async({"name": "deliver"}, _deliver, services, presenter, turn_id, session, outcome)


async def _load(services: TurnServices, turn_id: str, message: InboundMessage) -> dict[str, Any]:
    session, history = await patiently(
        services.clock,
        services.sessions.begin_turn,
        message.conversation,
        turn_id,
        message.author,
        message.text,
        message.sent_at,
    )
    return {
        "session": {"key": session.key, "epoch": session.epoch},
        "history": [asdict(line) for line in history],
        "text": message.text,
        "began": _BOOT,
    }


async def _fetch_files(
    services: TurnServices, channel: Channel, turn_id: str, message: InboundMessage
) -> list[dict[str, Any]]:
    """Download what was attached. A file that cannot be had is told to the agent by name, never silently dropped."""
    fetched: list[dict[str, Any]] = []
    if not message.attachments:
        return fetched
    folder = _files_folder(services, turn_id)
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    for attachment in message.attachments:
        if not isinstance(channel, SupportsDownload) or Capability.ATTACH_IN not in channel.capabilities:
            fetched.append({"name": attachment.name, "error": "this channel cannot fetch files"})
            continue
        try:
            local = await channel.download(attachment, folder, services.max_file_bytes)
        except ChannelError as error:
            log.warning("file_not_fetched", turn=turn_id, code=error.code, what=error.message, cure=error.hint)
            fetched.append({"name": attachment.name, "error": error.message})
        else:
            fetched.append({"file": asdict(local)})
    return fetched


def _files_folder(services: TurnServices, turn_id: str) -> Path:
    """Where a turn's attachments are."""
    return services.files_dir / turn_id.replace("/", "_").replace(":", "_")


def _remove_files(folder: Path) -> None:
    """With an encryption key set, attachments, which are plain files, last no longer than their turn."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return  # nothing was attached
    except OSError as error:
        log.warning("attachments_not_removed", folder=folder.name, error=error.strerror)


def _turn(
    turn_id: str,
    message: InboundMessage,
    loaded: Mapping[str, Any],
    files: list[dict[str, Any]],
    approvals: Mapping[str, bool],
) -> Turn:
    text = loaded["text"]
    missing = [f"- {entry['name']}: {entry['error']}" for entry in files if "error" in entry]
    if missing:
        text = f"{text}\n\n[Attached, but could not be read:]\n" + "\n".join(missing)
    return Turn(
        id=turn_id,
        conversation=message.conversation,
        author=message.author,
        text=text,
        history=[HistoryEntry(**line) for line in loaded["history"]],
        attachments=[LocalFile(**entry["file"]) for entry in files if "file" in entry],
        approvals=dict(approvals),
        attempt=1 if loaded["began"] == _BOOT else 2,
        sent_at=message.sent_at,
    )


async def _run_agent(services: TurnServices, presenter: Presenter, turn: Turn) -> TurnOutcome:
    run = AgentRun(
        services.agent, turn, presenter, services.clock, limit=services.turn_seconds, stall=services.stall_seconds
    )
    _running[turn.id] = run
    try:
        if isinstance(services.agent, DurableAgent) and services.agent.durable:
            ended = (await _guarded(run, services.outgoing)).to_stored()
            # How it ended is recorded too: a stop or a timeout comes from outside and would not repeat itself.
            stored = await DBOS.run_step_async({"name": "agent-end"}, _recorded, ended)
            return TurnOutcome.from_stored(stored)
        stored = await DBOS.run_step_async(
            {"name": f"agent-{len(turn.approvals)}"}, _agent_step, run, services.outgoing
        )
        return TurnOutcome.from_stored(stored)
    finally:
        _running.pop(turn.id, None)


async def _recorded(ended: dict[str, Any]) -> dict[str, Any]:
    return ended


async def _agent_step(run: AgentRun, outgoing: Outgoing) -> dict[str, Any]:
    return (await _guarded(run, outgoing)).to_stored()


async def _guarded(run: AgentRun, outgoing: Outgoing) -> TurnOutcome:
    """The turn boundary: whatever an agent raises becomes an honest answer and one log line. What it says is masked
    here, as a whole and before anything of it is stored.
    """
    try:
        return (await run.outcome()).masked(outgoing, run.turn.id)
    except PhantomError as error:
        log.error("agent_failed", turn=run.turn.id, code=error.code, what=error.message, cure=error.hint)
        return TurnOutcome(kind="failed", text=SORRY)
    except Exception as error:  # noqa: BLE001 - the turn boundary: an agent's bug must not become a lost message
        log.error("agent_crashed", turn=run.turn.id, error=type(error).__name__, traceback=traceback.format_exc())
        return TurnOutcome(kind="failed", text=SORRY)


async def _ask(
    services: TurnServices, channel: Channel, turn_id: str, message: InboundMessage, outcome: TurnOutcome
) -> bool:
    """Post the question with two buttons and wait, durably, for the answer. Silence is a no."""
    await DBOS.run_step_async(
        {"name": f"ask-{outcome.approval_id}"}, _post_question, services, channel, turn_id, message, outcome
    )
    async with services.lanes.aside() if services.asks_aside else contextlib.nullcontext():
        granted = await DBOS.recv_async(outcome.approval_id, timeout_seconds=APPROVAL_SECONDS)
    return bool(granted)


async def _post_question(
    services: TurnServices, channel: Channel, turn_id: str, message: InboundMessage, outcome: TurnOutcome
) -> str:
    value = f"{turn_id}\x1f{outcome.approval_id}\x1f{message.author.id}"
    receipt = await services.egress.deliver(
        channel,
        OutboundMessage(
            conversation=message.conversation,
            text=outcome.text,
            idempotency_key=part_key(turn_id, f"ask-{outcome.approval_id}"),
            tone=Tone.NOTICE,
            buttons=(
                Button(action="approval:yes", label="Approve", value=value, style=ButtonStyle.PRIMARY),
                Button(action="approval:no", label="Deny", value=value, style=ButtonStyle.DANGER),
            ),
            reply_to=message.message_id,
            respond_url=message.respond_url,
            only_for=message.author.id if message.respond_url is not None else None,
        ),
    )
    return receipt.outcome.value


async def _deliver(
    services: TurnServices, presenter: Presenter, turn_id: str, session: Session, outcome: TurnOutcome
) -> str:
    failed = outcome.kind != "final"
    buttons = outcome.buttons if failed else (*outcome.buttons, *feedback_buttons(turn_id))
    receipt = await presenter.finish(
        outcome.text, Tone.ERROR if outcome.kind == "failed" else Tone.ANSWER, files=outcome.files, buttons=buttons
    )
    if not failed:
        now = services.clock.now()
        await patiently(services.clock, services.sessions.end_turn, session, turn_id, outcome.text, now)
    return f"{outcome.kind}_{receipt.outcome.value}" if receipt.outcome.value != "sent" else outcome.kind
