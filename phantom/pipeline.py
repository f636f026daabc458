"""The data path, top to bottom. A newcomer reads this page first.

    receiver ── verified bytes ──▶ journal (dedupe + commit) ──▶ platform ack
                                      │
                  ┌───────────────────┘   everything below happens after the ack, and again after a restart
                  ▼
    1. `_pull`      read what the journal holds, oldest first, giving way to acks
    2. `_understand` the channel turns bytes into events (pure)
    3. `_sort`      most messages are not meant for us: decided at once, forgotten in one write
    4. `_intake`    in order a conversation: who may talk? is the post new? claim it
    5. `_turn`      in order a conversation: run the durable workflow, then close the row

What does *not* live here: verifying (channels), who may talk (`access.py`), answering (`turns.py`), sending
(`egress.py`), and the small things people do besides talking (`side_events.py`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import replace

import structlog

from phantom.access import AccessRules, LoopBudget, Verdict, listed, may_talk, meant_for_us
from phantom.capabilities import Capability
from phantom.channel import Channel, Meter, SupportsAuthors
from phantom.clock import Clock
from phantom.egress import Gate
from phantom.errors import (
    AuthError,
    ChannelError,
    MalformedEvent,
    MetadataError,
    PhantomError,
    SecretError,
    StorageError,
)
from phantom.events import Ignored, InboundEvent
from phantom.ids import turn_id
from phantom.journal import STATE_DONE, STATE_FAILED, STATE_IGNORED, Entry, Journal
from phantom.lanes import Lanes
from phantom.messages import AuthorFacts, InboundMessage
from phantom.presenter import QueuedMarks
from phantom.presses import spoken
from phantom.sessions import Sessions
from phantom.side_events import SideEvents
from phantom.storage.patience import patiently
from phantom.turn_runner import TurnRunner

log = structlog.get_logger("phantom.pipeline")

BATCH = 256
"""Rows read at once."""
COURTESY_SECONDS = 0.002
COURTESY_TURNS = 25
"""While acks wait for a commit, reading pauses for 2 ms at a time, at most 50 ms a batch: Slack gives an ack three
seconds and an answer as long as it takes, so in a burst acks go first; work is slowed by it, never starved.
"""
IN_FLIGHT_QUIET = 8
MAX_EXPECTED = 5_000
LOOKUP_RETRY_SECONDS = (1.0, 5.0, 15.0, 30.0)


class Pipeline:
    """One for the daemon. `run` serves until cancelled."""

    def __init__(
        self,
        *,
        journal: Journal,
        sessions: Sessions,
        channels: Mapping[str, Channel],
        rules: Mapping[str, AccessRules],
        runner: TurnRunner,
        side: SideEvents,
        lanes: Lanes,
        gate: Gate,
        queued: QueuedMarks,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._journal = journal
        self._sessions = sessions
        self._channels = channels
        self._rules = rules
        self._runner = runner
        self._side = side
        self._turns = lanes
        self._gate = gate
        self._queued = queued
        self._intakes = Lanes(places=64)
        self._clock = clock
        self._meter = meter
        self._bots = LoopBudget()

    # 1. read what the journal holds

    async def run(self) -> None:
        """Serve every channel, each at its own pace."""
        async with asyncio.TaskGroup() as group:
            for name in self._channels:
                group.create_task(self._serve(name), name=f"pipeline {name}")

    async def _serve(self, channel: str) -> None:
        """Work through the channel's part of the journal: what an earlier run left, then what arrives.

        Not before the platform has told us who we are there: until then a mention of us cannot be recognised.
        """
        await self._gate.usable(channel)
        arrival = self._journal.arrival(channel)
        after = 0
        while True:
            arrival.clear()
            after = await self._pull(channel, after)
            await arrival.wait()

    async def _pull(self, channel: str, after: int) -> int:
        while True:
            await self._give_way()
            try:
                batch = await self._journal.open_entries(channel, after, BATCH)
            except StorageError as error:
                log.error("journal_unreadable", what=error.message, cure=error.hint)
                await self._clock.sleep(1.0)
                continue
            if not batch:
                return after
            await self._sort(channel, batch)
            after = batch[-1].seq

    async def _give_way(self) -> None:
        for _ in range(COURTESY_TURNS):
            if self._journal.depth < IN_FLIGHT_QUIET:
                return
            await self._clock.sleep(COURTESY_SECONDS)

    # 2. bytes become events

    def _understand(self, entry: Entry) -> list[InboundEvent]:
        envelope = entry.envelope
        try:
            return [spoken(event) for event in self._channels[envelope.channel].normalise(envelope)]
        except MalformedEvent as error:
            log.warning("event_not_understood", channel=envelope.channel, event=envelope.event_id, what=error.message)
            return [Ignored(event_id=envelope.event_id, reason="malformed")]

    def message_of(self, entry: Entry) -> InboundMessage | None:
        """The message in a journal row, with a later edit applied; None when there is none."""
        for event in self._understand(entry):
            if isinstance(event, InboundMessage):
                return event if entry.text_override is None else _with_text(event, entry.text_override)
        return None

    async def expect_waiting(self) -> None:
        """Remember which conversations the open rows of an earlier run belong to: follow-ups are on their way."""
        for name in self._channels:
            for entry in await self._journal.open_entries(name, 0, MAX_EXPECTED):
                message = self.message_of(entry)
                if message is not None:
                    self._sessions.expect(message.conversation.key)

    # 3. what is not for us goes at once

    async def _sort(self, channel: str, batch: list[Entry]) -> None:
        kept: list[int] = []
        for entry in batch:
            keep = False
            for event in self._understand(entry):
                keep = self._take(entry, event) or keep
            if keep:
                kept.append(entry.seq)
        if len(kept) < len(batch):
            await patiently(self._clock, self._journal.ignore_range, channel, batch[0].seq, batch[-1].seq, kept)

    def _take(self, entry: Entry, event: InboundEvent) -> bool:
        """Decide about one event without waiting. True when its row is still needed."""
        channel = entry.envelope.channel
        if isinstance(event, Ignored):
            self._count(channel, event.reason)
            return False
        if isinstance(event, InboundMessage):
            if entry.claimed:
                self._sessions.addressed(event.conversation.key, event.author.id)
                self._queued.suspect(event)
                self._intakes.push(event.conversation.key, lambda: self._resume(entry, event))
                return True
            verdict = self._at_first_sight(event)
            if not verdict.accepted and event.respond_url is None:  # whoever asked by a command is told so
                self._count(channel, verdict.reason)
                return False
            self._intakes.push(event.conversation.key, lambda: self._intake(entry, event))
            return True
        lane = self._side.lane_of(event)
        self._intakes.push(lane, lambda: self._aside(entry, event))
        return True

    def _at_first_sight(self, message: InboundMessage) -> Verdict:
        """The policy's part that needs no look-up. A follow-up in a known thread is decided in `_intake`."""
        rules = self._rules[message.conversation.channel]
        engaged = self._sessions.known(message.conversation.key)
        return meant_for_us(message, rules, engaged=engaged, spoke_before=engaged)

    # 4. in order a conversation: may they, and is it new?

    async def _intake(self, entry: Entry, message: InboundMessage) -> None:
        verdict = await self._judge(message)
        if not verdict.accepted:
            if message.respond_url is not None:  # a command waits for a word, and only its author sees it
                await self._side.refuse(message)
            await self._close(entry, STATE_IGNORED, verdict.reason)
            return
        conversation = message.conversation
        logical = f"{conversation.channel}:{message.logical_id}"
        if not await patiently(self._clock, self._journal.claim, entry.seq, logical, conversation.key):
            self._count(conversation.channel, "duplicate_post")
            return
        self._count(conversation.channel, "accepted")
        self._sessions.addressed(conversation.key, message.author.id)
        await self._resume(entry, message)

    async def _judge(self, message: InboundMessage) -> Verdict:
        rules = self._rules[message.conversation.channel]
        author, conversation = message.author, message.conversation
        engaged = spoke = False
        if not message.mentions_me and self._sessions.known(conversation.key):
            engaged, spoke = await patiently(self._clock, self._sessions.engagement, conversation.key, author.id)
        verdict = meant_for_us(message, rules, engaged=engaged, spoke_before=spoke)
        if not verdict.accepted:
            return verdict
        verdict = await self.permitted(message)
        if verdict.accepted and author.is_bot:
            budget = self._bots.take(conversation.place_key, rules.bot_budget, self._clock.monotonic())
            return verdict if budget else Verdict(False, "bot_budget")
        if verdict.accepted:
            self._bots.restore(conversation.place_key)
        return verdict

    async def permitted(self, message: InboundMessage) -> Verdict:
        """Whether the author may talk here, looking them up when only the platform knows."""
        channel = self._channels[message.conversation.channel]
        rules = self._rules[channel.name]
        needs_facts = not (listed(message.author, rules) or message.author.is_bot)
        facts = None
        if needs_facts and may_talk(message.author, message.conversation, rules, AuthorFacts()).accepted:
            facts = await self._facts(channel, message)
        verdict = may_talk(message.author, message.conversation, rules, facts)
        if not verdict.accepted:
            log.info("author_refused", channel=channel.name, author=message.author.id, reason=verdict.reason)
        return verdict

    async def _facts(self, channel: Channel, message: InboundMessage) -> AuthorFacts | None:
        """None when the platform will not say; then the author is refused (fail closed). While it cannot say, because
        it is away or refuses our credentials, the message waits: it was acknowledged.
        """
        if not isinstance(channel, SupportsAuthors) or Capability.AUTHORS not in channel.capabilities:
            return AuthorFacts()
        for attempt in itertools.count():
            try:
                await self._intakes.wait_aside(self._gate.usable(channel.name))
                return await channel.author_facts(message.conversation, message.author.id)
            except (AuthError, SecretError, MetadataError) as error:
                self._gate.refused(channel.name, error)
                failure: PhantomError = error
            except ChannelError as error:
                failure = error
                if not error.retryable:
                    break
            pause = LOOKUP_RETRY_SECONDS[min(attempt, len(LOOKUP_RETRY_SECONDS) - 1)]
            async with self._intakes.aside():  # who needs no look-up, and other channels' people, do not wait for it
                await self._clock.sleep(max(pause, failure.retry_after or 0.0))
        log.warning("author_not_looked_up", channel=channel.name, code=failure.code, cure=failure.hint)
        return None

    # 5. in order a conversation: the turn

    async def _resume(self, entry: Entry, message: InboundMessage) -> None:
        """Queue the turn of a claimed row, showing that it waits when it does."""
        self._runner.note_waiting(entry.seq, message.author.id, message.conversation.key)
        if self._turns.push(message.conversation.key, lambda: self._turn(entry, message)):
            self._queued.put(self._channels[message.conversation.channel], message)

    async def _turn(self, entry: Entry, message: InboundMessage) -> None:
        envelope = entry.envelope
        self._runner.note_begun(entry.seq)
        if not await patiently(self._clock, self._journal.begin, entry.seq):
            await self._queued.lift(self._channels[envelope.channel], message)  # deleted or stopped while it waited
            if message.respond_url is not None:
                await self._side.dropped(message)
            return
        self._meter.observe(
            "phantom_event_dispatch_seconds", self._clock.now() - envelope.received_at, channel=envelope.channel
        )
        workflow = turn_id(envelope.channel, envelope.tenant, envelope.event_id)
        outcome = await self._runner.run(workflow, envelope.channel, entry.seq)
        self._queued.forget(message)
        state = STATE_DONE
        if outcome in ("lost", "crashed"):
            state = STATE_FAILED
            await self._side.apologise(message, workflow)
        await patiently(self._clock, self._journal.finish, [entry.seq], state, outcome)

    # the rest

    async def _aside(self, entry: Entry, event: InboundEvent) -> None:
        outcome = await patiently(self._clock, self._side.handle, entry.envelope.channel, event)
        await self._close(entry, STATE_DONE, outcome)

    async def _close(self, entry: Entry, state: int, reason: str) -> None:
        self._count(entry.envelope.channel, reason)
        await patiently(self._clock, self._journal.finish, [entry.seq], state, reason)

    def _count(self, channel: str, outcome: str) -> None:
        self._meter.count("phantom_events_total", channel=channel, outcome=outcome)

    async def cancel(self) -> None:
        """End everything now; open rows are taken up by the next start."""
        await self._intakes.cancel()
        await self._turns.cancel()

    async def drain(self, seconds: float) -> bool:
        """Start nothing more; wait for running turns. True when all ended in time."""
        self._intakes.pause()
        return await self._turns.drain(seconds)


def _with_text(message: InboundMessage, text: str) -> InboundMessage:
    return replace(message, text=text)
