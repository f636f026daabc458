"""Slack's limits on what a message may hold. Only what Slack checks on the server and a bot can run into.

Sources: docs.slack.dev, "chat.postMessage", "chat.update", "Blocks" and "Markdown block"; slackapi/bolt-js issues 2509
and 2867 for the budget of all blocks together, which is undocumented (measured between 13,000 and 13,300 characters).
"""

from __future__ import annotations

from typing import Any, NoReturn

import orjson

from phantom.testing.fake_slack.calls import SlackError
from phantom.testing.fake_slack.model import JSON

MAX_TEXT = 40_000
MAX_UPDATE_TEXT = 4_000
MAX_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
MAX_MARKDOWN = 12_000
MAX_ALL_BLOCKS = 13_200
MAX_SECTION = 3_000
MAX_METADATA = 16_000

_BLOCK_TYPES = """
section markdown actions context context_actions divider header image input rich_text file video table call plan
task_card alert card carousel data_table chart
"""
_KNOWN = frozenset(_BLOCK_TYPES.split())
_LIMITS = {"header": 150, "section": MAX_SECTION, "markdown": MAX_MARKDOWN}


def parse_json(value: Any, error: str) -> Any:
    """A JSON argument, whether it came as JSON or as a string inside a form."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise SlackError(error) from None


def check_text(text: str, limit: int = MAX_TEXT) -> str:
    """`msg_too_long` beyond `limit` characters."""
    if len(text) > limit:
        raise SlackError("msg_too_long")
    return text


def check_blocks(value: Any, *, limit: int = MAX_BLOCKS) -> list[JSON]:
    """The blocks with a `block_id` each, as Slack stores them; or `invalid_blocks` with a pointer to what is wrong."""
    blocks = parse_json(value, "invalid_blocks_format")
    if blocks is None or blocks == "":
        return []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    if len(blocks) > limit:
        _invalid(f"no more than {limit} items allowed", "/blocks")
    for index, block in enumerate(blocks):
        _check_block(block, f"/blocks/{index}")
    _check_ids(blocks)
    _check_budget(blocks)
    return [
        block if "block_id" in block else {**block, "block_id": f"blk{index}"} for index, block in enumerate(blocks)
    ]


def check_attachments(value: Any) -> list[JSON]:
    """Legacy attachments: at most 100, each an object."""
    attachments = parse_json(value, "invalid_attachments") or []
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > 100:
        raise SlackError("too_many_attachments")
    for attachment in attachments:
        check_blocks(attachment.get("blocks"))
    return attachments


def check_metadata(value: Any) -> JSON | None:
    """Message metadata: `event_type` and an object `event_payload`."""
    metadata = parse_json(value, "invalid_metadata_format")
    if not metadata:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if len(orjson.dumps(metadata)) > MAX_METADATA:
        raise SlackError("metadata_too_large")
    return metadata


def _check_block(block: JSON, at: str) -> None:
    kind = block.get("type")
    if kind not in _KNOWN:
        _invalid(f"unsupported type: {kind}", f"{at}/type")
    text = block.get("text")
    if kind == "markdown":
        if not isinstance(text, str) or not text:
            _invalid("missing required field: text", at)
        _check_length(text, MAX_MARKDOWN, f"{at}/text")
    elif kind in _LIMITS and isinstance(text, dict):
        _check_length(text.get("text"), _LIMITS[str(kind)], f"{at}/text/text")
    elif kind == "section" and not block.get("fields"):
        _invalid("missing required field: text", at)
    if kind == "section":
        _check_fields(block.get("fields") or [], at)
    if kind in ("actions", "context", "context_actions"):
        _check_elements(block.get("elements"), str(kind), at)


def _check_fields(fields: list[JSON], at: str) -> None:
    if len(fields) > 10:
        _invalid("no more than 10 items allowed", f"{at}/fields")
    for index, item in enumerate(fields):
        _check_length(item.get("text"), 2_000, f"{at}/fields/{index}/text")


def _check_elements(elements: Any, kind: str, at: str) -> None:
    limit = {"actions": 25, "context": 10, "context_actions": 5}[kind]
    if not isinstance(elements, list) or not elements:
        _invalid("must provide at least 1 item", f"{at}/elements")
    if len(elements) > limit:
        _invalid(f"no more than {limit} items allowed", f"{at}/elements")
    names = [item.get("action_id") for item in elements if item.get("action_id")]
    if len(set(names)) < len(names):
        _invalid("action_id already exists", f"{at}/elements")
    for index, item in enumerate(elements):
        if item.get("type") == "button":
            _check_button(item, f"{at}/elements/{index}")
        elif item.get("type") in ("mrkdwn", "plain_text"):
            _check_length(item.get("text"), MAX_SECTION, f"{at}/elements/{index}/text")


def _check_button(item: JSON, at: str) -> None:
    label = item.get("text")
    if not isinstance(label, dict) or label.get("type") != "plain_text":
        _invalid("button text must be plain_text", f"{at}/text")
    _check_length(label.get("text"), 75, f"{at}/text/text")
    if "value" in item:
        _check_length(item["value"], 2_000, f"{at}/value")
    if len(str(item.get("action_id", ""))) > 255:
        _invalid("must be less than 256 characters", f"{at}/action_id")


def _check_length(text: Any, limit: int, at: str) -> None:
    if not isinstance(text, str) or not text:
        _invalid("must be more than 0 characters", at)
    if len(text) > limit:
        _invalid(f"must be less than {limit + 1} characters", at)


def _check_ids(blocks: list[JSON]) -> None:
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(set(ids)) < len(ids):
        _invalid("block_id already exists", "/blocks")


def _check_budget(blocks: list[JSON]) -> None:
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if markdown > MAX_MARKDOWN or _all_text(blocks) > MAX_ALL_BLOCKS:
        raise SlackError("msg_blocks_too_long")


def _all_text(node: Any) -> int:
    if isinstance(node, list):
        return sum(_all_text(item) for item in node)
    if isinstance(node, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else _all_text(v) for k, v in node.items())
    return 0


def _invalid(message: str, at: str) -> NoReturn:
    detail = f"{message} [json-pointer:{at}]"
    raise SlackError("invalid_blocks", errors=[detail], response_metadata={"messages": [f"[ERROR] {detail}"]})
