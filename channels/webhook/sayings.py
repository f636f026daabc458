"""What an outbound message becomes: an answer to a task, a word in between, or a message of its own. Pure.

What does *not* live here: keeping it (`task_records.py`) and calling back (`callbacks.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from channels.webhook.endpoints import Endpoint
from channels.webhook.normalise import Ticket
from channels.webhook.task_records import ANSWERED, FAILED, PENDING, REFUSED, Callback, Saying
from phantom.errors import ConversationGone
from phantom.messages import OutboundMessage, Tone

_TYPES = {ANSWERED: "task.answered", FAILED: "task.failed", REFUSED: "task.refused"}


def saying_of(message: OutboundMessage, endpoint: Endpoint, now: float) -> Saying:
    """What to keep of `message`. Raises `ConversationGone` when nobody would hear it."""
    ticket = Ticket.of(message.respond_url) if message.respond_url else None
    state = _state(message) if ticket is not None else PENDING
    url = endpoint.callback_url if ticket is None else ticket.callback_url or endpoint.callback_url
    if ticket is None and not url:
        raise ConversationGone(
            f"nobody listens at the webhook endpoint {endpoint.name}: no post waits there and it has no callback_url",
            hint="set callback_url for the endpoint (WEBHOOK_CALLBACK_URL for the default one)",
        )
    first = state != PENDING and message.idempotency_key.endswith("/0") and ticket is not None
    message_id = ticket.task if first and ticket is not None else _id(message.idempotency_key)
    wanted = bool(url) and (ticket is None or state != PENDING)
    callback = None
    if wanted:
        body = _body(message, endpoint, ticket, state, now)
        task = None if ticket is None else ticket.task
        callback = Callback(id=message_id, endpoint=endpoint.name, task=task, url=url, body=body)
    return Saying(
        key=message.idempotency_key,
        id=message_id,
        task=None if ticket is None else ticket.task,
        endpoint=endpoint.name,
        conversation=message.conversation.place,
        text=message.text,
        state=state,
        callback=callback,
    )


def _state(message: OutboundMessage) -> str:
    """What the message makes of its task. A notice that answers no message is the engine's word that there will be no
    turn: the sender may not talk, or the question was stopped.
    """
    if message.tone is Tone.ERROR:
        return FAILED
    if message.tone is Tone.ANSWER:
        return ANSWERED
    return REFUSED if message.tone is Tone.NOTICE and message.reply_to is None else PENDING


def _id(key: str) -> str:
    return "msg_" + hashlib.sha256(key.encode()).hexdigest()[:32]


def _body(message: OutboundMessage, endpoint: Endpoint, ticket: Ticket | None, state: str, now: float) -> bytes:
    """As Standard Webhooks recommends: type, timestamp, data. No question may hold these fields, so a callback that is
    sent back to us under its own signature is refused.
    """
    data: dict[str, Any] = {"endpoint": endpoint.name, "conversation": message.conversation.place, "text": message.text}
    if ticket is not None:
        metadata: Mapping[str, object] = ticket.metadata
        data |= {"task": ticket.task, "status": state, "metadata": metadata}
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"type": _TYPES.get(state, "message"), "timestamp": stamp, "data": data})
