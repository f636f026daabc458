"""What the journal keeps of a post, and what that means. Pure and total: `MalformedEvent` and nothing else.

The address of the answer travels with the message as its `respond_url`: whoever posts waits for a word as the user of a
command does, so they are told too when they may not talk or when the question was stopped. What does *not* live here:
what a post may say (`request.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from channels.webhook.request import Ask, Scalar
from phantom.channel import Envelope
from phantom.errors import MalformedEvent
from phantom.messages import Author, ConversationKind, ConversationRef, InboundMessage

CHANNEL = "webhook"
POST = "post"
_ALONE = "~"
"""Begins the place of a question without a conversation; senders cannot write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Where the answer belongs: the task, its callback address ("" without one) and what is told back with it."""

    task: str
    callback_url: str
    metadata: Mapping[str, Scalar]

    def text(self) -> str:
        """As a `respond_url`."""
        return orjson.dumps([self.task, self.callback_url, self.metadata]).decode()

    @classmethod
    def of(cls, text: str) -> Ticket | None:
        """What `text` made; None for anything else."""
        try:
            task, callback, metadata = orjson.loads(text)
        except (ValueError, TypeError):
            return None
        if not (isinstance(task, str) and isinstance(callback, str) and isinstance(metadata, dict)):
            return None
        return cls(task=task, callback_url=callback, metadata=metadata)


def task_of(endpoint: str, post_id: str) -> str:
    """The task that a post begins: the same post, the same task, for ever."""
    return "task_" + hashlib.sha256(f"{CHANNEL}\0{endpoint}\0{post_id}".encode()).hexdigest()[:32]


def within(endpoint: str) -> str:
    """What access rules call everyone who comes over an endpoint."""
    return f"endpoint:{endpoint}"


def author_of(endpoint: str, user: str) -> str:
    """The id of a user of an endpoint: another endpoint's user of the same name is somebody else."""
    return f"{endpoint}:{user}" if user else endpoint


def conversation(endpoint: str, name: str, task: str = "") -> ConversationRef:
    """The address of a conversation of an endpoint; without a `name`, the one of `task` alone."""
    return ConversationRef(
        channel=CHANNEL,
        tenant=endpoint,
        place=name or _ALONE + task,
        thread=None,
        kind=ConversationKind.DIRECT,
        within=within(endpoint),
    )


def envelope(endpoint: str, event_id: str, task: str, ask: Ask, now: float) -> Envelope:
    """What is journaled: the checked fields, not the bytes that were sent."""
    body = {
        "task": task,
        "text": ask.text,
        "conversation": ask.conversation,
        "user_id": ask.user_id,
        "user_name": ask.user_name,
        "callback_url": ask.callback_url,
        "metadata": ask.metadata,
    }
    return Envelope(
        channel=CHANNEL,
        tenant=endpoint,
        event_id=event_id,
        kind=POST,
        body=orjson.dumps(body),
        received_at=now,
        session=conversation(endpoint, ask.conversation, task).key,
    )


def normalise(kept: Envelope) -> tuple[InboundMessage]:
    """The message that a journaled post is. Raises `MalformedEvent`."""
    if kept.kind != POST:
        raise MalformedEvent("the event is no post")
    try:
        body = orjson.loads(kept.body)
    except orjson.JSONDecodeError as error:
        raise MalformedEvent("the post is not JSON") from error
    if not isinstance(body, dict):
        raise MalformedEvent("the post is no object")
    task, text = _needed(body, "task"), _needed(body, "text")
    metadata = body.get("metadata")
    ticket = Ticket(
        task=task,
        callback_url=_maybe(body, "callback_url"),
        metadata=metadata if isinstance(metadata, dict) else {},
    )
    return (
        InboundMessage(
            event_id=kept.event_id,
            logical_id=f"{kept.tenant}:{task}",
            conversation=conversation(kept.tenant, _maybe(body, "conversation"), task),
            message_id=task,
            author=Author(id=author_of(kept.tenant, _maybe(body, "user_id")), display_name=_maybe(body, "user_name")),
            text=text,
            sent_at=kept.received_at,
            mentions_me=True,
            respond_url=ticket.text(),
        ),
    )


def _needed(body: Mapping[str, Any], name: str) -> str:
    value = _maybe(body, name)
    if not value:
        raise MalformedEvent(f"the post has no {name}")
    return value


def _maybe(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise MalformedEvent(f"{name} is no text")
    return value
