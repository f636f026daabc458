"""Is a post really Discord's, and fresh? Ed25519 over timestamp and raw body. Pure arithmetic, no I/O.

https://docs.discord.com/developers/interactions/overview#validating-security-request-headers. Discord sends forged
posts now and then and wants them answered 401.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE, TIMESTAMP = b"x-signature-ed25519", b"x-signature-timestamp"
MAX_AGE = 300.0
"""Seconds that a post may be older, or newer, than now."""
_HEX = re.compile(rb"[0-9a-fA-F]{128}")
_DIGITS = re.compile(rb"[0-9]{1,12}")


class Claim(NamedTuple):
    """What the head of a post says of its signature."""

    signature: bytes
    timestamp: bytes


def read(headers: Mapping[bytes, bytes], now: float) -> Claim | str:
    """The claim in the headers, or why there is none (a short metric label)."""
    signature, timestamp = headers.get(SIGNATURE), headers.get(TIMESTAMP)
    if signature is None or timestamp is None:
        return "unsigned"
    if not _HEX.fullmatch(signature) or not _DIGITS.fullmatch(timestamp):
        return "bad_header"
    if abs(now - int(timestamp)) > MAX_AGE:
        return "stale"
    return Claim(bytes.fromhex(signature.decode("ascii")), timestamp)


class Keys:
    """Public keys, made ready once for many posts. `public_keys` are 64 hex digits each."""

    def __init__(self, public_keys: Sequence[str]) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        self._keys: list[Ed25519PublicKey] = [
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for key in public_keys
        ]

    def signed(self, claim: Claim, body: bytes) -> bool:
        """Whether one of the keys signed timestamp and body."""
        from cryptography.exceptions import InvalidSignature

        for key in self._keys:
            try:
                key.verify(claim.signature, claim.timestamp + body)
            except InvalidSignature:
                continue
            return True
        return False
