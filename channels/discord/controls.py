"""The buttons and menus under a message. Pure.

Up to ten buttons of the agent's own stand side by side; more are entries of menus, which hold 25 each. Ratings and
approvals are always buttons. A custom id may stand only once in a message; all of them are understood after a restart
too (`custom_ids.py`). What does *not* live here: what a press means (`interactions_in.py`).
https://docs.discord.com/developers/components/reference
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from channels.discord import custom_ids
from channels.discord.decode import JSON
from phantom.messages import Button, ButtonStyle, OutboundMessage

MAX_ROWS = 5
MAX_IN_ROW = 5
MAX_OPTIONS = 25
MAX_BUTTONS = 10
"""More choices than that are quicker found in a menu."""
_MAX_LABEL, _MAX_ENTRY = 80, 100
_ENGINES = ("feedback:", "approval:")
_STYLES = {ButtonStyle.PLAIN: 2, ButtonStyle.PRIMARY: 1, ButtonStyle.DANGER: 4}


def components(message: OutboundMessage) -> tuple[list[JSON], dict[str, str]]:
    """The rows, and the values of buttons to remember by their reference."""
    named: dict[str, Button] = {}
    values: dict[str, str] = {}
    for button in message.buttons:
        custom_id, value = custom_ids.written(button, message.conversation.tenant)
        if custom_id not in named and value:
            values[custom_ids.reference_of(value)] = value
        named.setdefault(custom_id, button)
    own = [one for one, button in named.items() if not button.action.startswith(_ENGINES)]
    if len(own) <= MAX_BUTTONS:
        return _rows([_button(button, one) for one, button in named.items()]), values
    rest = [_button(button, one) for one, button in named.items() if button.action.startswith(_ENGINES)]
    room = MAX_ROWS - len(_rows(rest))
    parts = [own[at : at + MAX_OPTIONS] for at in range(0, len(own), MAX_OPTIONS)][:room]
    menus = [_menu([(one, named[one]) for one in part], at, len(parts)) for at, part in enumerate(parts)]
    return [*({"type": 1, "components": [menu]} for menu in menus), *_rows(rest)], values


def _rows(buttons: Sequence[JSON]) -> list[JSON]:
    rows = [list(buttons[at : at + MAX_IN_ROW]) for at in range(0, len(buttons), MAX_IN_ROW)]
    return [{"type": 1, "components": row} for row in rows[:MAX_ROWS]]


def _button(button: Button, custom_id: str) -> JSON:
    return {
        "type": 2,
        "style": _STYLES[button.style],
        "label": _label(button, _MAX_LABEL),
        "custom_id": custom_id,
    }


def _menu(entries: Sequence[tuple[str, Button]], at: int, of: int) -> dict[str, Any]:
    return {
        "type": 3,
        "custom_id": f"{custom_ids.CHOICE}{at}",
        "placeholder": "Choose…" if of == 1 else f"Choose… ({at + 1} of {of})",
        "options": [{"label": _label(button, _MAX_ENTRY), "value": custom_id} for custom_id, button in entries],
    }


def _label(button: Button, room: int) -> str:
    label = button.label if len(button.label) <= room else button.label[: room - 1] + "…"
    return label.strip() or button.action[:room] or "…"
