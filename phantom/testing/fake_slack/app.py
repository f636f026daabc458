"""The app under test as Slack knows it: ids, tokens, scopes, subscriptions and whether it is still installed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

_FROM_MANIFEST = """
app_mentions:read assistant:write channels:history channels:read chat:write chat:write.customize commands files:read
files:write groups:history groups:read im:history im:read im:write mpim:history mpim:read mpim:write reactions:read
reactions:write team:read users:read
"""
SCOPES = frozenset(_FROM_MANIFEST.split())
"""What an app installed from Phantom's manifest holds."""


def _token(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}-{secrets.token_hex(12)}"


@dataclass(slots=True, kw_only=True)
class FakeApp:
    """Installation state. `token_error` answers every call with the *current* bot token when set.

    `org_install`: installed on a whole Enterprise Grid organisation, so payloads name no team but the enterprise.
    `subscriptions` of None means every event; else names like `message.channels` and `app_mention`.
    """

    app_id: str = "A0PHANTOM01"
    bot_id: str = "B0PHANTOM01"
    bot_user_id: str = "U0PHANTOM01"
    bot_name: str = "phantom"
    verification_token: str = "unused-verification-token"
    org_install: bool = False
    bot_token: str = field(default_factory=lambda: _token("xoxb"), repr=False)
    app_token: str = field(default_factory=lambda: _token("xapp-1"), repr=False)
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    subscriptions: frozenset[str] | None = None
    token_error: str | None = None
    app_token_error: str | None = None
    retired_tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def judge(self, token: str | None) -> tuple[str, str]:
        """(kind, error) of a presented token: kind `bot` or `app`, error empty when it is good."""
        if not token:
            return "", "not_authed"
        if token == self.bot_token:
            return "bot", self.token_error or ""
        if token == self.app_token:
            return "app", self.app_token_error or ""
        return "", self.retired_tokens.get(token, "invalid_auth")

    def rotate_bot_token(self, old_error: str = "token_revoked") -> str:
        """Issue a new bot token; the old one answers `old_error` from now on. Returns the new one."""
        self.retired_tokens[self.bot_token] = old_error
        self.bot_token = _token("xoxb")
        self.token_error = None
        return self.bot_token

    def rotate_app_token(self) -> str:
        """Issue a new app-level token; the old one is `invalid_auth`."""
        self.app_token = _token("xapp-1")
        self.app_token_error = None
        return self.app_token
