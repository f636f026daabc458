"""What an agent is to Phantom: something that answers a turn with a stream of events. Values and protocols only.

A whole agent can be ten lines: an object with a `name` and `async def reply(self, turn)` that yields `Final(text=…)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from phantom.messages import Author, Button, ConversationRef, LocalFile
from phantom.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One earlier line of the conversation, oldest first in `Turn.history`. `at` is seconds since the epoch."""

    role: Literal["user", "assistant"]
    text: str
    author_id: str = ""
    author_name: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing to answer. `attempt` is 1 on the first run and greater after a crash; `approvals` holds the answers
    to earlier `ApprovalNeeded` events of this turn by their id.
    """

    id: str
    conversation: ConversationRef
    author: Author
    text: str
    history: Sequence[HistoryEntry] = ()
    attachments: Sequence[LocalFile] = ()
    approvals: Mapping[str, bool] = field(default_factory=dict)
    attempt: int = 1
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A tool began; `summary` is one short line for people, without secrets."""

    call_id: str
    tool: str
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A tool ended."""

    call_id: str
    tool: str
    ok: bool = True
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeeded:
    """A person must say yes or no. Ends this run of `reply`; the turn waits durably and `reply` is called again with
    the answer in `turn.approvals[approval_id]`.
    """

    approval_id: str
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The whole answer, once. `text` is complete (not a delta). Whoever presses one of `buttons` says its value: that
    is another turn of the conversation. Many buttons are shown as a menu where the platform has one.
    """

    text: str
    attachments: tuple[LocalFile, ...] = ()
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The agent gives up. `message` is shown in chat and must be fit for that; `hint` is for the operator's log."""

    message: str
    hint: str = ""
    retryable: bool = False


AgentEvent = TextDelta | ToolStarted | ToolFinished | ApprovalNeeded | Final | Failed


@runtime_checkable
class Agent(Protocol):
    """Answers turns. One instance serves all conversations at once; it keeps no state between turns."""

    @property
    def name(self) -> str:
        """What it is, for status output, e.g. `offline` or `anthropic:claude-sonnet-4-5`."""
        ...

    def reply(self, turn: Turn) -> AsyncIterator[AgentEvent]:
        """Stream events, ending with `Final`, `Failed` or `ApprovalNeeded`. Run again from the start after a crash,
        unless the agent is a `DurableAgent`. Cancelled when the user says stop.
        """
        ...


@runtime_checkable
class DurableAgent(Agent, Protocol):
    """An agent that makes durable steps of its own (model calls, tools), so it runs in the workflow's own body: the
    steps that finished before a crash are not run again. Everything outside its steps must be deterministic.
    """

    @property
    def durable(self) -> Literal[True]: ...


@runtime_checkable
class SupportsCheck(Protocol):
    async def check(self) -> None:
        """Prove the settings without spending money. Raises `ConfigError` or `AgentError` with the cure."""
        ...


def _as_is(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext:
    """What the daemon hands to an agent factory. `secret(name)` is None when that secret is not configured."""

    phantom_name: str
    model: str
    base_url: str
    instructions: str
    secret: Callable[[str], Secret | None]
    now: Callable[[], float]
    mask: Callable[[str], str] = _as_is
    """Takes the daemon's secrets out of a text. Give what a tool found to a model only through it; `model_agent` does
    that by itself.
    """


AgentFactory = Callable[[AgentContext], Agent | Awaitable[Agent]]
