"""How one turn looks while it runs: the status mark on the user's message and the one progress message.

There is exactly one terminal action a turn, `finish`: the progress message becomes the answer's first part, or, where
none was posted, the answer is sent. What does *not* live here: what the answer is (`turns.py`), when it is sent
(`egress.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import structlog

from phantom.capabilities import Capability
from phantom.channel import Channel, SupportsDelete, SupportsStatus
from phantom.clock import Clock, sleep_or
from phantom.egress import PACED, Egress
from phantom.errors import PhantomError
from phantom.ids import part_key
from phantom.messages import (
    Button,
    InboundMessage,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Outcome,
    Receipt,
    Tone,
    TurnStatus,
)
from phantom.rendering import split
from phantom.typing_line import TypingLine

log = structlog.get_logger("phantom.presenter")

STATUS_SETTLE = 0.3
"""Seconds a status must last before it is shown; a quick turn shows only its end."""
PROGRESS_AFTER = 1.5
"""Seconds until a turn without an answer posts its progress message."""
PROGRESS_EVERY = 1.3
"""Seconds between two edits of it (Slack tier 3: about 50 calls a minute)."""
PROGRESS_CHARS = 3000
"""A progress message shows the end of a long draft, as far as a message of the channel holds it."""
_PROGRESS_ROOM = 200
NOTIFY_AFTER = 10.0
"""Seconds after which people have looked away: where an edit notifies nobody, the answer is then a fresh message."""

_WORDS = {
    TurnStatus.QUEUED: "Queued…",
    TurnStatus.THINKING: "Thinking…",
    TurnStatus.TOOL: "Working…",
    TurnStatus.STALLED: "Still working, this takes longer than usual…",
}


class StatusMark:
    """The mark on the user's message: debounced, one change at a time, the latest wins."""

    def __init__(self, channel: Channel, target: MessageRef, clock: Clock, shown: TurnStatus | None = None) -> None:
        self._channel = channel if isinstance(channel, SupportsStatus) else None
        if Capability.REACT not in channel.capabilities or not target.message_id:
            self._channel = None  # a question from a form or command has no message to mark
        self._target = target
        self._clock = clock
        self._wanted: TurnStatus | None = None
        self._shown = shown
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def set(self, status: TurnStatus) -> None:
        """Wish for a status; returns at once."""
        if self._channel is None:
            return
        self._wanted = status
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="status-mark")

    async def clear(self) -> None:
        """Take away what an earlier run left behind."""
        if self._channel is not None:
            await _quietly(self._channel.clear_status(self._target), self._target)

    async def close(self) -> None:
        """Show the last wish now and end."""
        self._closing.set()
        self._changed.set()
        if self._task is not None:
            await self._task

    def cancel(self) -> None:
        """Show nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        while True:
            await self._changed.wait()
            if not self._closing.is_set():
                await sleep_or(self._clock, STATUS_SETTLE, self._closing)
            self._changed.clear()
            if self._wanted is not self._shown and self._channel is not None and self._wanted is not None:
                wanted = self._wanted
                await _quietly(self._channel.show_status(self._target, wanted, self._shown), self._target)
                self._shown = wanted
            if self._closing.is_set() and self._wanted is self._shown:
                return


class QueuedMarks:
    """The marks on messages that wait for their turn, so that whoever goes on with one knows what it bears."""

    def __init__(self) -> None:
        self._marks: dict[MessageRef, asyncio.Task[None] | None] = {}

    def put(self, channel: Channel, message: InboundMessage) -> None:
        """Show that the message queues; returns at once."""
        ref = message_ref(message)
        if isinstance(channel, SupportsStatus) and Capability.REACT in channel.capabilities and ref.message_id:
            showing = _quietly(channel.show_status(ref, TurnStatus.QUEUED, None), ref)
            self._marks[ref] = asyncio.create_task(showing, name="queued-mark")

    def suspect(self, message: InboundMessage) -> None:
        """An earlier run of the process may have left a mark there."""
        self._marks[message_ref(message)] = None

    def forget(self, message: InboundMessage) -> None:
        """Whatever it bears is somebody else's business now."""
        self._marks.pop(message_ref(message), None)

    async def take(self, channel: Channel, message: InboundMessage) -> TurnStatus | None:
        """What the message bears now; the caller replaces it. What an earlier run left is taken away here."""
        ref = message_ref(message)
        if ref not in self._marks:
            return None
        showing = self._marks.pop(ref)
        if showing is not None:
            await asyncio.wait((showing,))
            return TurnStatus.QUEUED
        if isinstance(channel, SupportsStatus) and Capability.REACT in channel.capabilities and ref.message_id:
            await _quietly(channel.clear_status(ref), ref)
        return None

    async def lift(self, channel: Channel, message: InboundMessage) -> None:
        """The message will have no turn: take its mark away."""
        if await self.take(channel, message) is not None and isinstance(channel, SupportsStatus):
            ref = message_ref(message)
            await _quietly(channel.show_status(ref, None, TurnStatus.QUEUED), ref)


async def _quietly(call: Awaitable[None], target: MessageRef) -> None:
    """A mark is a courtesy: its failure is logged and never fails the turn."""
    try:
        await call
    except PhantomError as error:
        log.info("status_mark_failed", channel=target.conversation.channel, code=error.code, cure=error.hint)


class Presenter:
    """Shows one turn. Text deltas and status come in; `finish` ends it."""

    def __init__(
        self,
        channel: Channel,
        egress: Egress,
        clock: Clock,
        turn: str,
        message: InboundMessage,
        *,
        resumed: bool,
        shown: TurnStatus | None = None,
    ) -> None:
        self._channel = channel
        self._egress = egress
        self._clock = clock
        self._turn = turn
        self._message = message
        self._resumed = resumed
        self._answered = False
        self._resting = False
        self._mark = StatusMark(channel, message_ref(message), clock, shown)
        self._draft: list[str] = []
        self._status = TurnStatus.THINKING
        self._note = ""
        self._dirty = asyncio.Event()
        self._progress: MessageRef | None = None
        self._task: asyncio.Task[None] | None = None
        self._finishing = asyncio.Event()
        self._typing = TypingLine(channel, message.conversation, clock)
        self._began = clock.monotonic()

    async def start(self) -> None:
        """Begin to show the turn; after a restart, pick up what the earlier run had posted. Where that had answered
        already, nothing is left to show: progress would take the answer's place.
        """
        if self._resumed:
            if await self._egress.settled(part_key(self._turn, "answer", 0)):
                self._answered = True
                return
            await self._take_up()
        self.status(TurnStatus.THINKING)
        self._typing.start()
        if Capability.EDIT in self._channel.capabilities and self._message.respond_url is None:
            self._task = asyncio.create_task(self._show_progress(), name=f"progress {self._turn}")

    async def _take_up(self) -> None:
        """What an earlier run left: its marks go, its progress message is ours."""
        await self._mark.clear()
        receipt = await self._egress.known(self._channel, self._outbound("progress", 0, "", Tone.PROGRESS))
        self._adopt(receipt)

    def status(self, status: TurnStatus, note: str = "") -> None:
        """The turn does something else now; `note` is one line for people."""
        self._status, self._note = status, note
        if not self._answered:
            self._mark.set(status)
        self._dirty.set()

    def rest(self) -> None:
        """Somebody is asked and may take days: nothing is under way that could be shown."""
        self._resting = True
        self._typing.stop()

    def go_on(self) -> None:
        """The question is answered."""
        self._resting = False
        self._typing.start()
        self._dirty.set()

    def text(self, delta: str) -> None:
        """A further piece of the draft."""
        self._draft.append(delta)
        self._dirty.set()

    async def finish(
        self, text: str, tone: Tone, *, files: Sequence[LocalFile] = (), buttons: Sequence[Button] = ()
    ) -> Receipt:
        """The terminal action. Returns the truth about the whole answer."""
        self._typing.stop()
        await self._stop_progress()
        if self._answered:
            await self._take_up()
        parts = split(text, self._channel.limits.max_chars) or ["…"]
        receipts = []
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            message = self._outbound(
                "answer", index, part, tone, files=tuple(files) if last else (), buttons=tuple(buttons) if last else ()
            )
            receipts.append(await self._place(message, first=index == 0))
        await self._retire_progress(receipts)
        whole = _sum(receipts)
        lost = tone is Tone.ERROR or whole.outcome is Outcome.FAILED
        self._mark.set(TurnStatus.ERROR if lost else TurnStatus.DONE)
        await self._mark.close()
        await self._typing.clear()
        return whole

    async def abandon(self) -> None:
        """Show nothing more: the turn has ended, or the process stops and the next run picks everything up."""
        self._typing.stop()
        if self._task is not None:
            self._task.cancel()
        self._mark.cancel()

    async def _place(self, message: OutboundMessage, *, first: bool) -> Receipt:
        """The first part takes the progress message's place when there is one and nothing is attached."""
        fits = first and not message.attachments and not self._answered and not self._unnoticed()
        if fits and self._progress is not None:
            receipt = await self._egress.edit(self._channel, self._progress, message, patient=True)
            if receipt.outcome is Outcome.SENT:
                await self._egress.note(message.idempotency_key, message.conversation.place_key, receipt)
                return receipt
        receipt = await self._egress.deliver(self._channel, message)
        if receipt.outcome is Outcome.FAILED and message.attachments:
            return await self._without_files(message, receipt)
        return receipt

    def _unnoticed(self) -> bool:
        """Whether an edit would pass unnoticed. A resumed turn is an old one."""
        if Capability.SILENT_EDIT not in self._channel.capabilities:
            return False
        return self._resumed or self._clock.monotonic() - self._began > NOTIFY_AFTER

    async def _retire_progress(self, receipts: Sequence[Receipt]) -> None:
        """Remove a progress message that did not become the answer, once the answer is there."""
        progress = self._progress
        arrived = {one for receipt in receipts for one in receipt.message_ids}
        removable = isinstance(self._channel, SupportsDelete) and Capability.DELETE in self._channel.capabilities
        if progress is None or progress.message_id in arrived or not arrived or not removable:
            return
        if isinstance(self._channel, SupportsDelete):
            await _quietly(self._channel.delete(progress), progress)

    async def _without_files(self, message: OutboundMessage, refused: Receipt) -> Receipt:
        """Nothing was shown because a file could not be sent: the words shall not be lost with it."""
        names = ", ".join(file.name for file in message.attachments)
        text = f"{message.text}\n\n_Could not be attached: {names}_"
        if len(text) > self._channel.limits.max_chars:
            text = message.text
        bare = replace(message, text=text, attachments=(), idempotency_key=f"{message.idempotency_key}.bare")
        receipt = await self._egress.deliver(self._channel, bare)
        if receipt.outcome is not Outcome.SENT:
            return receipt
        return replace(receipt, outcome=Outcome.PARTIAL, detail=refused.detail)

    async def _show_progress(self) -> None:
        await sleep_or(self._clock, PROGRESS_AFTER, self._finishing)
        while not self._finishing.is_set():
            self._dirty.clear()
            message = self._outbound("progress", 0, self._progress_text(), Tone.PROGRESS)
            if self._resting:
                log.debug("progress_rests", turn=self._turn)
            elif self._progress is None:
                self._adopt(await self._egress.deliver(self._channel, message))
                if self._progress is None:
                    return  # the answer itself will be sent
            else:
                receipt = await self._egress.edit(self._channel, self._progress, message, patient=False)
                if receipt.detail == PACED:
                    self._dirty.set()  # said later
            await sleep_or(self._clock, PROGRESS_EVERY, self._finishing)
            await self._dirty.wait()

    def _progress_text(self) -> str:
        draft = "".join(self._draft)
        room = max(1, min(PROGRESS_CHARS, self._channel.limits.max_chars - _PROGRESS_ROOM))
        draft = self._egress.growing(draft, room)
        words = self._note or _WORDS.get(self._status, "…")
        return f"{draft}\n\n_{words}_" if draft.strip() else f"_{words}_"

    async def _stop_progress(self) -> None:
        """A post under way is awaited, never cancelled: whether it arrived decides between edit and send."""
        self._finishing.set()
        self._dirty.set()
        if self._task is not None:
            await self._task
            self._task = None

    def _adopt(self, receipt: Receipt | None) -> None:
        if receipt is not None and receipt.outcome is Outcome.SENT and receipt.message_ids:
            self._progress = MessageRef(conversation=self._message.conversation, message_id=receipt.message_ids[0])

    def _outbound(
        self,
        step: str,
        part: int,
        text: str,
        tone: Tone,
        files: tuple[LocalFile, ...] = (),
        buttons: tuple[Button, ...] = (),
    ) -> OutboundMessage:
        return OutboundMessage(
            conversation=self._message.conversation,
            text=text,
            idempotency_key=part_key(self._turn, step, part),
            tone=tone,
            attachments=files,
            buttons=buttons,
            reply_to=self._message.message_id,
            respond_url=self._message.respond_url,
            only_for=self._message.author.id if self._message.respond_url is not None else None,
        )


def message_ref(message: InboundMessage) -> MessageRef:
    """The user's message as an address for status marks."""
    return MessageRef(conversation=message.conversation, message_id=message.message_id)


def _sum(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt for a split answer: sent only when every part was."""
    outcomes = {receipt.outcome for receipt in receipts}
    ids = tuple(one for receipt in receipts for one in receipt.message_ids)
    mixed = Outcome.PARTIAL if Outcome.SENT in outcomes else Outcome.UNKNOWN
    outcome = outcomes.pop() if len(outcomes) == 1 else mixed
    return Receipt(outcome=outcome, message_ids=ids, sent_at=receipts[-1].sent_at, detail=receipts[-1].detail)
