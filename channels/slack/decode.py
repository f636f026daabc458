"""Bytes of a Slack payload to plain data, and careful access to it. Pure.

What does *not* live here: what a payload means (`normalise.py`, `interactions.py`). Everything that a payload can get
wrong raises `MalformedEvent`; nothing else is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from phantom.channel import Envelope
from phantom.errors import MalformedEvent

EVENT = "event"
INTERACTIVE = "interactive"
COMMAND = "command"

JSON = "json"
FORM = "form"

_MAX_FIELDS = 200

INTERACTIVE_TYPES = frozenset(
    {
        "block_actions",
        "block_suggestion",
        "dialog_cancellation",
        "dialog_submission",
        "dialog_suggestion",
        "interactive_message",
        "message_action",
        "shortcut",
        "view_closed",
        "view_submission",
        "workflow_step_edit",
    }
)
"""Payload types that Slack posts to an interactivity URL (https://docs.slack.dev/reference/interaction-payloads)."""


def json_object(body: bytes | str) -> dict[str, Any]:
    """The JSON object in `body`. Raises `MalformedEvent` for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The decoder's message quotes the input's position only; the body itself stays out.
        raise MalformedEvent("the body is not JSON") from error
    if type(value) is not dict:
        raise MalformedEvent("the body is not a JSON object")
    return value


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form post, each at most once. Raises `MalformedEvent`."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise MalformedEvent("the body is not a form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedEvent("the form names a field twice")
    return fields


def interactive_payload(fields: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object in the form's `payload` field."""
    text = fields.get("payload")
    if not text:
        raise MalformedEvent("the form has no payload")
    return json_object(text)


def payload_of(envelope: Envelope) -> dict[str, Any]:
    """The payload in a journaled envelope, whichever transport brought it."""
    if envelope.encoding == JSON:
        return json_object(envelope.body)
    fields = form_fields(envelope.body)
    return dict(fields) if envelope.kind == COMMAND else interactive_payload(fields)


def text(holder: Mapping[str, Any], key: str) -> str:
    """A string field, "" when it is absent or something else."""
    value = holder.get(key)
    return value if type(value) is str else ""


def needed(holder: Mapping[str, Any], key: str) -> str:
    """A string field that must be there and not blank."""
    value = holder.get(key)
    if type(value) is not str or not value:
        raise MalformedEvent(f"the payload has no {key}")
    return value


def mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object field, empty when it is absent or something else."""
    value = holder.get(key)
    return value if type(value) is dict else {}


def items(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects of a list field; anything else in it is passed over."""
    value = holder.get(key)
    return [entry for entry in value if type(entry) is dict] if type(value) is list else []


def seconds(ts: str) -> float:
    """A Slack `ts` ("1583636382.000300") as seconds since the epoch, 0.0 when it is none."""
    whole, _, fraction = ts.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12):
        return 0.0
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        return 0.0
    return float(ts)
