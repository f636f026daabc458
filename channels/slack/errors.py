"""Slack's error codes and the HTTP client's exceptions, translated once into `phantom.errors`.

What does *not* live here: deciding what to do about one (`web.py`, the engine). Messages carry the method and Slack's
code, never a response body: it may quote the message. Codes: the "Errors" list of each method at
https://docs.slack.dev/reference/methods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from phantom.errors import (
    AuthError,
    ChannelError,
    ConnectError,
    ConversationGone,
    DeliveryError,
    DeliveryUnknown,
    Forbidden,
    MessageRejected,
    RateLimited,
)

AUTH = frozenset(
    {
        "invalid_auth",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "not_authed",
        "team_access_not_granted",
        "user_removed_from_team",
    }
)
RATE = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
GONE = frozenset({"channel_not_found", "is_archived", "not_in_channel", "user_not_in_channel", "thread_not_found"})
FORBIDDEN = frozenset(
    {
        "missing_scope",
        "not_allowed_token_type",
        "no_permission",
        "access_denied",
        "ekm_access_denied",
        "org_login_required",
        "team_added_to_org",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked",
        "messages_tab_disabled",
        "cannot_dm_bot",
        "slack_connect_canvas_sharing_blocked",
    }
)
TOO_MUCH = frozenset({"msg_too_long", "msg_blocks_too_long", "too_many_attachments"})
BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "block_mismatch"})
GONE_MESSAGE = frozenset({"message_not_found", "cant_update_message", "cant_delete_message", "edit_window_closed"})
# "It's possible some aspect of the operation succeeded before the error was raised."
SERVER = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")

_CURES = {
    "not_in_channel": "invite the app to the channel: /invite @Phantom",
    "channel_not_found": "the conversation does not exist or the app is not in it: /invite @Phantom",
    "is_archived": "the channel is archived; unarchive it or talk elsewhere",
    "token_revoked": "reinstall the app in the workspace and set the new bot token",
    "account_inactive": "the app was uninstalled or its user deactivated; reinstall it and set the new bot token",
    "token_expired": "token rotation is on but the token was not renewed; set a fresh bot token",
    "invalid_auth": "check SLACK_BOT_TOKEN (xoxb-…) or the secret slack_bot_token; reinstall the app if in doubt",
    "not_authed": "set SLACK_BOT_TOKEN (xoxb-…) or the secret slack_bot_token",
    "not_allowed_token_type": "this call needs another kind of token: xoxb-… for the bot, xapp-… for Socket Mode",
    "messages_tab_disabled": "enable the Messages Tab under App Home in the app's settings",
    "restricted_action": "a workspace admin restricts who may post there",
}


def plain_code(code: str) -> str:
    """Slack's word, or `odd_code` for what does not look like one: codes become metric labels and log fields."""
    return code if _CODE.fullmatch(code) else "odd_code"


def from_answer(
    method: str, code: str, data: Mapping[str, Any], *, retry_after: float, idempotent: bool
) -> ChannelError:
    """The error for `{"ok": false, "error": code}`. `code` keeps Slack's own word as the error's code."""
    said = f"Slack refused {method}: {code}"
    hint = _CURES.get(code, "")
    if code in AUTH:
        return AuthError(said, hint=hint, code=code)
    if code in RATE:
        return RateLimited(
            said, hint=f"Slack asks to wait {retry_after:g} s", code="rate_limited", retry_after=retry_after
        )
    if code in GONE:
        return ConversationGone(said, hint=hint, code=code)
    if code in FORBIDDEN:
        return Forbidden(said, hint=_scope_cure(data) if code == "missing_scope" else hint, code=code)
    if code in TOO_MUCH or code in BLOCKS or code in GONE_MESSAGE:
        return MessageRejected(said, hint=hint, code=code)
    if code in SERVER:
        return lost(method, said, idempotent=idempotent)
    return DeliveryError(said, hint=hint, code=code)


def from_status(method: str, status: int, *, retry_after: float, idempotent: bool) -> ChannelError:
    """The error for an HTTP status without a Slack answer in the body."""
    said = f"Slack answered {method} with HTTP {status}"
    if status == 429:
        return RateLimited(said, hint=f"Slack asks to wait {retry_after:g} s", retry_after=retry_after)
    if status >= 500 or status == 200:
        return lost(method, said, idempotent=idempotent)
    return DeliveryError(said, code=f"http_{status}", hint="check SLACK_API_BASE_URL")


def lost(method: str, said: str, *, idempotent: bool) -> ChannelError:
    """The error for a request whose fate is unknown: harmless to repeat when idempotent, else to be looked up."""
    if idempotent:
        return ConnectError(said, hint="Slack or the network is in trouble; it is tried again")
    return DeliveryUnknown(said, hint=f"{method} may have been done; it is looked up before it is sent again")


def refused_connection(method: str) -> ConnectError:
    """The error for a connection that never came about: the request surely did not leave."""
    return ConnectError(f"cannot connect to Slack for {method}", hint="check the network, DNS and SLACK_API_BASE_URL")


def _scope_cure(data: Mapping[str, Any]) -> str:
    needed = data.get("needed")
    if not isinstance(needed, str) or not needed:
        return "add the missing scope under OAuth & Permissions and reinstall the app"
    return f"add the scope {needed} under OAuth & Permissions and reinstall the app"
