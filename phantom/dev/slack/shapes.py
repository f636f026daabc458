"""The workspace's things as the page gets them: plain JSON, nothing that the page does not show, and no secret.

What does *not* live here: when they are sent (`side.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from phantom.dev.side import JSON
from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.deliveries import Delivery
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.model import FakeChannel, FakeFile, FakeUser, FakeView

_WORDS = {
    "http_error": "refused",
    "http_timeout": "no ack in time",
    "timeout": "no ack in time",
    "connection_failed": "not reachable",
    "connection_lost": "socket lost",
    "no_connection": "nobody connected",
}


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
    return {"id": one.id, "name": one.name, "role": role, "badge": role}


def channel(one: FakeChannel, people: Iterable[FakeUser]) -> JSON:
    """`seen_by`: who may open it; members see every public one, guests and others their own."""
    public = one.kind == "channel"
    seen = [user.id for user in people if public and user_is_member(user) and user.id not in one.members]
    return {
        "id": one.id,
        "name": one.name,
        "kind": one.kind,
        "members": one.members,
        "seen_by": [*one.members, *seen],
        "shared": one.is_ext_shared,
        "archived": one.is_archived,
        "status": next(reversed(one.status.values()), ""),
    }


def user_is_member(one: FakeUser) -> bool:
    """A person of this workspace, no guest and not of another one."""
    return not (one.is_bot or one.is_stranger or one.is_restricted)


def message(one: FakeMessage) -> JSON:
    """`id` is its `ts`, unique inside the channel; `blocks` and `text` are untrusted."""
    return {
        "channel": one.channel,
        "id": one.ts,
        "at": float(one.ts),
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
        "url": f"/files/slack/{one.id}",
    }


def delivery(one: Delivery, *, held: bool) -> JSON:
    """`state`: held, sending, retrying, acked or gave_up; `outcome` the same in words, with its time."""
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
        "outcome": _outcome(one, state),
    }


def _outcome(one: Delivery, state: str) -> str:
    """What became of it, in words."""
    if state == "held" or not one.attempts:
        return state
    last, tries = one.attempts[-1], f" · try {len(one.attempts)}" if len(one.attempts) > 1 else ""
    if state == "acked":
        return f"acked {_ms(last.latency)}{tries}"
    status = f" {last.status}" if last.status else ""
    retrying = ", retrying" if state == "retrying" else ""
    return f"{_WORDS.get(last.outcome, last.outcome)}{status}{retrying}{tries}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


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
    state, outcome = ("ok", "ok") if one.ok else ("error", one.error or f"HTTP {one.status}")
    if one.status == 429:
        state, outcome = "limited", "rate limited"
    elif one.lost:
        state, outcome = "lost", "answer lost"
    return {
        "sort": "call",
        "key": f"c{number}",
        "at": one.at,
        "type": one.method,
        "about": str(one.args.get("text") or one.args.get("name") or "")[:80],
        "state": state,
        "outcome": outcome,
    }


def view(one: FakeView) -> JSON:
    return {"id": one.id, "content": one.content, "errors": one.errors}
