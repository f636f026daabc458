"""What a webhook secret may look like, and the two keys that it stands for. Pure; nothing here shows a value.

`whsec_` and base64 is the form of Standard Webhooks (https://www.standardwebhooks.com); any other text works for the
plain profile too. What does *not* live here: where secrets come from, and signatures (`verify.py`).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

PREFIX = "whsec_"
MIN_BYTES = 24
"""As Standard Webhooks asks: 24 to 64 bytes of key."""
MAX_CHARS = 512
MIN_DISTINCT = 8
"""A random text of this length has more different characters; `aaaa…` and `12341234…` have not."""
CURE = "make one with `python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"`"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class Key(NamedTuple):
    """What one secret signs with. `plain` is the text itself; `standard` the bytes that its base64 stands for, None
    where it stands for none or for too few. Where there are two they differ, so that a signature of one profile is
    never one of the other.
    """

    plain: bytes
    standard: bytes | None

    def __repr__(self) -> str:
        return "Key(…)"


def why_unfit(text: str) -> str:
    """Why `text` is no webhook secret, fit for print; "" when it is one."""
    reason = _why_odd(text)
    if reason:
        return reason
    if text.startswith(PREFIX):
        key = _decoded(text.removeprefix(PREFIX))
        if key is None:
            return "begins with whsec_, but what follows is not base64"
        return "" if len(key) >= MIN_BYTES else f"holds {len(key)} bytes after whsec_; at least {MIN_BYTES} are needed"
    return "" if len(text) >= MIN_BYTES else f"has {len(text)} characters; at least {MIN_BYTES} are needed"


def _why_odd(text: str) -> str:
    if not text.strip():
        return "is empty"
    if "\n" in text or "\r" in text:
        return "has more than one line"
    if any(one.isspace() for one in text):
        return "holds white space"
    if not text.isascii() or not text.isprintable():
        return "holds characters other than printable ASCII"
    if len(text) > MAX_CHARS:
        return f"is longer than {MAX_CHARS} characters"
    if len(text) >= MIN_BYTES and len(set(text.removeprefix(PREFIX))) < MIN_DISTINCT:
        return "is not random: it repeats a few characters"
    return ""


def key_of(text: str) -> Key | None:
    """The keys of a fit secret; None for an unfit one."""
    if why_unfit(text):
        return None
    standard = _decoded(text.removeprefix(PREFIX))
    return Key(text.encode(), standard if standard is not None and len(standard) >= MIN_BYTES else None)


def _decoded(text: str) -> bytes | None:
    """Base64, with or without its padding; None when it is none."""
    if not _BASE64.fullmatch(text):
        return None
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
