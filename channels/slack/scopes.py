"""The bot scopes that Phantom needs, each with what stops working without it. The manifests are tested against this.

What does *not* live here: which scope a refused call asked for; Slack names that itself (`errors.py`).
https://docs.slack.dev/reference/scopes
"""

from __future__ import annotations

REQUIRED: dict[str, str] = {
    "app_mentions:read": "people cannot call Phantom with @ in a channel",
    "chat:write": "Phantom cannot answer at all",
    "im:history": "direct messages do not arrive",
    "im:write": "Phantom cannot open a direct message (introduction, answers to forms)",
    "channels:history": "follow-ups in threads of public channels do not arrive",
    "groups:history": "follow-ups in threads of private channels do not arrive",
    "mpim:history": "group direct messages do not arrive",
    "reactions:write": "no status marks on the messages that Phantom works on",
    "users:read": "Phantom cannot tell guests and people of other workspaces from members",
    "files:read": "files that people send cannot be read",
    "files:write": "the agent cannot send files",
    "commands": "no /phantom and no shortcuts",
}
"""Scope → what is missing without it."""

OPTIONAL: dict[str, str] = {
    "reactions:read": "ratings by reaction are not counted",
    "assistant:write": "no suggested prompts in Slack's agent view",
}
"""Scope → the comfort that is missing without it."""


def missing(granted: frozenset[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Required and optional scopes that `granted` lacks, with the consequences."""
    return (
        {scope: why for scope, why in REQUIRED.items() if scope not in granted},
        {scope: why for scope, why in OPTIONAL.items() if scope not in granted},
    )
