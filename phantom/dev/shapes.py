"""The workspace's things as the page gets them: plain JSON, nothing that the page does not show, and no secret.

What does *not* live here: when they are sent (`hub.py`).
"""

from __future__ import annotations

from typing import Any

from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.deliveries import Delivery
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import FakeChannel, FakeFile, FakeUser, FakeView

JSON = dict[str, Any]


def user(one: FakeUser) -> JSON:
    """`role` is what decides whether Phantom listens: owner, member, guest, external or bot."""
    role = "member"
    if one.is_bot:
        role = "bot"
    elif one.is_owner:
        role = "owner"
    elif one.is_stranger:
        role = "external"
    elif one.is_restricted:
        role = "guest"
    return {"id": one.id, "name": one.name, "real_name": one.real_name, "role": role}


def channel(one: FakeChannel) -> JSON:
    return {
        "id": one.id,
        "name": one.name,
        "kind": one.kind,
        "members": one.members,
        "shared": one.is_ext_shared,
        "archived": one.is_archived,
        "status": one.status,
    }


def message(one: FakeMessage) -> JSON:
    """`ts` is its id inside the channel; `blocks` and `text` are untrusted."""
    return {
        "channel": one.channel,
        "ts": one.ts,
        "user": one.user,
        "text": one.text,
        "blocks": one.blocks,
        "attachments": one.attachments,
        "thread": one.thread_ts if one.is_reply else None,
        "edited": one.edited_ts is not None,
        "only_for": one.ephemeral_for,
        "author": one.author_name,
        "files": [file(item) for item in one.files],
        "reactions": {name: list(who) for name, who in one.reactions.items()},
    }


def file(one: FakeFile) -> JSON:
    return {
        "id": one.id,
        "name": one.name,
        "size": len(one.data),
        "type": one.media_type,
        "url": f"/files/{one.id}",
    }


def delivery(one: Delivery, *, held: bool) -> JSON:
    """`state`: held, sending, retrying, acked or gave_up; times in seconds."""
    state = "sending"
    if one.acked:
        state = "acked"
    elif one.gave_up:
        state = "gave_up"
    elif held:
        state = "held"
    elif one.attempts:
        state = "retrying"
    return {
        "sort": "delivery",
        "key": f"d{one.id}",
        "at": one.created,
        "kind": one.kind,
        "type": _inner_type(one),
        "event_id": one.event_id,
        "about": _about(one),
        "redelivery": one.redelivery,
        "state": state,
        "attempts": [
            {"outcome": attempt.outcome, "latency": attempt.latency, "status": attempt.status}
            for attempt in one.attempts
        ],
    }


def _inner_type(one: Delivery) -> str:
    event = one.payload.get("event")
    subtype = event.get("subtype") if isinstance(event, dict) else None
    return f"{one.type} · {subtype}" if subtype else one.type


def _about(one: Delivery) -> str:
    """A few words that tell one event from another."""
    payload = one.payload
    event = payload.get("event")
    if isinstance(event, dict):
        message = event.get("message")
        inner = message if isinstance(message, dict) else event
        return str(inner.get("text") or event.get("reaction") or "")[:80]
    if one.kind == "slash_commands":
        return str(payload.get("text", ""))[:80]
    actions = payload.get("actions") or [{}]
    return str(actions[0].get("action_id") or payload.get("callback_id") or "")[:80]


def call(number: int, one: ApiCall) -> JSON:
    """`state`: ok, error, limited (429) or lost (no answer left)."""
    state = "ok" if one.ok else "error"
    if one.status == 429:
        state = "limited"
    elif one.lost:
        state = "lost"
    return {
        "sort": "call",
        "key": f"c{number}",
        "at": one.at,
        "type": one.method,
        "about": str(one.args.get("text") or one.args.get("name") or "")[:80],
        "state": state,
        "error": one.error,
        "status": one.status,
    }


def view(one: FakeView) -> JSON:
    return {"id": one.id, "content": one.content, "errors": one.errors}
