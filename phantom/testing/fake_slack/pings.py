"""Whom would this message notify? Reads a message as Slack's clients do, on the side of caution.

Counted: `<!channel>`, `<!here>`, `<!everyone>`, `<!group>`, `<@U…>`, `<!subteam^S…>` in text, in mrkdwn and `markdown`
blocks and in attachments, the same as `rich_text` elements, and bare `@channel`-style words where the call asked for
`link_names` or `parse=full`. Code spans count too: Slack resolves mentions inside them in `text`. Not counted:
`plain_text` objects, which Slack never parses, and `&lt;!channel&gt;`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(r"<(!channel|!here|!everyone|!group|!subteam\^[A-Z0-9]+|@[UWB][A-Z0-9]+)(?:\|[^<>]*)?>")
_BARE = re.compile(r"(?<![\w@])@(channel|here|everyone|group)\b")


def pings_in_text(text: str, *, link_names: bool = False) -> list[str]:
    """Canonical tokens (`<!here>`, `<@U1>`, …) in order of appearance; labels are dropped."""
    found = [f"<{match.group(1)}>" for match in _TOKEN.finditer(text)]
    if link_names:
        found += [f"<!{match.group(1)}>" for match in _BARE.finditer(text)]
    return found


def pings_of(text: str, blocks: Any, attachments: Any, *, link_names: bool = False) -> list[str]:
    """Every ping in a message's text, blocks and attachments."""
    found = pings_in_text(text, link_names=link_names)
    for part in (blocks, attachments):
        for piece in _walk(part):
            found += pings_in_text(piece, link_names=link_names)
    return found


def _walk(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item)
    elif isinstance(node, dict):
        if node.get("type") == "plain_text":
            return
        yield from _element(node)
        for key, value in node.items():
            if isinstance(value, str) and key in ("text", "pretext", "fallback", "title", "value"):
                # A button's value is data that travels back to the app; only attachments' field values are shown.
                if key != "value" or "type" not in node:
                    yield value
            else:
                yield from _walk(value)


def _element(node: dict[str, Any]) -> Iterator[str]:
    """Mentions in `rich_text` are elements of their own, not markup."""
    match node.get("type"):
        case "broadcast":
            yield f"<!{node.get('range', 'channel')}>"
        case "user":
            yield f"<@{node.get('user_id', '')}>"
        case "usergroup":
            yield f"<!subteam^{node.get('usergroup_id', '')}>"
        case _:
            return
