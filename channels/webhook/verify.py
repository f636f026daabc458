"""Is a post authentic and fresh? Pure functions over header and body bytes; nothing here reads time, secrets or JSON.

Two profiles. *Standard Webhooks* (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` in seconds and
`webhook-signature`, a space-separated list of `v1,<base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>">`. *Plain*:
`X-Webhook-Timestamp` in seconds and `X-Webhook-Signature: sha256=<hex of HMAC-SHA256 over "<timestamp>.<body>">`,
maybe `X-Webhook-Id`. Garbage never raises: it is a reason label. What does *not* live here: the order of checks and the
answers (`receiver.py`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple

from channels.webhook.secret_format import Key

WINDOW = 300
"""A post is fresh when its stamp differs from now by at most this many seconds, either way, bound included."""
MAX_SIGNATURES = 16

UNSIGNED = "unsigned"
AMBIGUOUS = "ambiguous"
BAD_ID = "malformed_id"
BAD_HEADER = "malformed_signature"
BAD_STAMP = "malformed_timestamp"
STALE = "stale"
FUTURE = "future"
REASONS = (UNSIGNED, AMBIGUOUS, BAD_ID, BAD_HEADER, BAD_STAMP, STALE, FUTURE)
"""All that `read` answers instead of a claim."""

_STAMP = re.compile(rb"[0-9]{1,12}")  # bytes patterns know ASCII digits only
_STANDARD_ID = re.compile(rb"[A-Za-z0-9_:-]{1,128}")
"""No full stop: it separates id, timestamp and body under the signature."""
_PLAIN_ID = re.compile(rb"[A-Za-z0-9_:.-]{1,128}")
_PLAIN = re.compile(rb"sha256=([0-9a-fA-F]{64})")
_MAC_BASE64 = re.compile(rb"v1,([A-Za-z0-9+/]{43}=)")
_MAX_HEADER = 2048


class Claim(NamedTuple):
    """What the headers of one post claim. `id` is the sender's name for the post, "" when it has none; `macs` are raw.

    In the plain profile the id is not under the signature: somebody who saw a post could send it again under another
    one, so there only the signature itself names the post.
    """

    standard: bool
    id: str
    stamp: bytes
    macs: tuple[bytes, ...]

    @property
    def event_id(self) -> str:
        """What names the post beyond doubt: the signed id, else the signature."""
        if self.standard:
            return self.id
        return "s" + hashlib.sha256(self.macs[0]).hexdigest()[:40]


def read(headers: Mapping[bytes, bytes], now: float) -> Claim | str:
    """The claim of a well-formed, fresh head; otherwise the reason label. `now` is seconds since the epoch."""
    standard, plain = headers.get(b"webhook-signature"), headers.get(b"x-webhook-signature")
    if standard and plain:
        return AMBIGUOUS
    if standard:
        return _standard(headers, standard, now)
    return _plain(headers, plain, now) if plain else UNSIGNED


def _standard(headers: Mapping[bytes, bytes], signature: bytes, now: float) -> Claim | str:
    event_id = headers.get(b"webhook-id", b"")
    if not _STANDARD_ID.fullmatch(event_id):
        return BAD_ID
    parts = signature.split(b" ") if len(signature) <= _MAX_HEADER else []
    if not 0 < len(parts) <= MAX_SIGNATURES:
        return BAD_HEADER
    # Entries of other versions (v1a is Ed25519) are for others.
    macs = tuple(binascii.a2b_base64(found[1]) for part in parts if (found := _MAC_BASE64.fullmatch(part)))
    if not macs:
        return BAD_HEADER
    stamp = headers.get(b"webhook-timestamp", b"")
    return _drift(stamp, now) or Claim(True, event_id.decode("ascii"), stamp, macs)


def _plain(headers: Mapping[bytes, bytes], signature: bytes, now: float) -> Claim | str:
    event_id = headers.get(b"x-webhook-id", b"")
    if event_id and not _PLAIN_ID.fullmatch(event_id):
        return BAD_ID
    found = _PLAIN.fullmatch(signature)
    if not found:
        return BAD_HEADER
    stamp = headers.get(b"x-webhook-timestamp", b"")
    mac = binascii.unhexlify(found[1])
    return _drift(stamp, now) or Claim(False, event_id.decode("ascii"), stamp, (mac,))


def _drift(stamp: bytes, now: float) -> str:
    """The reason label of a stamp outside the window, "" inside."""
    if not _STAMP.fullmatch(stamp):
        return BAD_STAMP
    age = round(now) - int(stamp)
    if age > WINDOW:
        return STALE
    return FUTURE if age < -WINDOW else ""


def matches(claim: Claim, body: bytes, key: Key) -> bool:
    """Whether one of the claim's MACs is right under `key`. Each comparison takes constant time."""
    if not claim.standard:
        return hmac.compare_digest(plain_mac(key.plain, claim.stamp, body), claim.macs[0])
    # What stands for no base64 is the key as it is: the libraries take bytes too. JSON never begins like the timestamp
    # and full stop by which the two profiles differ, so a signature of one is of no use in the other.
    right = standard_mac(key.plain if key.standard is None else key.standard, claim.id.encode(), claim.stamp, body)
    found = False
    for mac in claim.macs:
        found |= hmac.compare_digest(right, mac)
    return found


def standard_mac(key: bytes, event_id: bytes, stamp: bytes, body: bytes) -> bytes:
    """HMAC-SHA256 as Standard Webhooks has it."""
    return hmac.digest(key, b"%b.%b.%b" % (event_id, stamp, body), "sha256")


def plain_mac(key: bytes, stamp: bytes, body: bytes) -> bytes:
    """HMAC-SHA256 of the plain profile."""
    return hmac.digest(key, b"%b.%b" % (stamp, body), "sha256")


def signed_headers(event_id: str, now: float, body: bytes, keys: tuple[Key, ...]) -> dict[str, str]:
    """The headers of a post of ours. Standard Webhooks under every key that has that form, so that a receiver may hold
    either secret while one is rotated; where none has it, the plain profile under the first key.
    """
    stamp = str(int(now)).encode()
    standard = [key.standard for key in keys if key.standard is not None]
    if not standard:
        mac = plain_mac(keys[0].plain, stamp, body).hex()
        return {
            "X-Webhook-Id": event_id,
            "X-Webhook-Timestamp": stamp.decode(),
            "X-Webhook-Signature": f"sha256={mac}",
        }
    macs = [base64.b64encode(standard_mac(key, event_id.encode(), stamp, body)).decode() for key in standard]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp.decode(),
        "webhook-signature": " ".join(f"v1,{mac}" for mac in macs),
    }
