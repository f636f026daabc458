"""The key by which a redelivered payload is known again. Pure.

The sender's id comes first, then Slack's `event_id`, then the MAC: a replay of the same bytes has the same MAC.
"""

from __future__ import annotations

import hashlib

_MAX = 200


def event_key(sent: bytes, in_body: object, mac: bytes) -> str:
    """The key of an HTTP post: id from the head, id in the body, or the MAC's 64 hex digits."""
    if sent:
        return clean(sent.decode("latin-1"))
    if type(in_body) is str and in_body:
        return clean(in_body)
    return mac.decode("ascii")


def clean(key: str) -> str:
    """`key` itself while it is short printable ASCII, otherwise a hash of it: it ends up in rows, names and logs."""
    if len(key) <= _MAX and key.isascii() and key.isprintable():
        return key
    return "h" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
