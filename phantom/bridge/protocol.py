"""The bridge's wire: JSON text frames `{v, type, ts, requestId?, payload}`, version 2 and version 3 on one port.

Version 2 is what the npm client `shardwire` 2 speaks; version 3 adds sequence numbers, acknowledged subscriptions,
resuming, deadlines and scope notices. What does *not* live here: what a frame makes happen (`connection.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any

import msgspec
import orjson

from phantom.apps import Facts

VERSIONS = (2, 3)
MAX_FRAME = 65_536
"""Bytes of one inbound frame; a longer one closes with 1009."""
AUTH_SECONDS = 5.0
HEARTBEAT_SECONDS = 30.0
MISSED_HEARTBEATS = 2
MAX_KEY = 256
"""Characters of an idempotency key."""
MAX_REQUEST_ID = 256
MAX_LISTED = 1000
"""Subscriptions in one frame."""


class Close(IntEnum):
    """WebSocket close codes (RFC 6455 §7.4, and our own from 4000)."""

    TOO_LARGE = 1009
    RESTART = 1012
    AUTH_REQUIRED = 4001
    BAD_SECRET = 4003
    INVALID_PAYLOAD = 4004
    SLOW_READER = 4008
    FULL = 4029
    TOO_MANY_ATTEMPTS = 4031


UNAUTHORIZED = "UNAUTHORIZED"
TIMEOUT = "TIMEOUT"
DISCONNECTED = "DISCONNECTED"
FORBIDDEN = "FORBIDDEN"
NOT_FOUND = "NOT_FOUND"
INVALID_REQUEST = "INVALID_REQUEST"
INTERNAL_ERROR = "INTERNAL_ERROR"
SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"

EMPTY = b"{}"


class Frame(msgspec.Struct):
    """A frame as it comes in. The payload is left as bytes until its type says what it must be."""

    v: int
    type: Annotated[str, msgspec.Meta(max_length=64)]
    requestId: Annotated[str, msgspec.Meta(max_length=MAX_REQUEST_ID)] | None = None
    payload: msgspec.Raw = msgspec.Raw(EMPTY)


class Hello(msgspec.Struct):
    """`auth.hello`. A missing secret is a wrong one."""

    secret: Annotated[str, msgspec.Meta(max_length=512)] = ""
    secretId: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    appName: Annotated[str, msgspec.Meta(max_length=128)] | None = None


class Subscription(msgspec.Struct, frozen=True):
    """One entry of `subscribe`. `filter` is checked by `subscriptions.py`: what it may hold depends on the event."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    filter: msgspec.Raw = msgspec.Raw()
    """Empty when it was left out."""


class Resume(msgspec.Struct):
    """From where a version-3 app wants to go on: the last sequence number it handled, and of which stream."""

    stream: Annotated[str, msgspec.Meta(max_length=64)]
    seq: Annotated[int, msgspec.Meta(ge=0)]


class Subscribe(msgspec.Struct):
    """`subscribe` and `unsubscribe`. `resume` is version 3's."""

    subscriptions: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_LISTED)]
    resume: Resume | None = None


class ActionRequest(msgspec.Struct):
    """`action.request`. `timeoutMs` (version 3) is how long the caller will still wait."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    data: msgspec.Raw = msgspec.Raw(EMPTY)
    idempotencyKey: str | None = None
    """1 to `MAX_KEY` characters. The desk refuses others: the request, not the connection, is wrong then."""
    timeoutMs: Annotated[float, msgspec.Meta(ge=0, le=3_600_000)] | None = None


class Cancel(msgspec.Struct):
    """`action.cancel` (version 3): the caller no longer waits for this request of its own."""

    requestId: Annotated[str, msgspec.Meta(max_length=MAX_REQUEST_ID)]


class BadFrame(Exception):
    """An inbound frame that is not what the wire allows. Closes the connection with 4004."""


_frame = msgspec.json.Decoder(Frame)
_DECODERS: Mapping[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Hello, Subscribe, Subscription, ActionRequest, Cancel)
}


def read_frame(raw: str | bytes) -> Frame:
    """Parse one inbound frame. Raises `BadFrame`."""
    try:
        frame = _frame.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise BadFrame from None
    if frame.v not in VERSIONS:
        raise BadFrame
    return frame


def read_payload(frame_payload: msgspec.Raw, kind: type[Any]) -> Any:
    """A payload as `kind`. Raises `BadFrame`."""
    try:
        return _DECODERS[kind].decode(frame_payload)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise BadFrame from None


def to_json(value: Any) -> bytes:
    """A platform's data as JSON. Where the fast encoder refuses (half of a surrogate pair, an integer beyond 64 bits),
    the slow one does it, with `?` for what is no text. Raises `TypeError` or `ValueError` for what is no data at all.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def printable(text: str) -> str:
    """A text of an app's own choice, fit for logs and terminals: nothing that moves a cursor or turns writing round."""
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    )


def frame(version: int, kind: str, now: float, payload: Any, request_id: str | None = None) -> bytes:
    """An outbound frame as JSON. `now` is epoch seconds; the wire has milliseconds."""
    envelope: dict[str, Any] = {"v": version, "type": kind, "ts": int(now * 1000)}
    if request_id is not None:
        envelope["requestId"] = request_id
    envelope["payload"] = payload
    return to_json(envelope)


def event_frame(version: int, name: str, now_ms: int, seq: int, facts: Facts, data: bytes) -> bytes:
    """An event around payload bytes that were serialised once for everybody. Version 3 adds the number, and the facts:
    one event may fit several of an app's filters, and it must tell which.
    """
    if version == 2:
        return b'{"v":2,"type":"discord.event","ts":%d,"payload":{"name":"%b","data":%b}}' % (
            now_ms,
            name.encode(),
            data,
        )
    head = (now_ms, name.encode(), seq, to_json(facts), data)
    return b'{"v":3,"type":"event","ts":%d,"payload":{"name":"%b","seq":%d,"facts":%b,"data":%b}}' % head


def close_message(code: int, reason: str) -> bytes:
    """One unmasked WebSocket close frame (RFC 6455 §5.5.1): at most 125 bytes of payload."""
    payload = code.to_bytes(2) + reason.encode()[:123]
    return b"\x88" + len(payload).to_bytes(1) + payload


def text_message(payload: bytes) -> bytes:
    """One unmasked, unfragmented WebSocket text message, as a server sends it (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2) + payload
    return b"\x81\x7f" + size.to_bytes(8) + payload
