"""What a transport is to the engine, and the engine to a transport. Protocols only.

A plugin author reads this page, writes a `Channel` and a `Descriptor`, and runs `phantom.testing.ChannelConformance`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable
from urllib.parse import urlsplit

from phantom.capabilities import Capability
from phantom.clock import Clock
from phantom.events import ChannelTask, InboundEvent
from phantom.identity import IdentityProvider, TenantStatus
from phantom.messages import (
    Attachment,
    AuthorFacts,
    ConversationRef,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Receipt,
    TurnStatus,
)
from phantom.sealing import PLAIN, AtRest
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute

API_VERSION = 1
"""Version of this page. A plugin declares the one it was written for; a greater one is refused with a clear error."""


class Envelope(NamedTuple):
    """A verified platform payload, as bytes, before it is understood. It is what the journal keeps.

    `kind` and `encoding` ("json" or "form") are the channel's own notes to its `normalise`. `event_id` is the key of
    deduplication within channel and tenant: a second envelope with the same id is a duplicate for ever. Times are
    seconds since the epoch. A named tuple because one is made for every event, on the way to its ack.
    """

    channel: str
    tenant: str
    event_id: str
    kind: str
    body: bytes
    received_at: float
    encoding: str = "json"
    idle: bool = False
    """Plain talk that does not address us: unless it is in a conversation we are in, its text need not be kept."""
    session: str = ""
    """`ConversationRef.key` of the conversation that the event belongs to or starts, where a glance could tell."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The journal's answer. `stored` is True once a commit holds the event, also when it was a `duplicate`."""

    stored: bool
    duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One row of an external select menu."""

    label: str
    value: str


class Inbox(Protocol):
    """The engine's door. Admission is durable before it is answered: acknowledge to the platform only after it."""

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        """Admit without a task: `done` is called on the event loop after the commit, or with `stored=False`."""
        ...

    async def admit(self, envelope: Envelope) -> Admission:
        """Admit and wait for the commit."""
        ...

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        """The author's recent conversations that match what was typed, newest first (at most 100)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHealth:
    """Observed state, never intention. `state` is one of: starting, connecting, ready, backing_off, auth_failed,
    revoked, stopped, disabled. Times are seconds since the epoch, None when it has not happened.
    """

    state: str
    detail: str = ""
    cure: str = ""
    last_event_at: float | None = None
    last_contact_at: float | None = None
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the channel really serves now."""
        return self.state == "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLimits:
    """Characters that one message may hold, counted before the channel's own escaping."""

    max_chars: int


@runtime_checkable
class Channel(Protocol):
    """One transport. Constructed without I/O; `run` does everything that may fail."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capability: ...

    @property
    def limits(self) -> TextLimits: ...

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        """Serve until cancelled. Sets `ready` only once the platform has confirmed the connection or token, clears it
        when that ends. Raises `AuthError` (permanent until a secret changes) or another `ChannelError`; the
        supervisor decides what follows and calls `run` again.
        """
        ...

    def normalise(self, envelope: Envelope) -> Sequence[InboundEvent]:
        """Pure: what a journaled payload means. Raises `MalformedEvent` for what cannot be understood."""
        ...

    async def send(self, message: OutboundMessage) -> Receipt:
        """Post one message. Raises a `DeliveryError`/`AuthError`; `DeliveryUnknown` when it may have arrived."""
        ...

    def health(self) -> ChannelHealth: ...


@runtime_checkable
class SupportsEdit(Protocol):
    async def edit(self, target: MessageRef, message: OutboundMessage) -> Receipt:
        """Replace the text, buttons and tone of a message of ours. Safe to repeat."""
        ...


@runtime_checkable
class SupportsDelete(Protocol):
    async def delete(self, target: MessageRef) -> None:
        """Remove a message of ours. One that is gone already is no error."""
        ...


@runtime_checkable
class SupportsStatus(Protocol):
    async def show_status(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        """Mark a user's message with `status`, taking away `shown` (None: nothing). Safe to repeat."""
        ...

    async def clear_status(self, target: MessageRef) -> None:
        """Take away every status mark of ours: what a turn that survived a restart starts with."""
        ...


@runtime_checkable
class SupportsTyping(Protocol):
    async def typing(self, conversation: ConversationRef, active: bool) -> None:
        """Show, or stop showing, that an answer is being written. Best effort: never raises `DeliveryError`."""
        ...


@runtime_checkable
class SupportsLookup(Protocol):
    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        """The receipt of an earlier send of `message` (by idempotency key) after `since`, or None when it surely
        never arrived. Raises when the platform cannot say.
        """
        ...


@runtime_checkable
class SupportsAuthors(Protocol):
    async def author_facts(self, conversation: ConversationRef, author_id: str) -> AuthorFacts:
        """What the platform says of one person; cached by the channel. Raises `ChannelError`."""
        ...


@runtime_checkable
class SupportsDownload(Protocol):
    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        """Fetch a file into `folder`, at most `limit` bytes. Raises `ChannelError` with a cure."""
        ...


@runtime_checkable
class SupportsTasks(Protocol):
    async def perform(self, task: ChannelTask) -> None:
        """Do what only this channel can (open a modal, publish a view). Raises `ChannelError`."""
        ...


@runtime_checkable
class SupportsIntroduction(Protocol):
    async def introduction(self) -> OutboundMessage | None:
        """The greeting for whoever installed the app, addressed and keyed for ever; None when nobody is known."""
        ...

    async def introduced(self, receipt: Receipt) -> None:
        """Told once after the greeting was really sent."""
        ...


@runtime_checkable
class SupportsRoutes(Protocol):
    def routes(self) -> Sequence[SignedRoute]:
        """Receivers for the shared HTTP server; present from construction, answering 503 until ready."""
        ...


@runtime_checkable
class SupportsSecrets(Protocol):
    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets whose change makes another `run` worth while after an `AuthError`."""
        ...


@runtime_checkable
class SupportsClose(Protocol):
    async def aclose(self) -> None:
        """Let go of connections, once nothing is sent any more. `run` has ended by then."""
        ...


class Meter(Protocol):
    """Counters and timings. Names and labels are listed in `phantom/metrics.py`; an unknown name is a bug."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def counter(self, name: str, **labels: str) -> Callable[[], None]:
        """The same, prepared once for a place that counts one thing for every post."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelContext:
    """What the daemon hands to a channel at construction.

    `secret(name)` gives a live handle or raises `SecretError`/`ConfigError`; `data_dir` is the channel's own folder.
    `at_rest` seals what a channel keeps there of what people say; it does nothing unless an encryption key is set.
    """

    phantom_name: str
    clock: Clock
    meter: Meter
    secret: Callable[[str], Secret]
    identity: IdentityProvider
    tenant_status: TenantStatus
    data_dir: Path
    options: Mapping[str, object]
    at_rest: AtRest = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A plugin's import-free record: entry-point group `phantom.channels`.

    `settings` and `target` are "module:name"; the target is called as `target(settings, context) -> Channel`.
    `extra` names the pip extra that brings its dependencies, "" when none is needed.
    """

    kind: str
    api_version: int
    settings: str
    target: str
    capabilities: Capability
    secrets: tuple[str, ...] = ()
    extra: str = ""
    enabled_by: tuple[str, ...] = ()
    """Environment variables any of which switches the channel on without a file."""
    apps: str = ""
    """"module:NAME" of the `phantom.apps.Table` that the channel offers to bridge apps; "" when it offers none."""
    egress: str = ""
    """"module:name" of a `DestinationsOf` that says which hosts the channel must reach; "" when it reaches none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A host that must be reachable from here, for firewalls. `why` is for people, a few words.

    `host` is a name, an address, `*.` and a domain when the platform picks names below it, or `*` for any public host.
    """

    host: str
    port: int
    why: str

    @classmethod
    def of(cls, url: str, why: str) -> Destination:
        """Where a `http`, `https`, `ws` or `wss` address leads. Raises `ValueError` for another."""
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "wss": 443, "http": 80, "ws": 80}.get(parts.scheme)
        if not parts.hostname or port is None:
            raise ValueError("not an address of a host")
        return cls(host=parts.hostname, port=port, why=why)


DestinationsOf = Callable[[Any, Destination], Sequence[Destination]]
"""Called with the channel's checked settings and the metadata service, which it returns too if it asks it by itself."""

ChannelTarget = Callable[[Any, ChannelContext], Channel]
