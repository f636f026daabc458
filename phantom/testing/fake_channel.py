"""A platform in memory and its channel: the smallest thing that keeps every promise of `phantom.channel`.

For tests of the engine without any wire, and as the reference for authors of channels. What does *not* live here: how
a real platform behaves (`fake_slack`).
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from phantom.capabilities import Capability
from phantom.channel import Admission, ChannelHealth, Envelope, Inbox, TextLimits
from phantom.errors import AuthError, ConversationGone, DeliveryUnknown, MalformedEvent, MessageRejected
from phantom.events import Ignored, InboundEvent
from phantom.messages import (
    Author,
    AuthorFacts,
    ConversationKind,
    ConversationRef,
    InboundMessage,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Outcome,
    Receipt,
    TurnStatus,
)

BOT = "bot"
_PING = re.compile(r"<@(\w+)>|<!(\w+)>|(?<!\w)@(everyone|here|channel)\b")
_INVISIBLE = "\u200b"


@dataclass(slots=True, kw_only=True)
class FakePost:
    """One message on the fake platform. `key` is the idempotency key of a message of the bot's."""

    id: str
    place: str
    thread: str | None
    author: str
    text: str
    key: str = ""
    buttons: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    marks: list[str] = field(default_factory=list)

    @property
    def pings(self) -> list[str]:
        """Whom it notifies."""
        return [next(part for part in found.groups() if part) for found in _PING.finditer(self.text)]


class FakePlatform:
    """Places with posts. `token_works` and `lose_answers` are for tests; `acked` holds ids of acknowledged posts."""

    def __init__(self, *, tenant: str = "t1", places: Sequence[str] = ("room", "dm")) -> None:
        self.tenant = tenant
        self.places = set(places)
        self.posts: list[FakePost] = []
        self.acked: set[str] = set()
        self.guests: set[str] = set()
        self.token_works = True
        self.lose_answers = 0
        self.changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self._outgoing: asyncio.Queue[FakePost] = asyncio.Queue()

    def say(self, text: str, *, author: str = "ann", place: str = "room", thread: str | None = None) -> FakePost:
        """A person writes; the channel hears of it when it runs."""
        post = self.add(FakePost(id=self.next_id(), place=place, thread=thread, author=author, text=text))
        self._outgoing.put_nowait(post)
        return post

    async def next_event(self) -> FakePost:
        """What the channel is told next."""
        return await self._outgoing.get()

    def again(self, post: FakePost) -> None:
        """Tell the channel once more, as after a lost acknowledgement."""
        self._outgoing.put_nowait(post)

    def add(self, post: FakePost) -> FakePost:
        """Put a post up."""
        self.posts.append(post)
        self.changed.set()
        return post

    def find(self, post_id: str) -> FakePost | None:
        """The post with this id."""
        return next((post for post in self.posts if post.id == post_id), None)

    def by_bot(self, place: str = "room") -> list[FakePost]:
        """What the bot wrote there."""
        return [post for post in self.posts if post.author == BOT and post.place == place]

    def next_id(self) -> str:
        """A fresh id; ids sort by time."""
        return f"m{next(self._numbers):06d}"


class FakeChannel:
    """The channel of a `FakePlatform`."""

    name = "fake"
    capabilities = (
        Capability.TEXT
        | Capability.THREADS
        | Capability.EDIT
        | Capability.DELETE
        | Capability.REACT
        | Capability.BUTTONS
        | Capability.ATTACH_OUT
        | Capability.LOOKUP
        | Capability.AUTHORS
    )
    limits = TextLimits(max_chars=2000)

    def __init__(self, platform: FakePlatform) -> None:
        self._platform = platform
        self._state = "starting"
        self._last_event_at: float | None = None

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        try:
            self._prove()
            self._state = "ready"
            ready.set()
            while True:
                self._hand_over(inbox, await self._platform.next_event())
        except AuthError:
            self._state = "auth_failed"
            raise
        finally:
            if self._state == "ready":
                self._state = "stopped"
            ready.clear()

    def normalise(self, envelope: Envelope) -> Sequence[InboundEvent]:
        try:
            body = orjson.loads(envelope.body)
        except orjson.JSONDecodeError as error:
            raise MalformedEvent("the event is no JSON") from error
        if envelope.kind != "post" or not isinstance(body, dict):
            raise MalformedEvent("the event is no post")
        names = ("id", "place", "author", "text")
        if not all(isinstance(body.get(name), str) and body[name] for name in names):
            raise MalformedEvent("the post lacks a field")
        thread = body.get("thread")
        if thread is not None and not isinstance(thread, str):
            raise MalformedEvent("the thread is no id")
        if body["author"] == BOT:
            return (Ignored(event_id=envelope.event_id, reason="own_message"),)
        return (
            InboundMessage(
                event_id=envelope.event_id,
                logical_id=f"{envelope.tenant}:{body['id']}",
                conversation=self._conversation(envelope.tenant, body["place"], thread or body["id"]),
                message_id=body["id"],
                author=Author(id=body["author"]),
                text=body["text"].replace(f"<@{BOT}>", "").strip(),
                sent_at=envelope.received_at,
                mentions_me=f"<@{BOT}>" in body["text"],
            ),
        )

    async def send(self, message: OutboundMessage) -> Receipt:
        self._prove()
        if message.conversation.place not in self._platform.places:
            raise ConversationGone(f"there is no place {message.conversation.place}")
        if len(message.text) > self.limits.max_chars:
            raise MessageRejected("the message is too long")
        files = tuple(self._read(file) for file in message.attachments)
        post = self._platform.add(
            FakePost(
                id=self._platform.next_id(),
                place=message.conversation.place,
                thread=message.conversation.thread,
                author=BOT,
                text=_harmless(message),
                key=message.idempotency_key,
                buttons=tuple(button.label for button in message.buttons),
                files=files,
            )
        )
        if self._platform.lose_answers > 0:
            self._platform.lose_answers -= 1
            raise DeliveryUnknown("the answer was lost")
        return Receipt(outcome=Outcome.SENT, message_ids=(post.id,))

    async def edit(self, target: MessageRef, message: OutboundMessage) -> Receipt:
        self._prove()
        post = self._platform.find(target.message_id)
        if post is None:
            raise MessageRejected("the message is gone")
        post.text, post.buttons = _harmless(message), tuple(button.label for button in message.buttons)
        self._platform.changed.set()
        return Receipt(outcome=Outcome.SENT, message_ids=(post.id,))

    async def delete(self, target: MessageRef) -> None:
        self._platform.posts = [post for post in self._platform.posts if post.id != target.message_id]

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        self._prove()
        found = next((post for post in self._platform.posts if post.key == message.idempotency_key), None)
        return None if found is None else Receipt(outcome=Outcome.SENT, message_ids=(found.id,))

    async def show_status(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        post = self._platform.find(target.message_id)
        if post is None:
            return
        if shown is not None and shown.value in post.marks:
            post.marks.remove(shown.value)
        if status is not None and status.value not in post.marks:
            post.marks.append(status.value)
        self._platform.changed.set()

    async def clear_status(self, target: MessageRef) -> None:
        post = self._platform.find(target.message_id)
        if post is not None:
            post.marks.clear()

    async def author_facts(self, conversation: ConversationRef, author_id: str) -> AuthorFacts:
        self._prove()
        return AuthorFacts(display_name=author_id.title(), is_guest=author_id in self._platform.guests)

    def health(self) -> ChannelHealth:
        cure = "give the channel a token that works" if self._state == "auth_failed" else ""
        return ChannelHealth(state=self._state, cure=cure, last_event_at=self._last_event_at)

    def _prove(self) -> None:
        if not self._platform.token_works:
            raise AuthError("the platform refuses the token", hint="give the channel a token that works")

    def _hand_over(self, inbox: Inbox, post: FakePost) -> None:
        """Acknowledged once it is stored; what is not stored is told again, as platforms do."""
        fields = {"id": post.id, "place": post.place, "thread": post.thread, "author": post.author, "text": post.text}

        def done(admission: Admission) -> None:
            if admission.stored:
                self._platform.acked.add(post.id)

        inbox.submit(
            Envelope(
                channel=self.name,
                tenant=self._platform.tenant,
                event_id=post.id,
                kind="post",
                body=orjson.dumps(fields),
                received_at=0.0,
            ),
            done,
        )

    def _conversation(self, tenant: str, place: str, thread: str) -> ConversationRef:
        direct = place == "dm"
        kind = ConversationKind.DIRECT if direct else ConversationKind.PUBLIC
        return ConversationRef(
            channel=self.name, tenant=tenant, place=place, thread=None if direct else thread, kind=kind
        )

    @staticmethod
    def _read(file: LocalFile) -> str:
        if not Path(file.path).is_file():
            raise MessageRejected(f"the file {file.name} cannot be read", code="file_unreadable")
        return file.name


def _harmless(message: OutboundMessage) -> str:
    """The text with every ping broken that is not allowed."""

    def broken(found: re.Match[str]) -> str:
        allowed = found.group(1) in message.allow_mentions
        return found.group() if allowed else found.group()[0] + _INVISIBLE + found.group()[1:]

    return _PING.sub(broken, message.text)
