"""An `OutboundMessage` as Slack's blocks: the forms in which it can be posted, best first.

What does *not* live here: posting (`egress.py`), escaping (`markup.py`, `mrkdwn.py`).

Limits, https://docs.slack.dev/reference/block-kit/blocks: 12,000 characters in all `markdown` blocks together, 3,000 in
a section, 50 blocks, 25 buttons in a row; `text` 40,000 (4,000 in `chat.update`). All blocks together may hold about
13,200 characters (undocumented; slackapi/bolt-js issue 2509).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from channels.slack.markup import native
from channels.slack.mrkdwn import escape, to_mrkdwn, to_sections
from phantom.messages import Button, ButtonStyle, OutboundMessage, Tone

MAX_CHARS = 11_000
"""Characters of CommonMark in one message: what is left of 12,000 for escaping and a notice's icon."""

MAX_MARKDOWN = 12_000
MAX_SECTION = 3_000
MAX_ALL_BLOCKS = 12_800
MAX_BLOCKS = 50
MAX_TEXT = 40_000
MAX_CONTEXT = 2_000
MAX_NOTIFICATION = 2_000
MAX_UPDATE_TEXT = 4_000
_MAX_LABEL = 75
_MAX_VALUE = 2_000
_MAX_ACTION_ID = 255
_MAX_ROW = 25

FEEDBACK = "feedback:"
_ICONS = {Tone.NOTICE: ":information_source: ", Tone.ERROR: ":warning: "}
_STYLES = {ButtonStyle.PRIMARY: "primary", ButtonStyle.DANGER: "danger"}
_STARTS_A_BLOCK = re.compile(r"[ \t]*(?:[#>|`~]|[-*+] |\d+[.)] )|\s")

JSON = dict[str, Any]


def forms(message: OutboundMessage, *, with_markdown: bool) -> Iterator[JSON]:
    """`text` and `blocks` of the message, in falling order of looks; each is refused by Slack for fewer reasons.

    First a native `markdown` block (unless the workspace refuses those), then mrkdwn sections, last plain `text`.
    """
    buttons = _buttons(message.buttons)
    text = _notification(message)
    if message.tone is Tone.PROGRESS and len(line := to_mrkdwn(message.text)) <= MAX_CONTEXT and line:
        yield {"text": text, "blocks": [_context(line), *buttons]}
    elif with_markdown and len(markdown := _markdown(message)) <= MAX_MARKDOWN:
        yield {"text": text, "blocks": [{"type": "markdown", "text": markdown}, *buttons]}
    sections = _sections(message)
    if sections and len(sections) + len(buttons) <= MAX_BLOCKS and sum(map(len, sections)) <= MAX_ALL_BLOCKS:
        yield {"text": text, "blocks": [*map(_section, sections), *buttons]}
    yield {"text": _whole(message), "blocks": buttons}


def action_id(button: Button) -> str:
    """The id under which a press comes back: `phantom_feedback:<rating>` or `phantom_button:<action>`."""
    if button.action.startswith(FEEDBACK):
        return f"phantom_feedback:{button.action.removeprefix(FEEDBACK)}"[:_MAX_ACTION_ID]
    return f"phantom_button:{button.action}"[:_MAX_ACTION_ID]


def _markdown(message: OutboundMessage) -> str:
    text = _dressed(message.tone, message.text)
    safe = native(text, message.allow_mentions)
    return safe if len(safe) <= MAX_MARKDOWN else native(text, message.allow_mentions, tight=True)


def _sections(message: OutboundMessage) -> list[str]:
    text = _dressed(message.tone, message.text)
    parts = to_sections(text, MAX_SECTION, message.allow_mentions)
    if sum(map(len, parts)) <= MAX_ALL_BLOCKS:
        return parts
    return to_sections(text, MAX_SECTION, message.allow_mentions, tight=True)


def _whole(message: OutboundMessage) -> str:
    text = _dressed(message.tone, message.text)
    plain = to_mrkdwn(text, message.allow_mentions) or escape(text)
    return plain if len(plain) <= MAX_TEXT else to_mrkdwn(text, message.allow_mentions, tight=True)


def _notification(message: OutboundMessage) -> str:
    """What notifications and screen readers get: the beginning, within what `chat.update` takes too."""
    text = _dressed(message.tone, message.text)
    short = text if len(text) <= MAX_NOTIFICATION else text[: MAX_NOTIFICATION - 1] + "…"
    plain = to_mrkdwn(short, message.allow_mentions) or escape(short)
    if len(plain) > MAX_UPDATE_TEXT:
        plain = to_mrkdwn(short, message.allow_mentions, tight=True)
    return plain[:MAX_UPDATE_TEXT]


def _dressed(tone: Tone, text: str) -> str:
    icon = _ICONS.get(tone)
    if icon is None:
        return text
    return f"{icon.rstrip()}\n\n{text}" if _STARTS_A_BLOCK.match(text) else icon + text


def _buttons(buttons: tuple[Button, ...]) -> list[JSON]:
    """Rows of buttons. An action id may stand only once in a row, so a second one with the same id starts a row."""
    rows: list[list[JSON]] = []
    for button in buttons:
        element = _button(button)
        full = not rows or len(rows[-1]) >= _MAX_ROW
        if full or any(other["action_id"] == element["action_id"] for other in rows[-1]):
            rows.append([])
        rows[-1].append(element)
    return [{"type": "actions", "elements": row} for row in rows[: MAX_BLOCKS - 2]]


def _button(button: Button) -> JSON:
    label = button.label if len(button.label) <= _MAX_LABEL else button.label[: _MAX_LABEL - 1] + "…"
    element: JSON = {
        "type": "button",
        "action_id": action_id(button),
        "text": {"type": "plain_text", "text": label or button.action or "…", "emoji": True},
    }
    if button.value:
        element["value"] = button.value[:_MAX_VALUE]
    if button.style in _STYLES:
        element["style"] = _STYLES[button.style]
    return element


def _section(text: str) -> JSON:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> JSON:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> JSON:
    """`verbatim`: else Slack reads plain words as mentions and channel names."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
