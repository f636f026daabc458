"""What a channel lends to other programs through the bot bridge: events it tells, actions it performs. Values only.

A channel that takes part implements `SupportsApps` and its `Descriptor.apps` names its `Table`. What does *not* live
here: secrets, scopes and the wire (`phantom/bridge/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from phantom.errors import PhantomError

Facts = Mapping[str, str | tuple[str, ...]]
"""What filters and limits look at, by filter key: one value, or several any of which may match."""


class AppEvent(NamedTuple):
    """One event as apps see it. `data` is JSON-ready: camelCase keys, ids as text, times in ISO 8601; never a token."""

    name: str
    data: Mapping[str, Any]
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """One row of a table of events. `intent`: what the platform must have granted, "" when nothing. `data`: the
    `msgspec.Struct` that describes the payload. `filters`: the filter keys that the event's facts may hold.
    """

    name: str
    data: type[Any]
    intent: str = ""
    filters: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """One row of a table of actions. `params` is the `msgspec.Struct` that a request's data must be; `result` the one
    that describes the answer (`None`: nothing). `target` names the parameters that say what is acted on, for the audit.
    """

    name: str
    params: type[Any]
    result: type[Any] | None = None
    target: tuple[str, ...] = ()
    summary: str = ""
    opt_in: bool = False
    """Off unless the configuration switches it on; a `"*"` in a scope never means it."""
    global_read: bool = False
    """Acts on no guild or channel, so a secret with `within` may not call it."""
    repeatable: bool = False
    """Doing it again with the same parameters and key changes nothing more, so it may be repeated when nobody knows
    whether it was done.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All that one kind of channel offers to apps. `filters` are the keys known to it."""

    channel: str
    events: tuple[EventSpec, ...]
    actions: tuple[ActionSpec, ...]
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPlace:
    """Where an action would act, as far as the platform tells: ids as text, "" when not known or not applicable.
    `guild` is a Discord guild or a Slack team; `parent` the channel that a thread belongs to.
    """

    guild: str = ""
    channel: str = ""
    parent: str = ""


class ActionRefused(PhantomError):
    """An action that was not done, in the bridge's terms. `bridge_code` is one of FORBIDDEN, NOT_FOUND,
    INVALID_REQUEST, SERVICE_UNAVAILABLE, INTERNAL_ERROR; `details` are JSON-ready and hold no content.
    """

    code = "action_refused"

    def __init__(
        self,
        bridge_code: str,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        unknown: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, retryable=retryable, retry_after=retry_after)
        self.bridge_code = bridge_code
        self.details = dict(details or {})
        self.unknown = unknown
        """It may have been done all the same."""


class AppSink(Protocol):
    """Where a channel's events go. Called on the event loop; never blocks, never raises."""

    def wants(self, name: str) -> bool:
        """Whether anybody could receive this event now. Build nothing when not."""
        ...

    def publish(self, event: AppEvent) -> None: ...

    def gap(self, channel: str, reason: str) -> None:
        """Events may have been missed: the platform could not say what happened meanwhile."""
        ...


@runtime_checkable
class SupportsApps(Protocol):
    """A channel that other programs may act through. `lend` is called once, before `run`."""

    def lend(self, sink: AppSink, events: frozenset[str]) -> None:
        """Tell these events to `sink` from now on; ask the platform for what they need at the next connection."""
        ...

    def app_intents(self) -> frozenset[str]:
        """The intents that the live connection has, by the names that the table's events use."""
        ...

    async def app_place(self, action: str, params: Mapping[str, Any]) -> AppPlace:
        """Where the action would act. Raises `ActionRefused` (NOT_FOUND) for an id that does not exist."""
        ...

    async def act(self, action: str, params: Mapping[str, Any], *, key: str) -> Any:
        """Do it and return the JSON-ready answer. `key` is stable over repeats of one request, "" when the caller gave
        none: where the platform can, a repeat with the same key acts once. Raises `ActionRefused`.
        """
        ...


TableTarget = Callable[[], Table]
