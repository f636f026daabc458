"""The rows of the "where" menu of the ask form, as Slack wants them. Needs an answer in the same breath: not journaled.

https://docs.slack.dev/reference/interaction-payloads/block_suggestion-payload: at most 100 options.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from channels.slack.decode import mapping, text
from channels.slack.interactions import ASK_WHERE
from channels.slack.place import CHANNEL
from phantom.channel import Inbox, Suggestion
from phantom.errors import StorageError

log = structlog.get_logger(__name__)

_MAX_OPTIONS = 100
_MAX_LABEL = 75
_MAX_VALUE = 150
_DEADLINE = 2.5
"""Seconds; Slack shows an error to the person after three."""


async def options(payload: Mapping[str, Any], inbox: Inbox, tenant: str) -> dict[str, Any]:
    """The answer to a `block_suggestion`; empty for menus that are not ours, and when the engine takes too
    long or cannot read them: a post that is never answered holds up all that follow on its connection.
    """
    if text(payload, "action_id") != ASK_WHERE[1]:
        return {"options": []}
    author = text(mapping(payload, "user"), "id")
    try:
        async with asyncio.timeout(_DEADLINE):
            rows = await inbox.suggest(CHANNEL, tenant, author, text(payload, "value"))
    except TimeoutError:
        rows = ()
    except StorageError as error:
        log.warning("suggestions_not_read", channel=CHANNEL, what=error.message, cure=error.hint)
        rows = ()
    return {"options": _options(rows)}


def _options(rows: Sequence[Suggestion]) -> list[dict[str, Any]]:
    # A value cut short would name another conversation, so a row whose value is too long is left out.
    return [
        {"text": {"type": "plain_text", "text": row.label[:_MAX_LABEL]}, "value": row.value}
        for row in rows
        if row.label and 0 < len(row.value) <= _MAX_VALUE
    ][:_MAX_OPTIONS]
