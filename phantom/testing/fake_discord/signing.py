"""Discord's signature on what it posts: Ed25519 over the timestamp's text and then the raw body.

Facts: docs.discord.com, "Receiving and Responding to Interactions" and "Webhook Events": headers `X-Signature-Ed25519`
(hex) and `X-Signature-Timestamp` (Unix seconds).
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def new_private_key() -> str:
    """A fresh seed of 32 bytes, in hex."""
    return secrets.token_hex(32)


def public_key_of(private_key: str) -> str:
    """The public key in hex, as the developer portal shows it."""
    return _key(private_key).public_key().public_bytes_raw().hex()


def sign_interaction(private_key: str, timestamp: str, body: bytes) -> str:
    """The signature in hex. `private_key` is a seed of 32 bytes in hex."""
    return _key(private_key).sign(timestamp.encode() + body).hex()


def _key(private_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_key))
