"""What a signed post may say: the strict schema, checked field by field. Pure and total: `BadRequest` and nothing else.

What does *not* live here: the same as a schema (`request_schema.py`), whether the callback address is allowed
(`callback_urls.py`) and what follows (`intake.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_TEXT = 100_000
MAX_NAME = 128
MAX_URL = 2048
MAX_METADATA_KEYS = 50
MAX_METADATA_VALUE = 512
_FIELDS = ("text", "conversation", "user", "callback_url", "mode", "metadata")
CONVERSATION = re.compile(r"[A-Za-z0-9._:@+=-]{1,128}")
_TASK = re.compile(r"task_[0-9a-f]{32}")
_NAMEABLE = re.compile(r"(?:[A-Za-z_]{1,32}\.)?[A-Za-z_]{1,32}")
"""Of which names an answer speaks: no others, since what stands in the wrong place may be a secret."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Scalar = str | int | float | bool | None


class BadRequest(Exception):
    """What is wrong with a post: `status`, a sentence, and the field that it is about ("" for the whole)."""

    def __init__(self, what: str, field: str = "", *, status: int = 422) -> None:
        super().__init__(what)
        self.what = what
        self.field = field if not field or _NAMEABLE.fullmatch(field) else f"{_section(field)}…"
        self.status = status


def _section(field: str) -> str:
    within, dot, _ = field.partition(".")
    return within + dot if within in ("user", "metadata") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question. `conversation` is "" for one that begins and ends with it; `sync`: the answer is waited for."""

    text: str
    conversation: str = ""
    user_id: str = ""
    user_name: str = ""
    callback_url: str = ""
    sync: bool = True
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The same for the same question, however its JSON was written and whether or not it is waited for."""
        said = [self.text, self.conversation, self.user_id, self.user_name, self.callback_url, self.metadata]
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def parse_ask(body: bytes) -> Ask:
    """The question in a post. Raises `BadRequest`."""
    fields = _object(body, _FIELDS)
    text = _text(fields, "text", MAX_TEXT)
    if text is None:
        raise BadRequest("is needed: the question, as text", "text")
    user_id, user_name = _user(fields.get("user"))
    callback = _text(fields, "callback_url", MAX_URL) or ""
    ask = Ask(
        text=text,
        conversation=_conversation(fields),
        user_id=user_id,
        user_name=user_name,
        callback_url=callback,
        sync=_sync(fields, callback),
        metadata=_metadata(fields.get("metadata")),
    )
    _each_once(body)
    return ask


def parse_fetch(body: bytes) -> str:
    """The task that is asked for. Raises `BadRequest`."""
    fields = _object(body, ("task",))
    task = fields.get("task")
    if not isinstance(task, str) or not _TASK.fullmatch(task):
        raise BadRequest("must be the id of a task", "task")
    _each_once(body)
    return task


def _object(body: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest("the body is not JSON", status=400) from error
    if not isinstance(found, dict):
        raise BadRequest("the body is not a JSON object", status=400)
    _known(found, names, "")
    return found


def _each_once(body: bytes) -> None:
    """A field that is there twice is refused: a program on the way may have gone by the other one. Asked last, of what
    has the right shape, since it costs more than everything before.
    """
    try:
        json.loads(body, object_pairs_hook=_once)
    except (RecursionError, ValueError) as error:
        raise BadRequest("the body is not JSON", status=400) from error


def _once(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise BadRequest("is there twice", name)
        seen.add(name)


def _known(fields: Mapping[str, Any], names: tuple[str, ...], within: str) -> None:
    for name in fields:
        if name not in names:
            raise BadRequest(f"unknown field: there are {', '.join(names)}", within + name)


def _text(fields: Mapping[str, Any], name: str, limit: int, within: str = "") -> str | None:
    """A text of 1 to `limit` characters that is more than white space; None when it is not there."""
    if name not in fields:
        return None
    value = fields[name]
    if not isinstance(value, str):
        raise BadRequest("must be text", within + name)
    if not value.strip():
        raise BadRequest("must not be empty", within + name)
    if len(value) > limit:
        raise BadRequest(f"is longer than {limit} characters", within + name)
    if "\x00" in value:
        raise BadRequest("must not hold a NUL character", within + name)
    return value


def _conversation(fields: Mapping[str, Any]) -> str:
    value = _text(fields, "conversation", MAX_NAME)
    if value is not None and not CONVERSATION.fullmatch(value):
        raise BadRequest("may hold letters, digits and . _ : @ + = - only", "conversation")
    return value or ""


def _user(value: object) -> tuple[str, str]:
    if value is None:
        return "", ""
    if not isinstance(value, dict):
        raise BadRequest("must be an object with id and name", "user")
    _known(value, ("id", "name"), "user.")
    user = _text(value, "id", MAX_NAME, "user.")
    if user is None:
        raise BadRequest("is needed", "user.id")
    if not user.isprintable():
        raise BadRequest("must be printable", "user.id")
    name = _text(value, "name", MAX_NAME, "user.") or ""
    if _CONTROL.search(name):
        raise BadRequest("must not hold control characters", "user.name")
    return user, name


def _sync(fields: Mapping[str, Any], callback: str) -> bool:
    mode = fields.get("mode", "async" if callback else "sync")
    if mode not in ("sync", "async"):
        raise BadRequest("must be sync or async", "mode")
    if mode == "sync" and callback:
        raise BadRequest("goes with mode async only", "callback_url")
    return bool(mode == "sync")


def _metadata(value: object) -> dict[str, Scalar]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest("must be an object", "metadata")
    if len(value) > MAX_METADATA_KEYS:
        raise BadRequest(f"has more than {MAX_METADATA_KEYS} keys", "metadata")
    for key, one in value.items():
        if len(key) > MAX_NAME:
            raise BadRequest(f"has a key longer than {MAX_NAME} characters", "metadata")
        if not (one is None or isinstance(one, str | int | float | bool)):
            raise BadRequest("must be text, a number, true, false or null", f"metadata.{key}")
        if "\x00" in key or (isinstance(one, str) and "\x00" in one):
            raise BadRequest("must not hold a NUL character", "metadata")
        if isinstance(one, str) and len(one) > MAX_METADATA_VALUE:
            raise BadRequest(f"is longer than {MAX_METADATA_VALUE} characters", f"metadata.{key}")
    return value
