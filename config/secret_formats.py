"""Whether a secret's text can be what its name says: the shapes that platforms give their tokens. Pure.

What is wrong is said in words that hold nothing of the value. A shape that does not fit is a warning, never a refusal:
platforms change their shapes. What does *not* live here: whether a secret is accepted (its platform knows).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from config.secret_catalogue import DATABASE
from config.secret_names import OF_ENDPOINTS

_PLACEHOLDER = re.compile(
    r"(?i)change.?me|your[-_ ]|example|placeholder|dummy|xxxx|<[^>]*>|\.\.\.|\u2026|todo|insert|^(?:xoxb|xapp|sk)-?$"
)
_DISCORD = re.compile(r"[\w-]{18,40}\.[\w-]{4,10}\.[\w-]{20,}")
_PEM = "-----BEGIN "
_KEY = re.compile(r"pek_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
_LEAST = 8
_LONG = 48
"""From so many characters on it is no placeholder, whatever words are in it by chance."""
_LEAST_VERIFYING = 24
"""Characters of a secret that signatures are checked with, which somebody may try to guess offline."""
_LEAST_DISTINCT = 8
"""Different characters of such a secret; a random one has more."""
_LEAST_PASSWORD = 16
"""Characters of a password that only programs type; whoever has seen one login may try to guess it offline."""


def why_malformed(name: str, text: str, category: str = "") -> str:
    """What is wrong with the text, "" when nothing is. The name decides which shape is meant; a password of a database
    may be of any characters.
    """
    own = _OWN.get(_family(name)) or (_verifying if OF_ENDPOINTS.fullmatch(name) else None)
    return _in_general(text, free=category == DATABASE) or (own(text) if own is not None else "")


def _family(name: str) -> str:
    """`slack_signing_secret` for `slack_signing_secret_previous`."""
    return name.removesuffix("_previous")


def _in_general(text: str, *, free: bool) -> str:
    if text.lstrip().startswith(_PEM):
        return ""
    checks = _GENERAL if free else (*_GENERAL, *_TOKEN)
    return next((what for wrong, what in checks if wrong(text)), "")


_GENERAL: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda text: not text.strip(), "is empty"),
    (lambda text: text != text.strip(), "has spaces or line ends at its edges"),
    (lambda text: "\n" in text or "\r" in text, "has more than one line"),
    (lambda text: not text.isprintable(), "holds control characters"),
    (lambda text: text[0] == text[-1] and text[0] in "\"'`", "is in quotes, which are part of it now"),
    (lambda text: len(text) < _LEAST, f"is shorter than {_LEAST} characters"),
    (lambda text: len(text) < _LONG and _PLACEHOLDER.search(text), "looks like a placeholder"),
)
_TOKEN: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda text: " " in text, "holds spaces"),
    (lambda text: not text.isascii(), "holds characters that no token has (not ASCII)"),
)


def _slack_bot(text: str) -> str:
    if text.startswith(("xoxb-", "xoxe.xoxb-")):
        return "" if len(text) >= 16 else "is too short for a bot token"
    kinds = {"xapp-": "an app-level token", "xoxp-": "a user token", "xoxe-": "a refresh token"}
    is_a = next((f"is {what}; " for prefix, what in kinds.items() if text.startswith(prefix)), "")
    return f"{is_a}a bot token begins with xoxb-"


def _slack_app(text: str) -> str:
    if text.startswith("xapp-"):
        return "" if len(text) >= 16 else "is too short for an app-level token"
    is_a = "is a bot token; " if text.startswith("xoxb-") else ""
    return f"{is_a}an app-level token begins with xapp-"


def _discord_bot(text: str) -> str:
    if text.startswith(("Bot ", "Bearer ")):
        return "begins with a word that is not part of it"
    if _DISCORD.fullmatch(text) is None:
        return "is not of the three parts, separated by dots, that a bot token has"
    return ""


def _hex(digits: int) -> Callable[[str], str]:
    shape = re.compile(rf"[0-9a-fA-F]{{{digits}}}")
    return lambda text: "" if shape.fullmatch(text) else f"is not {digits} hex digits"


def _beginning(prefix: str, *others: str) -> Callable[[str], str]:
    """Begins with `prefix`; `others` are longer prefixes, of other providers, that begin alike."""

    def check(text: str) -> str:
        if text.startswith(prefix) and not text.startswith(others):
            return ""
        return (
            f"does not begin with {prefix}" if not others else f"does not look like a key of this provider ({prefix}…)"
        )

    return check


def _ring(text: str) -> str:
    """`phantom.storage.key_ring` looks closer: whether each key is whole."""
    keys = [key.strip() for key in text.split(",")]
    if keys[0] == "plain":
        return ""
    return (
        "" if all(_KEY.fullmatch(key) for key in keys) else "is not a ring of keys, each pek_, 8 hex digits, _ and more"
    )


def _verifying(text: str) -> str:
    if len(text) >= _LEAST_VERIFYING and len(set(text.removeprefix("whsec_"))) < _LEAST_DISTINCT:
        return "is not random: it repeats a few characters"
    if text.startswith("whsec_"):
        bare = text.removeprefix("whsec_").rstrip("=")
        try:
            size = len(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
        except (binascii.Error, ValueError):
            return "begins with whsec_, and what follows is not base64"
        return "" if 24 <= size <= 64 else "holds fewer than 24 or more than 64 bytes behind whsec_"
    return "" if len(text) >= _LEAST_VERIFYING else f"is shorter than {_LEAST_VERIFYING} characters: it can be guessed"


def _password(text: str) -> str:
    if "://" in text:
        return "is an address; the password alone belongs here"
    return "" if len(text) >= _LEAST_PASSWORD else f"is shorter than {_LEAST_PASSWORD} characters: it can be guessed"


_OWN: dict[str, Callable[[str], str]] = {
    "slack_bot_token": _slack_bot,
    "slack_app_token": _slack_app,
    "slack_signing_secret": _hex(32),
    "slack_gateway_signing_secret": _verifying,
    "discord_bot_token": _discord_bot,
    "discord_public_key": _hex(64),
    "anthropic_api_key": _beginning("sk-ant-"),
    "openai_api_key": _beginning("sk-", "sk-ant-", "sk-or-"),
    "openrouter_api_key": _beginning("sk-or-"),
    "encryption_key": _ring,
    "webhook_secret_default": _verifying,
    "webhook_secret_backup": _verifying,
    "database_password": _password,
}
