"""Everything a platform can tell Phantom, as a closed union. `pipeline.py` matches it with `assert_never`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from phantom.messages import Author, ConversationRef, InboundMessage, MessageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited:
    """A post was changed; `logical_id` is the post's own. It only matters while the post still waits for its turn."""

    event_id: str
    logical_id: str
    conversation: ConversationRef
    author: Author
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted:
    """A post was removed; a turn that still waits for it is dropped."""

    event_id: str
    logical_id: str
    conversation: ConversationRef


class Rating(Enum):
    """What a person thought of an answer."""

    HELPFUL = "helpful"
    PARTLY = "partly"
    NOT_HELPFUL = "not_helpful"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackGiven:
    """A rating by button (`turn_id` set) or by reaction on a message of ours (`message`). `withdrawn` takes it back."""

    event_id: str
    message: MessageRef
    author: Author
    rating: Rating
    turn_id: str | None = None
    withdrawn: bool = False
    respond_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed:
    """A button other than feedback was pressed, or an entry of a menu chosen: approvals and buttons of the agent's own.

    `private`: the message that it is under is seen by its reader alone, so what follows is answered over `respond_url`.
    """

    event_id: str
    message: MessageRef
    author: Author
    action: str
    value: str
    respond_url: str | None = field(default=None, repr=False)
    private: bool = False
    pressed_at: float = 0.0


class Command(Enum):
    """The words of `/phantom`. ASK carries free text."""

    HELP = "help"
    STATUS = "status"
    NEW = "new"
    STOP = "stop"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInvoked:
    """`/phantom <command> <text>`. `respond_url` answers it privately."""

    event_id: str
    conversation: ConversationRef
    author: Author
    command: Command
    text: str
    respond_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTask:
    """Something only the channel itself answers (open a modal, publish a home tab): `SupportsTasks.perform`."""

    event_id: str
    name: str
    author: Author
    payload: Mapping[str, object] = field(default_factory=dict, repr=False)


class InstallChange(Enum):
    """What happened to the app in the workspace."""

    UNINSTALLED = "uninstalled"
    TOKENS_REVOKED = "tokens_revoked"
    RATE_LIMITED = "rate_limited"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallChanged:
    """The platform says that the install itself changed."""

    event_id: str
    tenant: str
    change: InstallChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood, and nothing to do. `reason` is a short metric label."""

    event_id: str
    reason: str


InboundEvent = (
    InboundMessage
    | MessageEdited
    | MessageDeleted
    | FeedbackGiven
    | ButtonPressed
    | CommandInvoked
    | ChannelTask
    | InstallChanged
    | Ignored
)
