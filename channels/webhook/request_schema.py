"""What a post may say as JSON Schema (2020-12), for senders who check before they send. Built from the same limits.

What does *not* live here: the check that counts (`request.py`). It also refuses what no schema can tell: a field that
is there twice, a text of nothing but white space, a callback address that may not be called.
"""

from __future__ import annotations

from typing import Any, Final

from channels.webhook import request

_SCALARS: Final = [
    {"type": "string", "maxLength": request.MAX_METADATA_VALUE},
    {"type": ["number", "boolean", "null"]},
]


def schema(comment: str) -> dict[str, Any]:
    """The schema of a question's body. `comment` says where the file comes from."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": comment,
        "title": "A question posted to /webhook/<name>",
        "type": "object",
        "additionalProperties": False,
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": request.MAX_TEXT, "description": "The question."},
            "conversation": {
                "type": "string",
                "pattern": f"^{request.CONVERSATION.pattern}$",
                "description": "A name for what belongs together; without it each post stands alone.",
            },
            "user": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "minLength": 1, "maxLength": request.MAX_NAME},
                    "name": {"type": "string", "minLength": 1, "maxLength": request.MAX_NAME},
                },
                "description": "On whose behalf.",
            },
            "mode": {
                "enum": ["sync", "async"],
                "description": "sync waits for the answer; without it async where there is a callback_url, else sync.",
            },
            "callback_url": {
                "type": "string",
                "pattern": "^https://",
                "maxLength": request.MAX_URL,
                "description": "Where the answer is posted to, with mode async.",
            },
            "metadata": {
                "type": ["object", "null"],
                "maxProperties": request.MAX_METADATA_KEYS,
                "propertyNames": {"maxLength": request.MAX_NAME},
                "additionalProperties": {"anyOf": _SCALARS},
                "description": "Comes back with the callback.",
            },
        },
        "not": {"required": ["callback_url", "mode"], "properties": {"mode": {"const": "sync"}}},
        "examples": [
            {"text": "hello"},
            {
                "text": "Is order 17 late?",
                "conversation": "order-17",
                "user": {"id": "ann", "name": "Ann"},
                "callback_url": "https://hooks.example.com/phantom",
                "metadata": {"order": 17},
            },
        ],
    }
