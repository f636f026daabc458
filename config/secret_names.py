"""The one list of secret names that Phantom may ask a source for, and the shape of a name.

Nothing outside this list ever becomes a request path or a file name. A plugin adds its own through its descriptor
(`declare`). What does *not* live here: values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from config.config_errors import did_you_mean
from phantom.errors import ConfigError, SecretError

PATTERN = re.compile(r"[a-z_][a-z0-9_]{0,63}")
"""Matched against the whole name (metadata contract)."""

BUILT_IN = frozenset(
    {
        "slack_bot_token",
        "slack_app_token",
        "slack_gateway_signing_secret",
        "slack_signing_secret",
        "discord_bot_token",
        "discord_public_key",
        "provider_token",
        "anthropic_api_key",
        "openai_api_key",
        "openrouter_api_key",
        "webhook_secret_default",
        "webhook_secret_backup",
        "bridge_secret",
        "encryption_key",
        "database_password",
    }
)

OF_ENDPOINTS = re.compile(r"webhook_[a-z0-9_]{1,56}")
"""The secrets of webhook endpoints beyond the default one, which a deployment names: `webhook_orders`."""

NEVER_BLANK = frozenset({"encryption_key"})
"""Secrets without which something is left open in silence: a variable set to nothing is a mistake, not "none"."""

_declared: set[str] = set()


def known() -> frozenset[str]:
    """Every name that may be asked for now."""
    return BUILT_IN | _declared


def declare(names: Iterable[str], *, by: str) -> None:
    """Add the names that the descriptor of `by` lists. Raises `ConfigError` for one of another shape."""
    for name in names:
        if PATTERN.fullmatch(name) is None:
            raise ConfigError(
                "declares a secret whose name is not of the shape [a-z_][a-z0-9_]{0,63}",
                where=by,
                hint="rename the secret in the descriptor",
            )
        _declared.add(name)


def check_shape(name: str) -> str:
    """`name`, if it is one; else `SecretError`, which does not repeat it: it could be a value."""
    if PATTERN.fullmatch(name) is None:
        raise SecretError("not a secret's name", hint="names are of the shape [a-z_][a-z0-9_]{0,63}")
    return name


def check(name: str) -> str:
    """`name`, if a live source may be asked for it; else `SecretError`."""
    check_shape(name)
    if name not in known() and OF_ENDPOINTS.fullmatch(name) is None:
        raise SecretError(f"unknown secret {name}", hint=did_you_mean(name, known(), what="secrets"))
    return name
