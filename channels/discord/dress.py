"""What a message looks like: content or embed, buttons, who may be mentioned. Pure.

What does *not* live here: markup (`markup.py`) and sending (`egress.py`). Limits:
https://docs.discord.com/developers/resources/message#create-message (content 2000 characters, embed description 4096).
"""

from __future__ import annotations

import hashlib
from typing import Any

from channels.discord import custom_ids
from channels.discord.decode import JSON
from channels.discord.markup import neutral, to_discord
from phantom.errors import MessageRejected
from phantom.messages import Button, ButtonStyle, OutboundMessage, Tone

MAX_CONTENT = 2000
MAX_EMBED = 4096
MAX_ROWS = 5
_MAX_ROW = 5
_MAX_LABEL = 80
SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6

_COLOURS = {Tone.NOTICE: 0x5865F2, Tone.ERROR: 0xED4245}
_STYLES = {ButtonStyle.PLAIN: 2, ButtonStyle.PRIMARY: 1, ButtonStyle.DANGER: 4}


def body(message: OutboundMessage) -> tuple[JSON, dict[str, str]]:
    """What to post or edit, and the values of buttons to remember by their reference."""
    rendered = to_discord(message.text, message.allow_mentions)
    if message.text.strip() and not rendered:
        rendered = neutral(message.text, message.allow_mentions)
    components, values = _components(message)
    form: JSON = {
        "content": "",
        "embeds": [],
        "components": components,
        "allowed_mentions": {"parse": [], "users": sorted(message.allow_mentions)[:100], "replied_user": False},
    }
    if message.tone in _COLOURS or length(rendered) > MAX_CONTENT:
        # An embed holds twice as much: what markup made too long for the content is shown there.
        if length(rendered) > MAX_EMBED:
            raise MessageRejected("the message is too long for Discord", code="too_long")
        colour = _COLOURS.get(message.tone)
        form["embeds"] = [{"description": rendered} | ({} if colour is None else {"color": colour})]
    else:
        form["content"] = rendered
        form["flags"] = SUPPRESS_EMBEDS
    return form, values


def length(text: str) -> int:
    """Discord counts UTF-16 code units in some clients and code points in others: the larger is safe."""
    return len(text) + sum(char > "\uffff" for char in text)


def nonce(key: str) -> str:
    """The nonce of a message: 25 characters at most, equal for equal idempotency keys."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def first_part(key: str) -> bool:
    """Whether this is the first of the messages that an answer is split into."""
    return key.removesuffix(".bare").endswith("/0")


def _components(message: OutboundMessage) -> tuple[list[JSON], dict[str, str]]:
    """Rows of at most five buttons; a custom id may stand only once in a message."""
    rows: list[JSON] = []
    values: dict[str, str] = {}
    used: set[str] = set()
    for button in message.buttons[: MAX_ROWS * _MAX_ROW]:
        custom_id, value = custom_ids.written(button, message.conversation.tenant)
        if custom_id in used:
            continue
        used.add(custom_id)
        if value:
            values[custom_ids.reference_of(value)] = value
        if not rows or len(rows[-1]["components"]) >= _MAX_ROW:
            rows.append({"type": 1, "components": []})
        rows[-1]["components"].append(_button(button, custom_id))
    return rows, values


def _button(button: Button, custom_id: str) -> dict[str, Any]:
    label = button.label if len(button.label) <= _MAX_LABEL else button.label[: _MAX_LABEL - 1] + "…"
    return {
        "type": 2,
        "style": _STYLES[button.style],
        "label": label or button.action or "…",
        "custom_id": custom_id,
    }
