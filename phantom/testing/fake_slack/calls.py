"""The record of what the app asked Slack for, and the error envelope that an answer may be. Tokens are never in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phantom.testing.fake_slack.model import JSON

if TYPE_CHECKING:
    from phantom.testing.fake_slack.core import Core


class SlackError(Exception):
    """Raised inside a method: becomes `{"ok": false, "error": code, …extra}` with HTTP 200, as Slack does it."""

    def __init__(self, code: str, **extra: object) -> None:
        super().__init__(code)
        self.code = code
        self.extra = extra


@dataclass(slots=True, kw_only=True)
class ApiCall:
    """One request to `/api/<method>` or to a response URL (`method` is `response_url`).

    `error` is Slack's code when `ok` is false; `lost` says that the answer never left (the call may be applied).
    """

    method: str
    args: JSON
    at: float
    status: int = 200
    ok: bool = True
    error: str = ""
    lost: bool = False
    applied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a method gets: the world, its arguments with JSON fields parsed, and the token's kind (`bot` or `app`)."""

    core: Core
    method: str
    args: JSON
    token_kind: str

    def text(self, name: str, *, required: str = "") -> str:
        """A string argument; `required` is the error code when it is missing or empty."""
        value = self.args.get(name)
        if value in (None, ""):
            if required:
                raise SlackError(required)
            return ""
        return str(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean argument in any of its wire forms."""
        value = self.args.get(name)
        if value is None:
            return default
        return str(value).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        """An integer argument; `invalid_arguments` when it is not one."""
        value = self.args.get(name)
        if value in (None, ""):
            return default
        try:
            return int(str(value))
        except ValueError:
            raise SlackError("invalid_arguments") from None


Handler = Callable[[Call], JSON]
METHODS: dict[str, tuple[Handler, str]] = {}
"""Method name to handler and the scope that it needs (empty: none)."""


def method(name: str, scope: str = "") -> Callable[[Handler], Handler]:
    """Register the decorated function as a Web API method."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = (handler, scope)
        return handler

    return register
