"""What tools return, without the daemon's secrets, before a model sees it or a checkpoint keeps it.

Texts are masked wherever they stand in lists, dictionaries, dataclasses and pydantic models; the value keeps its type.
What does *not* live here: what counts as a secret.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

_DEPTH = 32

Mask = Callable[[str], str]


def masked(value: Any, mask: Mask, depth: int = 0) -> Any:
    """`value` with `mask` applied to every text in it; the same object where nothing changed."""
    if isinstance(value, str):
        text = mask(value)
        return value if text == value else text
    if isinstance(value, bytes):
        return _masked_bytes(value, mask)
    if depth >= _DEPTH:
        return value
    if isinstance(value, Mapping):
        items = {masked(key, mask, depth + 1): masked(item, mask, depth + 1) for key, item in value.items()}
        return value if all(map(_same, items.items(), value.items())) else items
    if isinstance(value, list | tuple | set | frozenset):
        return _masked_members(value, mask, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        changes = _changes(value, names, mask, depth)
        return dataclasses.replace(value, **changes) if changes else value
    if isinstance(value, BaseModel):
        changes = _changes(value, list(type(value).model_fields), mask, depth)
        return value.model_copy(update=changes) if changes else value
    return value


def _masked_bytes(value: bytes, mask: Mask) -> bytes:
    """Bytes that are text are masked as text; others are nothing that a model reads as letters."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value
    found = mask(text)
    return value if found == text else found.encode()


def _masked_members(value: Any, mask: Mask, depth: int) -> Any:
    members = list(value)
    found = [masked(item, mask, depth + 1) for item in members]
    if all(new is old for new, old in zip(found, members, strict=True)):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*found)
    return type(value)(found) if type(value) in (list, tuple, set, frozenset) else found


def _changes(value: Any, names: list[str], mask: Mask, depth: int) -> dict[str, Any]:
    changes = {}
    for name in names:
        old = getattr(value, name)
        new = masked(old, mask, depth + 1)
        if new is not old:
            changes[name] = new
    return changes


def _same(pair: tuple[Any, Any], was: tuple[Any, Any]) -> bool:
    return pair[0] is was[0] and pair[1] is was[1]
