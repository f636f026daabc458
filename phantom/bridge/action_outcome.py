"""Who asked for an action, what was answered, and the refusals that the bridge itself makes."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from phantom.apps import ActionRefused
from phantom.bridge import protocol
from phantom.bridge.grants import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `grant` is asked live; None once the secret is revoked."""

    connection_id: str
    app_name: str
    secret_id: str
    address: str
    grant: Callable[[], Grant | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer: `data`, or a bridge `code` with a sentence and details."""

    ok: bool
    data: Any = None
    code: str = ""
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


Reply = Callable[[Outcome], None]


def refuse(
    code: str,
    message: str,
    *,
    retryable: bool = False,
    retry_after: float | None = None,
    details: Mapping[str, Any] | None = None,
) -> ActionRefused:
    """A refusal of the bridge's own. `retry_after` is in seconds."""
    return ActionRefused(code, message, retryable=retryable, retry_after=retry_after, details=details)


def not_known(message: str) -> ActionRefused:
    """Nobody can say whether it was done."""
    return ActionRefused(protocol.SERVICE_UNAVAILABLE, message, unknown=True)


def refused(error: ActionRefused) -> Outcome:
    """A refusal as the wire has it."""
    details = dict(error.details)
    if error.bridge_code == protocol.SERVICE_UNAVAILABLE:
        details["retryable"] = error.retryable
    if error.retry_after is not None:
        details["retryAfterMs"] = int(error.retry_after * 1000)
    if error.unknown:
        details["unknown"] = True
    if error.hint:
        details["cure"] = error.hint
    return Outcome(ok=False, code=error.bridge_code, message=error.message, details=details)


def busy(message: str, retry_after_ms: int) -> Outcome:
    """Certainly not done; worth asking again."""
    details = {"retryable": True, "reason": "action_queue", "retryAfterMs": retry_after_ms}
    return Outcome(ok=False, code=protocol.SERVICE_UNAVAILABLE, message=message, details=details)


def timed_out(message: str, *, unknown: bool = False) -> Outcome:
    """Too late. `unknown`: it was begun, so it may have been done."""
    return Outcome(ok=False, code=protocol.TIMEOUT, message=message, details={"unknown": True} if unknown else {})


def crashed(name: str, *, unknown: bool) -> Outcome:
    """A fault of ours. `unknown`: the channel was asked before."""
    message = f"{name} failed inside the bot; its log says where"
    details = {"unknown": True} if unknown else {}
    return Outcome(ok=False, code=protocol.INTERNAL_ERROR, message=message, details=details)


def place_of(error: BaseException | None) -> str:
    """Where in the code something went wrong. What it said is left out: that may be private."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""
