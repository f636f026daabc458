"""Wires the engine's parts for one daemon. No logic of its own: what each part does is told by the part."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from phantom.agent import Agent, AgentContext
from phantom.channel import Admission, Envelope, Meter, Suggestion
from phantom.commands import Commands
from phantom.egress import Egress
from phantom.journal import Journal
from phantom.lanes import Lanes
from phantom.messages import InboundMessage
from phantom.pipeline import Pipeline
from phantom.presenter import QueuedMarks
from phantom.sessions import Sessions
from phantom.side_events import SideEvents
from phantom.storage.outbox import Outbox
from phantom.storage.turns_database import turns_database
from phantom.turn_runner import TurnRunner

if TYPE_CHECKING:
    from phantom.service import Service
    from phantom.turns import TurnServices


class JournalInbox:
    """The channels' door: `phantom.channel.Inbox`. Keeps no text that cannot concern the agent."""

    def __init__(
        self, journal: Journal, sessions: Sessions, meter: Meter, clean: Callable[[bytes], bytes] = lambda body: body
    ) -> None:
        self._journal = journal
        self._clean = clean
        self._sessions = sessions
        self._meter = meter
        self._idle: dict[str, Callable[[], None]] = {}

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        session = envelope.session
        if not envelope.idle:
            if session:
                self._sessions.expect(session)
            self._keep(envelope, done)
        elif session and self._sessions.known(session):
            self._keep(envelope, done)
        else:
            count = self._idle.get(envelope.channel) or self._idle_counter(envelope.channel)
            count()
            self._journal.submit_key(envelope, done)

    def _keep(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        """Somebody may have pasted a secret of ours: it is neither stored nor shown to a model."""
        body = self._clean(envelope.body)
        self._journal.submit(envelope if body is envelope.body else envelope._replace(body=body), done)

    def _idle_counter(self, channel: str) -> Callable[[], None]:
        counter = self._meter.counter("phantom_events_total", channel=channel, outcome="not_addressed")
        return self._idle.setdefault(channel, counter)

    async def admit(self, envelope: Envelope) -> Admission:
        answered: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self.submit(envelope, lambda admission: None if answered.done() else answered.set_result(admission))
        return await answered

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        return await self._sessions.recent(channel, tenant, author, typed)


class Engine:
    """Everything between the channels and the agent."""

    def __init__(self, daemon: Service, journal: Journal) -> None:
        self._daemon = daemon
        self._journal = journal
        clock, meter = daemon.clock, daemon.meter
        self.sessions = Sessions(journal)
        self.outbox = Outbox(journal, clock)
        self.egress = Egress(self.outbox, clock, meter, daemon.supervisor, daemon.outgoing)
        database = turns_database(
            daemon.core.turns_database,
            daemon.folder.path,
            lambda: daemon.config.secrets.find("database_password"),
            clock=clock,
            meter=meter,
            concurrency=daemon.core.turn_concurrency,
        )
        self.runner = TurnRunner(database, journal, clock, meter)
        self.queued = QueuedMarks()
        self._lanes = Lanes(daemon.core.turn_concurrency)
        self.inbox = JournalInbox(journal, self.sessions, meter, daemon.outgoing.redactor.clean_payload)
        rules = daemon.rules()
        commands = Commands(
            name=daemon.core.name,
            journal=journal,
            sessions=self.sessions,
            egress=self.egress,
            channels=daemon.channels,
            rules=rules,
            runner=self.runner,
            status=self._status_text,
        )
        side = SideEvents(
            journal=journal,
            sessions=self.sessions,
            outbox=self.outbox,
            egress=self.egress,
            channels=daemon.channels,
            rules=rules,
            runner=self.runner,
            commands=commands,
            clock=clock,
            meter=meter,
            on_install=daemon.supervisor.install_changed,
        )
        self.pipeline = Pipeline(
            journal=journal,
            sessions=self.sessions,
            channels=daemon.channels,
            rules=rules,
            runner=self.runner,
            side=side,
            lanes=self._lanes,
            gate=daemon.supervisor,
            queued=self.queued,
            clock=clock,
            meter=meter,
        )
        self._agent: Agent | None = None

    @property
    def agent_name(self) -> str:
        """The agent's own name, "" until it is loaded."""
        return "" if self._agent is None else self._agent.name

    async def load_memory(self) -> None:
        """What the policy must know before the first event is sorted."""
        await self.sessions.load()
        await self.pipeline.expect_waiting()

    async def start_turns(self) -> None:
        """Load the agent and the workflow machinery. Raises `ConfigError` or `StorageError`."""
        from phantom.agents.loader import load_agent

        core = self._daemon.core
        context = AgentContext(
            phantom_name=core.name,
            model=core.model,
            base_url=core.base_url,
            instructions=core.instructions,
            secret=self._daemon.config.secrets.find,
            now=self._daemon.clock.now,
            mask=self._daemon.outgoing.within_agent,
        )
        agent = self._agent = await load_agent(agent=core.agent, model=core.model, context=context)
        await self.runner.load(lambda: self._services(agent), self._daemon.folder.boot_id())

    def _services(self, agent: Agent) -> TurnServices:
        from phantom.turns import TurnServices

        core = self._daemon.core
        return TurnServices(
            journal=self._journal,
            sessions=self.sessions,
            egress=self.egress,
            outgoing=self._daemon.outgoing,
            queued=self.queued,
            lanes=self._lanes,
            asks_aside=not core.turns_database,
            clock=self._daemon.clock,
            meter=self._daemon.meter,
            agent=agent,
            channel=self._daemon.channels.__getitem__,
            message=self._message,
            files_dir=self._daemon.folder.folder("files"),
            max_file_bytes=core.max_file_bytes,
            turn_seconds=core.turn_timeout_seconds,
            stall_seconds=core.stall_seconds,
        )

    async def _message(self, seq: int) -> InboundMessage | None:
        entry = await self._journal.entry(seq)
        return None if entry is None else self.pipeline.message_of(entry)

    async def _status_text(self) -> str:
        report = await self._daemon.report()
        lines = [f"**{report.name}** {'is well' if report.ok else 'has a problem'}. Agent: `{report.agent}`."]
        lines += [
            f"- {channel.name}: {channel.health.state}" + (f" ({channel.health.cure})" if channel.health.cure else "")
            for channel in report.channels
        ]
        lines.append(f"- {report.turns_running} answer(s) under way, {report.backlog} message(s) in the journal")
        lines.append(f"- up {int(report.now - report.started_at)} s, Phantom {report.version}")
        return "\n".join(lines)

    async def prune(self, before: datetime) -> None:
        """Forget what ended before `before`."""
        await self._journal.prune(before.timestamp())
        await self.outbox.prune(before.timestamp())
        await self.runner.prune(before)
        await asyncio.to_thread(_prune_files, self._daemon.folder.folder("files"), before.timestamp())

    async def aclose(self) -> None:
        """End turns; the next start resumes them."""
        await self.pipeline.cancel()
        await self.runner.aclose()


def _prune_files(folder: Path, before: float) -> None:
    """Remove what was downloaded for turns that ended before `before` (epoch seconds)."""
    for turn in folder.iterdir():
        if turn.stat().st_mtime < before:
            shutil.rmtree(turn)
