"""The channel's errors in the bridge's terms: one code, what Discord answered as numbers, and the cure.

What does *not* live here: Discord's answers to errors of the channel (`errors.py`). Nothing of an answer's body crosses
but Discord's code and the names of the fields that it complains of.
"""

from __future__ import annotations

import math
from typing import Any

from channels.discord.answered import Answered, answered
from phantom.apps import ActionRefused
from phantom.errors import ChannelError, ConnectError, DeliveryUnknown, PhantomError, RateLimited

FORBIDDEN, NOT_FOUND, INVALID, UNAVAILABLE, INTERNAL = (
    "FORBIDDEN",
    "NOT_FOUND",
    "INVALID_REQUEST",
    "SERVICE_UNAVAILABLE",
    "INTERNAL_ERROR",
)
_GONE = frozenset({50027, 160005})
"""An expired token of an interaction, a locked thread."""


_UNKNOWN = frozenset({*range(10_001, 10_010), 10_011, 10_062})
"""Something that is not there, whatever the status. A wrong emoji (10014, with status 400) is a wrong parameter."""
_FORBIDDEN = frozenset({50_001, 50_013})


def invalid(message: str, hint: str = "") -> ActionRefused:
    """What the app asked for cannot be."""
    return ActionRefused(INVALID, message, hint=hint)


def refusal(error: PhantomError) -> ActionRefused:
    """The same error for an app."""
    said = answered(error)
    details: dict[str, Any] = {}
    if said.status:
        details["discordStatus"] = said.status
    if said.code:
        details["discordCode"] = said.code
    if said.fields:
        details["fields"] = list(said.fields)
    if isinstance(error, RateLimited):
        return busy(error.message, error.retry_after or 1.0, details)
    if isinstance(error, DeliveryUnknown):
        return ActionRefused(
            UNAVAILABLE,
            error.message,
            hint="look whether it was done before you ask again; an idempotency key makes that safe",
            details=details,
            unknown=True,
        )
    if isinstance(error, ConnectError):
        details |= {"retryable": True}
        return ActionRefused(UNAVAILABLE, error.message, hint=error.hint, details=details, retryable=True)
    return ActionRefused(_code(error, said), error.message, hint=error.hint, details=details)


def busy(message: str, seconds: float, details: dict[str, Any] | None = None) -> ActionRefused:
    """Not now: try again after so many seconds."""
    told = {**(details or {}), "retryable": True, "retryAfterMs": math.ceil(seconds * 1000)}
    return ActionRefused(
        UNAVAILABLE,
        message,
        hint=f"try again in {math.ceil(seconds)} s",
        details=told,
        retryable=True,
        retry_after=seconds,
    )


def _code(error: PhantomError, said: Answered) -> str:
    if said.status == 401 and said.code not in _GONE:
        return UNAVAILABLE
    if said.code in _GONE or said.status == 404 or said.code in _UNKNOWN:
        return NOT_FOUND
    if said.status == 403 or said.code in _FORBIDDEN:
        return FORBIDDEN
    if 400 <= said.status < 500:
        return INVALID
    return INVALID if not said.status and isinstance(error, ChannelError) else INTERNAL
