"""What goes over one Socket Mode connection: its frames, and the record of the connection itself. No behaviour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from phantom.testing.fake_slack.deliveries import Delivery
from phantom.testing.fake_slack.model import JSON

_WITH_RESPONSE = frozenset({"view_submission", "block_suggestion", "interactive_message", "dialog_submission"})


@dataclass(slots=True, eq=False)
class Connection:
    """One socket. `leaving`: told to reconnect, gets no more while another is there; `half_open`: TCP only."""

    id: str
    ws: web.WebSocketResponse
    request: web.Request
    half_open: bool = False
    ignore_pings: bool = False
    leaving: bool = False
    open: set[str] = field(default_factory=set)
    frames: asyncio.Queue[str | bytes | None] = field(default_factory=asyncio.Queue)
    received: list[str] = field(default_factory=list)
    pings: int = 0


def hello(app_id: str, connections: int) -> str:
    """The first frame. `approximate_connection_time` is in seconds."""
    return as_text(
        {
            "type": "hello",
            "num_connections": connections,
            "debug_info": {"host": "applink-fake-1", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": app_id},
        }
    )


def disconnect(reason: str) -> str:
    """The frame that asks the client to come back on a new connection."""
    return as_text({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake-1"}})


def envelope(delivery: Delivery, envelope_id: str, retry: int) -> str:
    """A payload as the app gets it; only events carry retry fields."""
    frame: JSON = {
        "envelope_id": envelope_id,
        "payload": delivery.payload,
        "type": delivery.kind,
        "accepts_response_payload": delivery.kind == "slash_commands" or delivery.type in _WITH_RESPONSE,
    }
    if delivery.kind == "events_api":
        frame |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
    return as_text(frame)


def as_text(frame: JSON) -> str:
    """JSON for a text frame."""
    return orjson.dumps(frame).decode()


def parse(text: str) -> JSON | None:
    """A client's frame, when it is a JSON object."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
