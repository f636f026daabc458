"""What people and the agent say to each other, free of any platform's words. Values only.

Times are seconds since the Unix epoch; text is CommonMark unless said otherwise; ids are the platform's own strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class ConversationKind(Enum):
    """How public a conversation is; policy and lanes depend on it."""

    DIRECT = "direct"
    GROUP = "group"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRef:
    """An address. `channel` is the transport's name; the place on the platform is `place`; tenant is in every key.

    `thread` is the root of the thread that answers belong to, or None where the place itself is the conversation.
    """

    channel: str
    tenant: str
    place: str
    thread: str | None
    kind: ConversationKind
    within: str = field(default="", compare=False)
    """The thread in which a private conversation was begun, where it is none of the above: allow-lists know it."""

    @property
    def key(self) -> str:
        """The session's key: one conversation, one key, across restarts."""
        return f"{self.channel}/{self.tenant}/{self.place}/{self.thread or ''}"

    @property
    def place_key(self) -> str:
        """The key of the place alone: platforms pace and order by it."""
        return f"{self.channel}/{self.tenant}/{self.place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRef:
    """One message on the platform (Slack: `message_id` is the `ts`)."""

    conversation: ConversationRef
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote. `is_external`: from another workspace (Slack Connect). `tenant` is the author's own team if known;
    `roles` are the ids of the roles they carry there, on platforms that have roles.
    """

    id: str
    display_name: str = ""
    is_bot: bool = False
    is_self: bool = False
    is_external: bool = False
    tenant: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorFacts:
    """What a channel knows about a person only by asking the platform."""

    display_name: str = ""
    is_guest: bool = False
    is_external: bool = False
    is_bot: bool = False
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that someone sent, not yet fetched. `size` is bytes as declared, or None; `url` may need credentials."""

    id: str
    name: str
    media_type: str
    size: int | None
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file on this machine: one that was fetched, or one that the agent wants to send. `path` is absolute."""

    name: str
    media_type: str
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """Something a person said. `logical_id` is equal for all platform events of one post; `raw` is untrusted and
    nobody in the engine reads it. `mentions_me` and `mentions_others` are facts; policy decides what follows.
    """

    event_id: str
    logical_id: str
    conversation: ConversationRef
    message_id: str
    author: Author
    text: str
    sent_at: float
    mentions_me: bool = False
    mentions_others: bool = False
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    respond_url: str | None = field(default=None, repr=False)
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)


class ButtonStyle(Enum):
    """How much a button stands out."""

    PLAIN = "plain"
    PRIMARY = "primary"
    DANGER = "danger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button under a message. `action` names what it does, `value` travels back with the press (≤ 2000 chars)."""

    action: str
    label: str
    value: str
    style: ButtonStyle = ButtonStyle.PLAIN


class Tone(Enum):
    """What kind of message it is; a channel may dress notices and errors differently."""

    ANSWER = "answer"
    PROGRESS = "progress"
    NOTICE = "notice"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage:
    """Something to say, already within the channel's limits. Mass and user mentions are neutralised unless the
    mentioned id is listed in `allow_mentions`. `only_for` asks for an ephemeral message to one user; `respond_url`
    for an answer over the platform's response URL. The same `idempotency_key` never becomes two messages.
    """

    conversation: ConversationRef
    text: str
    idempotency_key: str
    tone: Tone = Tone.ANSWER
    attachments: tuple[LocalFile, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str | None = None
    only_for: str | None = None
    respond_url: str | None = field(default=None, repr=False)
    allow_mentions: frozenset[str] = frozenset()


class Outcome(Enum):
    """What became of a send. UNKNOWN is never retried blindly."""

    SENT = "sent"
    SUPPRESSED = "suppressed"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The truth about a send. `message_ids` are the platform's; `detail` is a code, never a body."""

    outcome: Outcome
    message_ids: tuple[str, ...] = ()
    sent_at: float = 0.0
    detail: str = ""


class TurnStatus(Enum):
    """What a turn is doing, as shown on the user's message."""

    QUEUED = "queued"
    THINKING = "thinking"
    TOOL = "tool"
    STALLED = "stalled"
    DONE = "done"
    ERROR = "error"
