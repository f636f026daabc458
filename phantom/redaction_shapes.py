"""Secrets that nobody declared, known by their shape: what the vendors' and our own tokens look like.

Two kinds: tokens, which are what they are wherever they stand, and sayings (`token=…`, `Bearer …`), where the words
before a value tell that it is one. What does *not* live here: values that are known (`redaction_search.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from phantom.redaction_search import MASK


@dataclass(frozen=True, slots=True)
class Shape:
    """`pattern` is tried only where one of `triggers` is in the text's lower case; `replacement` as for `re.sub`."""

    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str = MASK


TOKENS = (
    # Slack: bot, user, app-level, rotated (xoxe.xoxb-…, xoxe-…) and legacy tokens; incoming webhook paths.
    Shape(("xox", "xapp-"), re.compile(r"(?:xoxe\.)?xox[a-z]-[A-Za-z0-9-]{4,}|xapp-[A-Za-z0-9-]{4,}")),
    Shape(("slack.com/",), re.compile(r"(hooks\.slack\.com/[a-z]{1,12}/)[A-Za-z0-9/_-]{8,}"), r"\1" + MASK),
    # Discord: webhook addresses; interaction tokens, whose base64 begins with "interaction:".
    Shape(("webhooks/",), re.compile(r"(/api/(?:v\d{1,2}/)?webhooks/\d{15,21}/)[\w-]{20,}"), r"\1" + MASK),
    Shape(("aw50zxjhy3rpb246",), re.compile(r"aW50ZXJhY3Rpb246[\w+/=-]{20,}")),
    # Our bridge's secrets, our encryption keys, and Standard Webhooks' (https://www.standardwebhooks.com).
    Shape(("phb_",), re.compile(r"\bphb_[0-9A-Za-z]{24,}")),
    Shape(("pek_",), re.compile(r"\bpek_[0-9a-f]{8}_[\w-]{16,}")),
    Shape(("whsec_", "whsk_"), re.compile(r"\b(?:whsec|whsk)_[\w+/=-]{16,}")),
    # Models, code hosts, clouds, registries, secret managers.
    Shape(
        ("sk-", *(f"gh{kind}_" for kind in "pousr"), "github_pat_"),
        # With a digit or a capital letter: sk-loading-indicator is a style.
        re.compile(r"\b(sk-|gh[pousr]_|github_pat_)(?=[\w-]{0,128}[0-9A-Z])[\w-]{16,}"),
        r"\1" + MASK,
    ),
    Shape(("k_live_", "k_test_"), re.compile(r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}")),
    Shape(("akia", "asia"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    Shape(("aiza",), re.compile(r"\bAIza[\w-]{30,}")),
    Shape(("hvs.", "hvb."), re.compile(r"\bhv[sb]\.[\w-]{20,}")),
    Shape(
        ("glpat-", "npm_", "hf_", "pypi-"),
        re.compile(r"\b(?:glpat-|npm_|hf_|pypi-)(?=[\w-]{0,128}[0-9A-Z])[\w-]{20,}"),
    ),
    # JSON Web Tokens.
    Shape(("eyj",), re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
)

_DISCORD = re.compile(r"\b[MNO][\w-]{22,28}\.[\w-]{5,8}\.[\w-]{25,}")
"""Discord bot tokens: base64 id, timestamp, HMAC."""
_DISCORD_MIDDLE = re.compile(r"\.[\w-]{5,8}\.[\w-]{25}")
_DISCORD_LENGTH = 55

_KEY_BEGINS = re.compile(r"-----BEGIN ([A-Z ]{0,20}PRIVATE KEY)-----")
_KEY_BODY = re.compile(
    r"(?:(?:\s|\\[rn]){0,8}[A-Za-z0-9+/=]{16,}){1,512}(?:(?:\s|\\[rn]){1,8}[A-Za-z0-9+/=]{1,15}\b=*)?"
)
_LONGEST_KEY = 16_384

SAYINGS = (
    Shape(("bearer",), re.compile(r"(?i)\bbearer\s{1,4}[\w.~+/=:-]{6,}"), "Bearer " + MASK),
    Shape(
        ("authorization",),
        re.compile(r"(?i)(authorization[\"']?[:=]\s{0,4}[\"']?)[a-z]{0,12}\s{0,4}[\w.~+/=:-]{6,}"),
        r"\1" + MASK,
    ),
    Shape(("://",), re.compile(r"(://[^\s/@:]{0,64}:)[^\s/@]{1,256}(@)"), r"\1" + MASK + r"\2"),
    # `token=…`, `"api_key": "…"`: long, with a digit, so that names of secrets stay readable.
    Shape(
        ("token", "secret", "passw", "api", "signature", "ticket", "authorization"),
        re.compile(
            r"(?i)((?:token|secret|passw(?:or)?d|api[_-]?key|signature|ticket|authorization)[\"']?\s{0,2}[=:]\s{0,2}"
            r"[\"']?)(?=[^\s\"'&,;)}\]]{0,128}\d)[^\s\"'&,;)}\]]{16,}"
        ),
        r"\1" + MASK,
    ),
)

_TOKEN_TRIGGERS = tuple((trigger, shape) for shape in TOKENS for trigger in shape.triggers)
_SAYING_TRIGGERS = tuple((trigger, shape) for shape in SAYINGS for trigger in shape.triggers)


def mask_tokens(text: str) -> str:
    """Mask whatever is a token wherever it stands."""
    lower = text.lower()
    return _masked_keys(_masked_discord(_masked(text, lower, _TOKEN_TRIGGERS)), lower)


def mask_shapes(text: str) -> str:
    """Mask tokens and values that the words before them give away."""
    lower = text.lower()
    text = _masked_keys(_masked_discord(_masked(text, lower, _TOKEN_TRIGGERS)), lower)
    return _masked(text, lower, _SAYING_TRIGGERS)


def _masked(text: str, lower: str, triggers: tuple[tuple[str, Shape], ...]) -> str:
    for trigger, shape in triggers:
        if trigger in lower:
            text = shape.pattern.sub(shape.replacement, text)
    return text


def _masked_discord(text: str) -> str:
    if len(text) < _DISCORD_LENGTH or _DISCORD_MIDDLE.search(text) is None:
        return text
    return _DISCORD.sub(MASK, text)


def _masked_keys(text: str, lower: str) -> str:
    """Mask private keys in PEM, also when they are cut off; a text that only speaks of them stays. By hand: a pattern
    that looks for the end after each beginning takes seconds on a text of nothing but beginnings.
    """
    if "private key" not in lower:
        return text
    pieces: list[str] = []
    done = 0
    while found := _KEY_BEGINS.search(text, done):
        start, body = found.span()
        ending = f"-----END {found[1]}-----"
        end = text.find(ending, body, body + _LONGEST_KEY)
        cut_off = _KEY_BODY.match(text, body, body + _LONGEST_KEY) if end < 0 else None
        if end >= 0 or cut_off is not None:
            pieces += [text[done:start], MASK]
            done = end + len(ending) if cut_off is None else cut_off.end()
        else:
            pieces.append(text[done:body])
            done = body
    return "".join((*pieces, text[done:]))
