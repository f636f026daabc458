"""What people do besides talking: edit, delete, rate, press, command; and what the platform says of the install."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never

import structlog

from phantom.access import AccessRules, listed
from phantom.capabilities import Capability
from phantom.channel import Channel, Meter, SupportsEdit, SupportsTasks
from phantom.clock import Clock
from phantom.commands import REFUSED, Commands
from phantom.egress import Egress
from phantom.errors import ChannelError
from phantom.events import (
    ButtonPressed,
    ChannelTask,
    CommandInvoked,
    FeedbackGiven,
    Ignored,
    InboundEvent,
    InstallChange,
    InstallChanged,
    MessageDeleted,
    MessageEdited,
)
from phantom.ids import part_key
from phantom.journal import Journal
from phantom.messages import InboundMessage, OutboundMessage, Tone
from phantom.sessions import Sessions
from phantom.storage.outbox import Outbox
from phantom.turn_runner import SORRY, TurnRunner

log = structlog.get_logger("phantom.events")

STOPPED = "Stopped before I began."
NOT_YOURS = "Only whoever asked me for this, or somebody named in my access settings, can decide it."

InstallListener = Callable[[str, InstallChange], Awaitable[None]]


class SideEvents:
    """Handles one event at a time; `handle` returns a metric label and raises only `StorageError`."""

    def __init__(
        self,
        *,
        journal: Journal,
        sessions: Sessions,
        outbox: Outbox,
        egress: Egress,
        channels: Mapping[str, Channel],
        rules: Mapping[str, AccessRules],
        runner: TurnRunner,
        commands: Commands,
        clock: Clock,
        meter: Meter,
        on_install: InstallListener,
    ) -> None:
        self._journal = journal
        self._sessions = sessions
        self._outbox = outbox
        self._egress = egress
        self._channels = channels
        self._rules = rules
        self._runner = runner
        self._commands = commands
        self._clock = clock
        self._meter = meter
        self._on_install = on_install

    def lane_of(self, event: InboundEvent) -> str:
        """Edits keep their place behind the post they change; the rest has a lane of its own."""
        if isinstance(event, MessageEdited | MessageDeleted):
            return event.conversation.key
        return f"aside:{event.event_id}"

    async def handle(self, channel: str, event: InboundEvent) -> str:
        """Do what the event, which came over the named channel, asks for."""
        match event:
            case MessageEdited():
                taken = await self._journal.replace_text(_logical(event), event.text)
                return "edit_applied" if taken else "edit_too_late"
            case MessageDeleted():
                dropped = await self._journal.drop_waiting(_logical(event))
                return "deletion_applied" if dropped else "deletion_too_late"
            case FeedbackGiven():
                return await self._feedback(event)
            case ButtonPressed():
                return await self._button(event)
            case CommandInvoked():
                return await self._commands.run(event)
            case ChannelTask():
                return await self._task(self._channels[channel], event)
            case InstallChanged():
                await self._on_install(channel, event.change)
                return f"install_{event.change.value}"
            case InboundMessage() | Ignored():
                return "ignored"
            case _:
                assert_never(event)

    async def refuse(self, message: InboundMessage) -> None:
        """Tell whoever asked by a command that they may not."""
        await self._answer(message, REFUSED, "refused")

    async def dropped(self, message: InboundMessage) -> None:
        """Tell whoever asked by a command that the question was stopped before its turn came."""
        await self._answer(message, STOPPED, "dropped")

    async def _answer(self, message: InboundMessage, text: str, why: str) -> None:
        await self._egress.deliver(
            self._channels[message.conversation.channel],
            OutboundMessage(
                conversation=message.conversation,
                text=text,
                idempotency_key=f"{why}/{message.event_id}/0",
                tone=Tone.NOTICE,
                only_for=message.author.id,
                respond_url=message.respond_url,
            ),
        )

    async def apologise(self, message: InboundMessage, turn: str) -> None:
        """A turn that can never end tells the person so, unless its answer is there already (the key is the same)."""
        await self._egress.deliver(
            self._channels[message.conversation.channel],
            OutboundMessage(
                conversation=message.conversation,
                text=SORRY,
                idempotency_key=part_key(turn, "answer"),
                tone=Tone.ERROR,
                reply_to=message.message_id or None,
                only_for=message.author.id if message.respond_url is not None else None,
                respond_url=message.respond_url,
            ),
        )

    async def _feedback(self, event: FeedbackGiven) -> str:
        place = event.message.conversation.place_key
        turn = event.turn_id or await self._outbox.turn_of(place, event.message.message_id)
        if turn is None:
            return "feedback_foreign"
        rating = None if event.withdrawn else event.rating.value
        await self._sessions.rate(turn, event.author.id, rating, self._clock.now())
        if rating is None:
            return "feedback_withdrawn"
        self._meter.count("phantom_feedback_total", rating=rating)
        if event.respond_url is not None:
            await self._privately(event, "Thank you, noted.")
        return "feedback"

    async def _privately(self, event: FeedbackGiven | ButtonPressed, text: str) -> None:
        """A private word where the platform offers a way; the message that was pressed stays as it is."""
        channel = self._channels[event.message.conversation.channel]
        await self._egress.deliver(
            channel,
            OutboundMessage(
                conversation=event.message.conversation,
                text=text,
                idempotency_key=f"thanks/{event.event_id}/0",
                tone=Tone.NOTICE,
                only_for=event.author.id,
                respond_url=event.respond_url,
            ),
        )

    async def _button(self, event: ButtonPressed) -> str:
        if event.action not in ("approval:yes", "approval:no"):
            log.info("button_without_handler", action=event.action)
            return "button_unknown"
        turn, _, rest = event.value.partition("\x1f")
        approval, _, asked = rest.partition("\x1f")
        channel = self._channels[event.message.conversation.channel]
        if event.author.id != asked and not listed(event.author, self._rules[channel.name]):
            log.warning("approval_refused", turn=turn, author=event.author.id)
            if event.respond_url is not None:
                await self._privately(event, NOT_YOURS)
            return "approval_forbidden"
        granted = event.action == "approval:yes"
        await self._runner.approve(turn, approval, granted)
        verdict = "Approved" if granted else "Denied"
        if event.private:
            await self._privately(event, f"{verdict}.")
        elif isinstance(channel, SupportsEdit) and Capability.EDIT in channel.capabilities:
            text = f"{verdict} by <@{event.author.id}>."
            note = OutboundMessage(
                conversation=event.message.conversation,
                text=text,
                idempotency_key=f"approval/{event.event_id}/0",
                tone=Tone.NOTICE,
                allow_mentions=frozenset((event.author.id,)),
            )
            await self._egress.edit(channel, event.message, note, patient=True)
        return "approval_granted" if granted else "approval_denied"

    async def _task(self, channel: Channel, event: ChannelTask) -> str:
        if not isinstance(channel, SupportsTasks):
            return "task_unknown"
        try:
            await channel.perform(event)
        except ChannelError as error:
            log.warning("task_failed", task=event.name, code=error.code, what=error.message, cure=error.hint)
            return "task_failed"
        return "task_done"


def _logical(event: MessageEdited | MessageDeleted) -> str:
    return f"{event.conversation.channel}:{event.logical_id}"
