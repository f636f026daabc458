"""Names of our buttons, forms and commands, as they travel to Discord and back. Pure.

A `custom_id` holds at most 100 characters, a turn's id may be longer: of a turn in the same tenant only the event's
part is written, anything else that does not fit is replaced by a short reference which `memo.py` remembers.
https://docs.discord.com/developers/components/reference#anatomy-of-a-component-custom-id
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.discord.decode import strings, text
from channels.discord.place import CHANNEL
from phantom.messages import Button

FEEDBACK = "phantom_feedback:"
BUTTON = "phantom_button:"
CHOICE = "phantom_choice:"
"""A menu of the agent's; each entry's value is the custom id that a button would have."""
ASK_MODAL = "phantom_ask_modal"
QUESTION = "question"
ABOUT = "about"
CONVERSATION = "conversation"

COMMAND = "phantom"
CONTEXT = "Ask Phantom"

MAX_CUSTOM_ID = 100
_FEEDBACK_ACTION = "feedback:"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)
_REFERENCE = re.compile(r"#[0-9a-f]{20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pressed:
    """A custom id of ours taken apart. `kind` is FEEDBACK or BUTTON, `word` the rating or action."""

    kind: str
    word: str
    value: str


def written(button: Button, tenant: str) -> tuple[str, str]:
    """The custom id of a button in a message of that tenant, and the value to remember for it ("": none)."""
    rated = button.action.startswith(_FEEDBACK_ACTION)
    kind = FEEDBACK if rated else BUTTON
    word = button.action.removeprefix(_FEEDBACK_ACTION) if rated else button.action
    short = _shortened(button.value, tenant)
    room = MAX_CUSTOM_ID - len(kind) - 1 - 21
    if len(word) > room:
        word = word[:room]
    if short is not None and len(kind) + len(short) + 1 + len(word) <= MAX_CUSTOM_ID:
        return f"{kind}{short}:{word}" if not rated else f"{kind}{word}:{short}", ""
    reference = reference_of(button.value)
    return f"{kind}{reference}:{word}" if not rated else f"{kind}{word}:{reference}", button.value


def read(custom_id: str, tenant: str) -> Pressed | None:
    """What a custom id says; `value` is a reference (`is_reference`) where it was too long. None: not ours."""
    if custom_id.startswith(FEEDBACK):
        word, _, value = custom_id.removeprefix(FEEDBACK).partition(":")
        return Pressed(FEEDBACK, word, _restored(value, tenant))
    if custom_id.startswith(BUTTON):
        value, _, word = custom_id.removeprefix(BUTTON).partition(":")
        return Pressed(BUTTON, word, _restored(value, tenant))
    return None


def pressed_in(data: Mapping[str, Any], tenant: str) -> Pressed | None:
    """What the data of a component's interaction says: which button was pressed, or which entry of a menu chosen."""
    custom_id = text(data, "custom_id")
    if custom_id.startswith(CHOICE):
        return read((strings(data, "values") or ("",))[0], tenant)
    return read(custom_id, tenant)


def reference_of(value: str) -> str:
    """What stands for a long value."""
    return "#" + hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def is_reference(value: str) -> bool:
    """Whether a value has to be looked up."""
    return _REFERENCE.fullmatch(value) is not None


def _shortened(value: str, tenant: str) -> str | None:
    """The value in few plain characters, None when it cannot be written so."""
    prefix = f"{CHANNEL}:{tenant}:"
    if value.startswith(prefix) and _PLAIN.fullmatch(value.removeprefix(prefix)):
        return "~" + value.removeprefix(prefix)
    if not value or _PLAIN.fullmatch(value):
        return value
    return None


def _restored(value: str, tenant: str) -> str:
    return f"{CHANNEL}:{tenant}:{value[1:]}" if value.startswith("~") else value
