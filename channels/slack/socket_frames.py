"""Socket Mode frames: what each text frame is, and the answers to it. Pure.

https://docs.slack.dev/apis/events-api/using-socket-mode. An envelope is acknowledged by its id, within three seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from channels.slack.decode import COMMAND, EVENT, INTERACTIVE

ENVELOPES = {"events_api": EVENT, "interactive": INTERACTIVE, "slash_commands": COMMAND}
GARBAGE = "garbage"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame: `type` is Slack's word, `GARBAGE` or `UNKNOWN`; `kind` is set for envelopes with a payload."""

    type: str
    reason: str = ""
    envelope_id: str = ""
    kind: str = ""
    payload: Mapping[str, Any] | None = None


def read(data: str | bytes) -> Frame:
    """Understand a frame. Never raises: what cannot be understood is `GARBAGE`."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return Frame(type=GARBAGE)
    if type(value) is not dict or type(value.get("type")) is not str:
        return Frame(type=GARBAGE)
    name = value["type"]
    if name in ("hello", "disconnect"):
        reason = value.get("reason")
        return Frame(type=name, reason=reason if type(reason) is str else "")
    envelope_id = value.get("envelope_id")
    if type(envelope_id) is not str or not envelope_id:
        return Frame(type=GARBAGE if name in ENVELOPES else UNKNOWN)
    if name not in ENVELOPES:
        return Frame(type=UNKNOWN, envelope_id=envelope_id)
    payload = value.get("payload")
    if type(payload) is not dict:
        return Frame(type=GARBAGE, envelope_id=envelope_id)
    return Frame(type=name, envelope_id=envelope_id, kind=ENVELOPES[name], payload=payload)


def ack(envelope_id: str, payload: Mapping[str, Any] | None = None) -> str:
    """The acknowledgement, with an answer in it where one is wanted."""
    answer: dict[str, Any] = {"envelope_id": envelope_id}
    if payload is not None:
        answer["payload"] = payload
    return orjson.dumps(answer).decode()
