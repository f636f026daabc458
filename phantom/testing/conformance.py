"""`ChannelConformance`: what every channel promises, as tests that any channel can inherit. First version.

    class TestMyChannel(ChannelConformance):
        @asynccontextmanager
        async def make(self) -> AsyncIterator[Bench]:
            async with MyFakePlatform() as platform:
                yield MyBench(platform)

The class is made of plain async test methods (pytest with `asyncio_mode = "auto"` finds them); without pytest,
`await run_conformance(make, folder)` runs them in order. A `Bench` is the channel under test and the other side of its
wire: it says what the platform shows, and breaks it on command. A broken promise is an `AssertionError`, in a sentence.
What does *not* live here: any platform (`fake_slack`, `fake_channel.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from phantom.capabilities import Capability
from phantom.channel import (
    Channel,
    Envelope,
    SupportsAuthors,
    SupportsDelete,
    SupportsDownload,
    SupportsEdit,
    SupportsIntroduction,
    SupportsLookup,
    SupportsRoutes,
    SupportsStatus,
    SupportsTyping,
)
from phantom.errors import AuthError, DeliveryUnknown, MalformedEvent, PhantomError
from phantom.events import InboundEvent
from phantom.messages import (
    Button,
    InboundMessage,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Outcome,
    Receipt,
    TurnStatus,
)
from phantom.testing.conformance_bench import (
    LEFT_WITHIN,
    READY_WITHIN,
    Bench,
    ConformanceInbox,
    Shown,
    mutations,
    require,
    running,
    settled_tasks,
)

__all__ = ["Bench", "ChannelConformance", "ConformanceInbox", "Shown", "run_conformance", "running"]

PROTOCOLS: tuple[tuple[Capability, type], ...] = (
    (Capability.EDIT, SupportsEdit),
    (Capability.DELETE, SupportsDelete),
    (Capability.REACT, SupportsStatus),
    (Capability.TYPING, SupportsTyping),
    (Capability.ATTACH_IN, SupportsDownload),
    (Capability.LOOKUP, SupportsLookup),
    (Capability.AUTHORS, SupportsAuthors),
    (Capability.INTRODUCE, SupportsIntroduction),
    (Capability.ROUTES, SupportsRoutes),
)
"""Each flag and the protocol that carries it: one without the other is a broken promise."""

_NASTY = "Careful: <!channel> <!everyone> <!here> @everyone @here @channel <@{person}> <@!{person}> [x](<!channel>)"


class ChannelConformance:
    """Inherit it, define `make`, done."""

    def make(self) -> AbstractAsyncContextManager[Bench]:
        """A fresh bench with a channel that does not run yet."""
        raise NotImplementedError

    async def test_every_flag_has_its_protocol_and_every_protocol_its_flag(self) -> None:
        async with self.make() as bench:
            promised = bench.channel.capabilities
            require(Capability.TEXT in promised, "every channel sends text: Capability.TEXT")
            for flag, protocol in PROTOCOLS:
                carried = isinstance(bench.channel, protocol)
                require(
                    (flag in promised) == carried,
                    f"{flag.name} is {'' if flag in promised else 'not '}promised, but {protocol.__name__} is"
                    f" {'' if carried else 'not '}there",
                )
            require(bench.channel.limits.max_chars >= 100, "limits.max_chars leaves room for a sentence")
            require(bench.channel.name == bench.conversation.channel, "the address names the channel")

    async def test_it_is_ready_only_after_proof_and_not_after_the_end(self) -> None:
        async with self.make() as bench:
            require(not bench.channel.health().ok, "a channel that does not run is not healthy")
            async with running(bench) as (_, ready):
                require(bench.channel.health().ok, "a ready channel says so in its health")
            require(not ready.is_set(), "`ready` is cleared when `run` ends")
            require(not bench.channel.health().ok, "a stopped channel is not healthy")

    async def test_a_cancelled_run_leaves_no_tasks_behind(self) -> None:
        async with self.make() as bench:
            async with running(bench):
                pass  # what is kept for the next run (a connection, a server's side of it) may stay
            before = await settled_tasks(0, 0.5)
            for _ in range(3):
                async with running(bench):
                    pass
            left = await settled_tasks(2, LEFT_WITHIN, beside=before)
            names = sorted(task.get_name() for task in left)
            require(len(left) < 3, f"a cancelled `run` leaves no tasks behind, but: {names}")

    async def test_refused_credentials_are_an_auth_error_and_never_ready(self) -> None:
        async with self.make() as bench:
            bench.refuse_credentials()
            ready = asyncio.Event()
            try:
                async with asyncio.timeout(READY_WITHIN):
                    await bench.channel.run(ConformanceInbox(), ready)
            except AuthError as error:
                require(bool(error.hint), "an AuthError names its cure")
            else:
                require(False, "`run` raises AuthError when the platform refuses the credentials")
            require(not ready.is_set(), "`ready` is not set on refused credentials")
            require(not bench.channel.health().ok, "refused credentials are not healthy")

    async def test_it_runs_again_after_it_was_stopped(self) -> None:
        async with self.make() as bench:
            for _ in range(2):
                async with running(bench):
                    require(bench.channel.health().ok, "the supervisor may call `run` again")

    async def test_what_is_said_is_stored_before_it_is_acknowledged(self) -> None:
        async with self.make() as bench, running(bench) as (inbox, _):
            message_id = await bench.say("hello out there")
            await inbox.until(lambda: bool(inbox.envelopes))
            require(await bench.acked(), "what was stored is acknowledged")
            events = [event for envelope in inbox.envelopes for event in bench.channel.normalise(envelope)]
            said = [event for event in events if isinstance(event, InboundMessage) and event.message_id == message_id]
            require(bool(said), "what a person writes becomes an InboundMessage with the platform's message id")
            require(len({event.logical_id for event in said}) == 1, "all events of one post share their logical id")
            require("hello out there" in said[0].text, "the text arrives")
            require(said[0].conversation.place == bench.conversation.place, "the place is the one it was said in")
            require(said[0].conversation.tenant == bench.conversation.tenant, "the tenant is in the address")
            require(not said[0].author.is_self and bool(said[0].author.id), "the author is a person with an id")
            for envelope in inbox.envelopes:
                self._check_notes(bench, envelope)

    async def test_what_is_not_stored_is_not_acknowledged(self) -> None:
        async with self.make() as bench, running(bench, ConformanceInbox(stores=False)) as (inbox, _):
            await bench.say("nobody keeps this")
            await inbox.until(lambda: inbox.offered > 0)
            require(not await bench.acked(), "what could not be stored is not acknowledged")

    async def test_normalise_is_pure_and_total(self) -> None:
        async with self.make() as bench:
            async with running(bench) as (inbox, _):
                await bench.say("hello out there")
                await inbox.until(lambda: bool(inbox.envelopes))
            for envelope in inbox.envelopes:
                first, second = bench.channel.normalise(envelope), bench.channel.normalise(envelope)
                require(list(first) == list(second), "normalise gives the same events for the same envelope")
                for odd in mutations(envelope):
                    _check_total(bench.channel, odd)

    async def test_a_send_is_shown_once_with_a_truthful_receipt(self) -> None:
        async with self.make() as bench, running(bench):
            receipt = await bench.channel.send(_message(bench, "a plain answer"))
            (shown,) = await bench.shown()
            require(receipt.outcome is Outcome.SENT, "a send that arrived is SENT")
            require(tuple(receipt.message_ids) == (shown.id,), "the receipt names the message that is shown")
            require("a plain answer" in shown.text, "the text is shown")
            if Capability.THREADS in bench.channel.capabilities:
                require(shown.thread == bench.conversation.thread, "the answer is in the thread it was addressed to")

    async def test_an_address_that_does_not_exist_is_an_error(self) -> None:
        async with self.make() as bench, running(bench):
            try:
                receipt = await bench.channel.send(replace(_message(bench, "lost"), conversation=bench.nowhere))
            except PhantomError:
                receipt = Receipt(outcome=Outcome.FAILED)
            require(receipt.outcome is Outcome.FAILED, "nothing is reported as sent that did not arrive")

    async def test_nobody_is_pinged_who_was_not_allowed(self) -> None:
        async with self.make() as bench, running(bench):
            text = _NASTY.format(person=bench.person)
            receipt = await bench.channel.send(_message(bench, text))
            pings = [ping for shown in await bench.shown() for ping in shown.pings]
            require(not pings, f"text of a model pings nobody, but: {pings}")
            if isinstance(bench.channel, SupportsEdit):
                await bench.channel.edit(_ref(bench, receipt), _message(bench, text + " edited"))
            pings = [ping for shown in await bench.shown() for ping in shown.pings]
            require(not pings, f"an edited text pings nobody either, but: {pings}")

    async def test_the_longest_message_is_one_message(self) -> None:
        async with self.make() as bench, running(bench):
            words = "word " * bench.channel.limits.max_chars
            receipt = await bench.channel.send(_message(bench, words[: bench.channel.limits.max_chars - 1] + "!"))
            shown = await bench.shown()
            require(receipt.outcome is Outcome.SENT, "a message of limits.max_chars characters is sent")
            require(len(shown) == 1, f"it is one message, not {len(shown)}")
            require(shown[0].text.rstrip().endswith("!"), "it is not cut")

    async def test_editing(self) -> None:
        async with self.make() as bench, running(bench):
            if not isinstance(bench.channel, SupportsEdit):
                return
            receipt = await bench.channel.send(_message(bench, "before"))
            for _ in range(2):
                edited = await bench.channel.edit(_ref(bench, receipt), _message(bench, "after"))
                require(edited.outcome is Outcome.SENT, "an edit may be repeated")
            (shown,) = await bench.shown()
            require("after" in shown.text, "the new text is shown")
            require("before" not in shown.text, "the old text is gone")

    async def test_deleting(self) -> None:
        async with self.make() as bench, running(bench):
            if not isinstance(bench.channel, SupportsDelete):
                return
            receipt = await bench.channel.send(_message(bench, "short-lived"))
            for _ in range(2):
                await bench.channel.delete(_ref(bench, receipt))
            require(not await bench.shown(), "a deleted message is not shown, and deleting it again is no error")

    async def test_status_marks(self) -> None:
        async with self.make() as bench, running(bench):
            if not isinstance(bench.channel, SupportsStatus):
                return
            target = MessageRef(conversation=bench.conversation, message_id=await bench.say("mark me"))
            for _ in range(2):
                await bench.channel.show_status(target, TurnStatus.THINKING, None)
            thinking = await bench.marks(target.message_id)
            require(len(thinking) == 1, "a status is one mark, however often it is shown")
            await bench.channel.show_status(target, TurnStatus.DONE, TurnStatus.THINKING)
            done = await bench.marks(target.message_id)
            require(len(done) == 1, "a new status takes the old one's place")
            require(list(done) != list(thinking), "two statuses look different")
            for _ in range(2):
                await bench.channel.clear_status(target)
            require(not await bench.marks(target.message_id), "clear_status takes every mark away, and may be repeated")

    async def test_a_lost_answer_is_found(self) -> None:
        async with self.make() as bench, running(bench):
            if not isinstance(bench.channel, SupportsLookup):
                return
            sent, never = _message(bench, "arrived"), _message(bench, "never sent", key="t2/answer/0")
            bench.lose_next_answer()
            try:
                await bench.channel.send(sent)
            except DeliveryUnknown:
                pass
            else:
                require(False, "a send whose answer is lost raises DeliveryUnknown: it may have arrived")
            (shown,) = await bench.shown()
            found = await bench.channel.find(sent, 0.0)
            require(found is not None and tuple(found.message_ids) == (shown.id,), "`find` finds what arrived")
            require(await bench.channel.find(never, 0.0) is None, "`find` says None for what never arrived")

    async def test_buttons(self) -> None:
        async with self.make() as bench, running(bench):
            buttons = (Button(action="approval:yes", label="Approve", value="v"),)
            await bench.channel.send(replace(_message(bench, "choose"), buttons=buttons))
            (shown,) = await bench.shown()
            require("choose" in shown.text, "a message with buttons still says its text")
            promised = Capability.BUTTONS in bench.channel.capabilities
            require(("Approve" in shown.buttons) == promised, "buttons are shown exactly when BUTTONS is promised")

    async def test_files(self, tmp_path: Path) -> None:
        path = tmp_path / "note.txt"
        path.write_text("content")
        file = LocalFile(name="note.txt", media_type="text/plain", path=str(path), size=7)
        async with self.make() as bench, running(bench):
            if Capability.ATTACH_OUT not in bench.channel.capabilities:
                return
            receipt = await bench.channel.send(replace(_message(bench, "here it is"), attachments=(file,)))
            require(receipt.outcome is Outcome.SENT, "a message with a file is SENT")
            names = [name for shown in await bench.shown() for name in shown.files]
            require(names == ["note.txt"], "the file is shown, once, by its name")

    def _check_notes(self, bench: Bench, envelope: Envelope) -> None:
        """What the envelope says of itself at a glance must agree with what it means."""
        for event in bench.channel.normalise(envelope):
            if isinstance(event, InboundMessage):
                fits = envelope.session in ("", event.conversation.key)
                require(fits, "Envelope.session is the key of the conversation that the event belongs to")
                require(not (envelope.idle and event.mentions_me), "an envelope that addresses us is not idle")


async def run_conformance(make: Callable[[], AbstractAsyncContextManager[Bench]], folder: Path) -> list[str]:
    """Every check in order, without pytest; returns their names. `folder` is for files. Raises `AssertionError`."""
    suite = ChannelConformance()
    suite.make = make  # type: ignore[method-assign]
    names = [name for name in dir(suite) if name.startswith("test_")]
    for name in names:
        check: Any = getattr(suite, name)
        await (check(folder) if name == "test_files" else check())
    return names


def _check_total(channel: Channel, envelope: Envelope) -> None:
    with contextlib.suppress(MalformedEvent):
        for event in channel.normalise(envelope):
            require(isinstance(event, get_args(InboundEvent)), f"normalise gives InboundEvents, not {type(event)}")


def _message(bench: Bench, text: str, *, key: str = "t1/answer/0") -> OutboundMessage:
    return OutboundMessage(conversation=bench.conversation, text=text, idempotency_key=key)


def _ref(bench: Bench, receipt: Receipt) -> MessageRef:
    require(receipt.outcome is Outcome.SENT and bool(receipt.message_ids), "a send gives the id of the message")
    return MessageRef(conversation=bench.conversation, message_id=receipt.message_ids[0])
