"""What the page and the life cycle know of a chat platform: one `Side` each for Slack and Discord, and nothing else.

What does *not* live here: any platform (`slack/`, `discord/`). The page's model is in `page/store.js`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

JSON = dict[str, Any]
Tell = Callable[[JSON], None]
"""Sends one change to every page; the hub adds whose it is."""
Action = Callable[[JSON], Awaitable[JSON | None]]
"""Gets a request of the page and returns what it is answered. KeyError, TypeError, ValueError: a bad request."""
Table = Mapping[str, Action]
"""Actions by the word in the request's `do`."""

ENTRIES = 250
"""Events and calls of a side that a page which is opened later still sees; older ones are in memory, but not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that somebody shared, as a page may save it."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


class Side(Protocol):
    """A local platform with its people and places. `async with` starts and stops it."""

    @property
    def name(self) -> str:
        """The channel's kind: `slack` or `discord`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def variables(self) -> dict[str, str]:
        """What the daemon needs to find this platform; secrets are elsewhere (`secret_desk.py`)."""
        ...

    def deliver_to(self, url: str) -> None:
        """The daemon is reached at `url`, where events come as posts."""
        ...

    async def follow(self, tell: Tell) -> None:
        """Tell of every change until cancelled."""
        ...

    def snapshot(self) -> JSON:
        """Everything but the entries: users, channels, messages, controls, and what only this platform has."""
        ...

    def entries(self) -> list[JSON]:
        """What went to the daemon and what it called, each with its `at` in Unix seconds."""
        ...

    def details(self, key: str) -> JSON:
        """The whole of one entry. Raises KeyError."""
        ...

    def controls(self) -> JSON:
        """What is armed, held and connected now."""
        ...

    async def perform(self, do: str, request: JSON) -> JSON | None:
        """Do what the page asks for. Raises as `Action`."""
        ...

    def file(self, file_id: str) -> StoredFile | None:
        """A file that was shared."""
        ...
