"""What a bridge secret looks like, and what is kept of one: a digest.

A secret that we make is `phb_`, 43 characters of 32 random bytes in base 62, and six of their CRC-32: recognisable to a
scanner, and a slip of the pen is told from a wrong secret. With 256 random bits a plain SHA-256 is as good at rest as a
slow hash (nobody guesses them), and a login stays a matter of microseconds.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

PREFIX = "phb_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY, _CHECK = 43, 6
SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_BODY + _CHECK}}}")
MIN_LENGTH = 16
"""Characters of a secret that somebody chose himself."""
_DOMAIN = b"phantom-bridge-secret:"
HASH_SHAPE = re.compile(r"sha256:[0-9a-f]{64}")


def new_secret() -> str:
    """A fresh secret. Show it once; keep its `digest`."""
    body = _base62(int.from_bytes(secrets.token_bytes(32)), _BODY)
    return PREFIX + body + _check(body)


def well_formed(text: str) -> bool:
    """Whether a text is one of ours, checksum included. A text of another shape may still be an operator's own."""
    if SHAPE.fullmatch(text) is None:
        return False
    body = text[len(PREFIX) : -_CHECK]
    return _check(body) == text[-_CHECK:]


def digest(text: str) -> str:
    """What is kept of a secret: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(_DOMAIN + text.encode("utf-8", "surrogatepass")).hexdigest()


def why_unfit(text: str) -> str:
    """Why a chosen text cannot be a secret; "" when it can."""
    if not text.strip():
        return "is empty"
    if text != text.strip() or any(ord(character) < 32 or ord(character) == 127 for character in text):
        return "has spaces, line breaks or control characters at its edges or inside"
    if len(text) < MIN_LENGTH:
        return f"is shorter than {MIN_LENGTH} characters"
    if text.startswith(PREFIX) and not well_formed(text):
        return "starts like one of ours, but its checksum does not fit: it was cut or mistyped"
    return ""


def _check(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
