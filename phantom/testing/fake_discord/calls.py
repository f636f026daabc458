"""REST calls: the record of each, what a route gets, the error envelope, and the registry of routes. Never a token.

Routes are named as the operations in Discord's public OpenAPI description (`create_message`, `update_message`, …).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from phantom.testing.fake_discord.model import JSON

if TYPE_CHECKING:
    from phantom.testing.fake_discord.core import Core


class DiscordError(Exception):
    """Raised in a route: becomes HTTP `status` with `{"code", "message"}` and, for a bad form, `errors`."""

    def __init__(self, status: int, code: int, message: str, errors: JSON | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def to_discord(self) -> JSON:
        """The body."""
        shape: JSON = {"message": self.message, "code": self.code}
        return shape | {"errors": self.errors} if self.errors else shape


MESSAGES: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (400, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10026: (404, "Unknown Ban"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    10065: (404, "Unknown Voice State"),
    40032: (400, "Target user is not connected to voice."),
    30034: (429, "Max number of daily application command creates has been reached (200)"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50003: (403, "Cannot execute action on a DM channel"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50034: (400, "A message provided was too old to bulk delete"),
    50083: (400, "Thread is archived"),
    160004: (400, "A thread has already been created for this message"),
}
"""Discord's JSON error codes that this fake answers, with their HTTP status and text."""


def refused(code: int) -> DiscordError:
    """The error of one of the codes in `MESSAGES`."""
    status, message = MESSAGES[code]
    return DiscordError(status, code, message)


def invalid_form(path: str, code: str, message: str) -> DiscordError:
    """400 code 50035 with the complaint at the dotted `path`, nested as Discord does it."""
    node: JSON = {"_errors": [{"code": code, "message": message}]}
    for name in reversed(path.split(".")):
        node = {name: node}
    return DiscordError(400, 50035, "Invalid Form Body", node)


@dataclass(slots=True, kw_only=True)
class ApiCall:
    """One REST request. `path` shows `…` for a webhook's or an interaction's token.

    `reason` is for the guild's audit log. `status` 0 means that no answer left (`lost`; `applied` says whether the call
    took effect). `code` is Discord's.
    """

    route: str
    method: str
    path: str
    at: float
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    files: list[str] = field(default_factory=list)
    reason: str = ""
    status: int = 0
    code: int = 0
    lost: bool = False
    applied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of a multipart request, at `files[index]`."""

    index: int
    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a route gets: the world, the path's parts, the query, the JSON body (`{}` without one) and the files."""

    core: Core
    params: dict[str, str]
    query: dict[str, str]
    body: Any
    files: list[Upload]

    @property
    def form(self) -> JSON:
        """The body as an object. Raises 50035 when it is something else."""
        if not isinstance(self.body, dict):
            raise DiscordError(400, 50035, "Invalid Form Body")
        return self.body

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """An integer of the query. Raises 50035 out of bounds."""
        text = self.query.get(name, str(default))
        if not text.isdigit() or not low <= int(text) <= high:
            raise invalid_form(name, "NUMBER_TYPE_RANGE", f"int value should be between {low} and {high}.")
        return int(text)


Handler = Callable[[Call], Any]
"""Returns JSON for a 200, or None for a 204."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`path` is the pattern as in Discord's description; `open` routes need no bot token."""

    name: str
    method: str
    path: str
    handler: Handler
    open: bool = False


ROUTES: list[Route] = []


H = TypeVar("H", bound=Handler)


def route(name: str, method: str, path: str, *, open: bool = False) -> Callable[[H], H]:
    """Register the decorated function as a REST route."""

    def register(handler: H) -> H:
        ROUTES.append(Route(name=name, method=method, path=path, handler=handler, open=open))
        return handler

    return register
