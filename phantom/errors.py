"""Every error Phantom raises on purpose, as one tree. What does *not* live here: translation from SDK errors.

    PhantomError
    ├── ConfigError                 a setting is wrong; the daemon does not start (exit 78, EX_CONFIG)
    ├── SecretError                 a secret is missing, malformed or refused
    ├── MetadataError               the metadata service failed or answered nonsense
    ├── ChannelError                one transport failed
    │   ├── ConnectError            no connection; worth another try
    │   ├── AuthError               credentials refused; permanent until the secret changes
    │   ├── VerificationError       an inbound request is not what it claims to be
    │   ├── MalformedEvent          an inbound payload cannot be understood
    │   ├── UnsupportedCapability   asked for something the channel does not promise
    │   └── DeliveryError           an outbound message did not (certainly) arrive
    │       ├── RateLimited         certainly not sent; try again after `retry_after`
    │       ├── ConversationGone    archived, deleted or left
    │       ├── Forbidden           the bot may not post there
    │       ├── MessageRejected     the platform refuses this content
    │       └── DeliveryUnknown     it may or may not have arrived: look before sending again
    ├── RoutingError                no route for an event
    ├── AgentError                  the agent failed
    ├── BridgeError                 a bridge app broke its contract
    └── StorageError                the data folder failed

The class says *where*, `retryable` says *what next*. Messages never contain a secret, a request body or a signature.
"""

from __future__ import annotations

EX_CONFIG = 78
"""Exit status for a configuration error (BSD sysexits.h, EX_CONFIG)."""


class PhantomError(Exception):
    """Root of the tree: what happened (`message`), the cure (`hint`), a stable `code`, and whether to try again.

    `retry_after` is in seconds and only a lower bound that the other side asked for.
    """

    code = "phantom_error"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(PhantomError):
    """A setting is wrong. `where` is `file: path.in.file` or the variable's name; the value is never part of it."""

    code = "config_error"

    def __init__(self, message: str, *, where: str = "", hint: str = "", code: str | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.where = where

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class SecretError(PhantomError):
    """A secret is missing, malformed or refused by its source."""

    code = "secret_error"


class MetadataError(PhantomError):
    """The metadata service failed or answered something outside its contract. Carries the status, never the body."""

    code = "metadata_error"

    def __init__(self, message: str, *, status: int | None = None, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message, hint=hint, retryable=retryable)
        self.status = status


class ChannelError(PhantomError):
    """One transport failed; the others live on."""

    code = "channel_error"


class ConnectError(ChannelError):
    """The platform could not be reached."""

    code = "connect_failed"
    retryable = True


class AuthError(ChannelError):
    """The platform refused the credentials. Permanent until the secret changes; never retried in a loop."""

    code = "auth_failed"


class VerificationError(ChannelError):
    """An inbound request is not authentic or not fresh. `reason` is a short metric label."""

    code = "verification_failed"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class MalformedEvent(ChannelError):
    """An inbound payload cannot be understood."""

    code = "malformed_event"


class UnsupportedCapability(ChannelError):
    """The channel was asked for something that it does not promise."""

    code = "unsupported_capability"


class DeliveryError(ChannelError):
    """An outbound message did not certainly arrive."""

    code = "delivery_failed"


class RateLimited(DeliveryError):
    """Certainly not sent. `retry_after` says for how many seconds to wait."""

    code = "rate_limited"
    retryable = True


class ConversationGone(DeliveryError):
    """The conversation is archived, deleted, or the bot is no longer in it."""

    code = "conversation_gone"


class Forbidden(DeliveryError):
    """The bot lacks a permission or scope there; `hint` names it where the platform does."""

    code = "forbidden"


class MessageRejected(DeliveryError):
    """The platform refuses this content (too long, malformed blocks, …)."""

    code = "message_rejected"


class DeliveryUnknown(DeliveryError):
    """The request left but no answer came: it may have arrived. Look before sending again."""

    code = "delivery_unknown"


class RoutingError(PhantomError):
    """No route for an event."""

    code = "routing_error"


class AgentError(PhantomError):
    """The agent failed; `hint` is fit to be shown to an operator, not to a chat user."""

    code = "agent_error"


class BridgeError(PhantomError):
    """A bridge app broke its contract."""

    code = "bridge_error"


class StorageError(PhantomError):
    """The data folder cannot be read or written."""

    code = "storage_error"
