"""The channel's errors in the bridge's terms: one code, Slack's own word for it, and the cure.

What does *not* live here: Slack's answers to errors of the channel (`errors.py`). Of an answer only Slack's code
crosses. Codes: the "Errors" list of each method at https://docs.slack.dev/reference/methods.
"""

from __future__ import annotations

import math
from typing import Any

from phantom.apps import ActionRefused
from phantom.errors import AuthError, ChannelError, ConnectError, DeliveryUnknown, Forbidden, RateLimited

FORBIDDEN, NOT_FOUND, INVALID, UNAVAILABLE, INTERNAL = (
    "FORBIDDEN",
    "NOT_FOUND",
    "INVALID_REQUEST",
    "SERVICE_UNAVAILABLE",
    "INTERNAL_ERROR",
)
TRIGGER_GONE = frozenset(
    {"expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged", "invalid_trigger_id"}
)
_NOT_FOUND = TRIGGER_GONE | {
    "channel_not_found",
    "message_not_found",
    "thread_not_found",
    "user_not_found",
    "users_not_found",
    "file_not_found",
}
_FORBIDDEN = frozenset(
    {
        "not_in_channel",
        "user_not_in_channel",
        "is_archived",
        "cant_update_message",
        "cant_delete_message",
        "edit_window_closed",
        "compliance_exports_prevent_deletion",
        "posting_to_general_channel_denied",
        "posting_to_channel_denied",
        "not_reactable",
        "user_disabled",
    }
)
_CURES = {
    "message_not_found": "check channelId and messageId; a message inside a thread is read with its threadId",
    "cant_update_message": "a bot changes only its own messages",
    "cant_delete_message": "a bot deletes only its own messages",
    "msg_too_long": "40,000 characters in a message, 4,000 in slack.updateMessage",
    "msg_blocks_too_long": "send fewer or shorter blocks",
    "invalid_blocks": "check the blocks against https://docs.slack.dev/reference/block-kit/blocks",
    "invalid_blocks_format": "check the blocks against https://docs.slack.dev/reference/block-kit/blocks",
    "invalid_name": "give the name of an emoji of this workspace, without colons",
    "user_not_in_channel": "only people who are in the conversation can be shown something there",
}
_LOOK = "look whether it was done before you ask again"


def invalid(message: str, hint: str = "") -> ActionRefused:
    """What the app asked for cannot be."""
    return ActionRefused(INVALID, message, hint=hint)


def not_connected() -> ActionRefused:
    """Slack has not confirmed yet who we are."""
    return ActionRefused(
        UNAVAILABLE,
        "the Slack channel is not connected yet",
        hint="see `phantom status`",
        details={"retryable": True},
        retryable=True,
    )


def token_refused(error: AuthError) -> ActionRefused:
    """Slack refuses the bot's own token: nothing that an app could do about it."""
    return ActionRefused(
        UNAVAILABLE, "Slack refuses the bot's token", hint=error.hint, details={"slackCode": error.code}
    )


def refusal(error: ChannelError, *, look: str = _LOOK) -> ActionRefused:
    """The same error for an app. `look`: the cure where it may have been done."""
    if isinstance(error, RateLimited):
        seconds = error.retry_after or 1.0
        return ActionRefused(
            UNAVAILABLE,
            error.message,
            hint=f"try again in {math.ceil(seconds)} s",
            details={"slackCode": "ratelimited", "retryable": True, "retryAfterMs": math.ceil(seconds * 1000)},
            retryable=True,
            retry_after=seconds,
        )
    if isinstance(error, DeliveryUnknown):
        return ActionRefused(UNAVAILABLE, error.message, hint=look, unknown=True)
    if isinstance(error, ConnectError):
        return ActionRefused(UNAVAILABLE, error.message, hint=error.hint, details={"retryable": True}, retryable=True)
    details: dict[str, Any] = {"slackCode": error.code}
    return ActionRefused(_code(error), error.message, hint=error.hint or _CURES.get(error.code, ""), details=details)


def _code(error: ChannelError) -> str:
    if error.code in _NOT_FOUND:
        return NOT_FOUND
    if isinstance(error, Forbidden) or error.code in _FORBIDDEN:
        return FORBIDDEN
    return INTERNAL if error.code.startswith("http_") else INVALID
