"""Is a post authentic and fresh? Pure functions over header and body bytes; nothing here reads time, secrets or JSON.

What does *not* live here: the order of checks and the answers (`http_receiver.py`). Signature schemes: the gateway's
v1 and v2 and Slack's own v0 (https://docs.slack.dev/authentication/verifying-requests-from-slack). `read` judges the
head before a body is read, `which` the whole post. Garbage never raises: it is a reason label.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections.abc import Iterable, Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from hashlib import _Hash

WINDOW_MS = 300_000
"""A post is fresh when its stamp differs from now by at most this many milliseconds, either way, bound included."""

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

_HEX = b"0123456789abcdef"
_KEY_ID = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_MAX_STAMP_DIGITS = 15
_MAX_KEY_ID = 64

UNSIGNED = "unsigned"
BAD_HEADER = "malformed_signature"
BAD_STAMP = "malformed_timestamp"
STALE = "stale"
FUTURE = "future"
VERSION_REFUSED = "version_refused"
REASONS = (UNSIGNED, BAD_HEADER, BAD_STAMP, STALE, FUTURE, VERSION_REFUSED)
"""All that `Scheme.read` answers instead of a claim."""


class Claim(NamedTuple):
    """What the headers of one post claim: scheme version, MAC as 64 hex digits, stamp and event id as sent."""

    version: int
    mac: bytes
    stamp: bytes
    event_id: bytes


class Scheme(Protocol):
    """One way of signing."""

    def read(self, headers: Mapping[bytes, bytes], now: float) -> Claim | str:
        """The claim of a well-formed, fresh head; otherwise the reason label. `now` is seconds since the epoch."""
        ...

    def which(self, claim: Claim, method: bytes, path: bytes, body: bytes, secrets: Iterable[str]) -> int:
        """The place among `secrets` of the one under which the MAC is right, -1 for none. Constant time for one."""
        ...


def _drift(stamp: bytes, scale: int, now: float) -> str:
    """The reason label of a stamp outside the window, "" inside. `scale` is milliseconds a unit of the stamp."""
    if not stamp.isdigit() or len(stamp) > _MAX_STAMP_DIGITS:  # bytes.isdigit knows ASCII digits only
        return BAD_STAMP
    age = int(now * 1000 + 0.5) - int(stamp) * scale
    if age > WINDOW_MS:
        return STALE
    if age < -WINDOW_MS:
        return FUTURE
    return ""


def _is_mac(text: bytes) -> bool:
    return len(text) == 64 and not text.translate(None, _HEX)


class _Keys:
    """HMAC-SHA256 under few keys, each padded and hashed once (RFC 2104 §4: the states after the padded key may be
    kept). Setting OpenSSL's HMAC up anew for every post costs as much as hashing the post.
    """

    __slots__ = ("_states",)
    _MOST = 4
    _BLOCK = 64

    def __init__(self) -> None:
        self._states: dict[str, tuple[_Hash, _Hash]] = {}

    def which(self, message: bytes, mac: bytes, secrets: Iterable[str]) -> int:
        """The place of the first of `secrets` under which `mac` (64 hex digits) is right, -1 for none."""
        for place, secret in enumerate(secrets):
            # An empty key would let anyone sign: it never verifies anything.
            if secret and compare_digest(self._mac(secret, message), mac):
                return place
        return -1

    def _mac(self, secret: str, message: bytes) -> bytes:
        inner, outer = self._states.get(secret) or self._prepare(secret)
        inner, outer = inner.copy(), outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return hexlify(outer.digest())

    def _prepare(self, secret: str) -> tuple[_Hash, _Hash]:
        if len(self._states) >= self._MOST:
            self._states.clear()  # most of them were rotated away
        key = secret.encode()
        if len(key) > self._BLOCK:
            key = hashlib.sha256(key).digest()
        key = key.ljust(self._BLOCK, b"\0")
        states = hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))
        self._states[secret] = states
        return states


class GatewayScheme:
    """Posts that a gateway forwards: v1 as existing senders emit it, v2 which binds method, path and tenant too."""

    __slots__ = ("_accept_v1", "_keys", "_tenant")

    def __init__(self, *, tenant_id: str, accept_v1: bool = True) -> None:
        self._tenant = tenant_id.encode("utf-8", "surrogatepass")
        self._accept_v1 = accept_v1
        self._keys = _Keys()

    def read(self, headers: Mapping[bytes, bytes], now: float) -> Claim | str:
        signature = headers.get(b"x-phantom-signature")
        if not signature:
            return UNSIGNED
        version = signature[:3]
        if version == b"v1=":
            if not self._accept_v1:
                return VERSION_REFUSED
            number, mac = 1, signature[3:]
        elif version == b"v2=":
            number, mac = 2, signature[3:67]
            label, key_id = signature[67:72], signature[72:]
            # The key id only says which secret the sender used. It is not under the MAC, so every secret in force is
            # tried whatever it says.
            if label != b";kid=" or not 0 < len(key_id) <= _MAX_KEY_ID or key_id.translate(None, _KEY_ID):
                return BAD_HEADER
        else:
            return BAD_HEADER
        if not _is_mac(mac):
            return BAD_HEADER
        stamp = headers.get(b"x-phantom-forwarded-at", b"")
        reason = _drift(stamp, 1, now)
        if reason:
            return reason
        return Claim(number, mac, stamp, headers.get(b"x-phantom-slack-event-id", b""))

    def which(self, claim: Claim, method: bytes, path: bytes, body: bytes, secrets: Iterable[str]) -> int:
        version, mac, stamp, event_id = claim
        if version == 1:
            return self._keys.which(b"%b:%b:%b" % (stamp, event_id, body), mac, secrets)
        parts = (b"v2", method, path, self._tenant, stamp, event_id, hashlib.sha256(body).hexdigest().encode())
        return self._keys.which(b"\n".join(parts), mac, secrets)


class DirectScheme:
    """Posts that Slack sends itself: `v0:<seconds>:<body>`. There is no event id in the head."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys = _Keys()

    def read(self, headers: Mapping[bytes, bytes], now: float) -> Claim | str:
        signature = headers.get(b"x-slack-signature")
        if not signature:
            return UNSIGNED
        mac = signature[3:]
        if signature[:3] != b"v0=" or not _is_mac(mac):
            return BAD_HEADER
        stamp = headers.get(b"x-slack-request-timestamp", b"")
        reason = _drift(stamp, 1000, now)
        return reason or Claim(0, mac, stamp, b"")

    def which(self, claim: Claim, method: bytes, path: bytes, body: bytes, secrets: Iterable[str]) -> int:
        return self._keys.which(b"v0:%b:%b" % (claim.stamp, body), claim.mac, secrets)
