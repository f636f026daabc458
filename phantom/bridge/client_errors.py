"""What can go wrong for an app that uses the bridge. All are `BridgeError`s; none holds a secret or content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantom.bridge.diagnosis import Report
from phantom.errors import BridgeError


class BridgeUnavailable(BridgeError):
    """No bridge could be reached in time, or the connection ended. The client goes on trying."""

    code = "bridge_unavailable"
    retryable = True


class SecretRefused(BridgeError):
    """The bridge refused the secret, or revoked it. Permanent: the client does not try again by itself. `reason` is one
    of unknown_secret_id, invalid_secret, ambiguous_secret, expired, locked_out, revoked.
    """

    code = "secret_refused"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(
            message, hint="check the secret and its id; `phantom bridge secret list` shows what is in force"
        )
        self.reason = reason


class StrictStartRefused(BridgeError):
    """What the app needs and what it was granted do not fit. `report` has each misfit with its cure."""

    code = "strict_start_refused"

    def __init__(self, report: Report) -> None:
        super().__init__(f"the bridge does not grant what the manifest says:\n{report}")
        self.report = report


class ActionFailed(BridgeError):
    """An action was not done. `bridge_code` is the wire's code (FORBIDDEN, NOT_FOUND, INVALID_REQUEST,
    SERVICE_UNAVAILABLE, INTERNAL_ERROR, TIMEOUT, DISCONNECTED, UNAUTHORIZED); `unknown`: it may have been done.
    """

    code = "action_failed"

    def __init__(self, action: str, bridge_code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        details = dict(details or {})
        after = details.get("retryAfterMs")
        super().__init__(
            f"{action}: {bridge_code}: {message}",
            hint=str(details.get("cure", "")),
            retryable=details.get("retryable") is True,
            retry_after=after / 1000 if isinstance(after, int | float) else None,
        )
        self.action = action
        self.bridge_code = bridge_code
        self.details = details
        self.unknown = details.get("unknown") is True
