"""Turns pydantic's findings into `ConfigError`s in an operator's words. No input value gets into any of them.

Pydantic's own texts name types and bounds only; a channel's validator writes its own text, so whatever of the input or
of a known secret shows up in one is taken out here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from phantom.errors import ConfigError
from phantom.secrets import Secret

_WORDS = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "path_type": "must be a path",
    "is_instance_of": "must be text or a ${secret:NAME} reference",
    "extra_forbidden": "unknown key",
    "string_pattern_mismatch": "does not have the right form",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "mapping_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
_SHORTEST_OWN = 4
_SHORTEST_FOREIGN = 8

Where = Callable[[tuple[str | int, ...]], str]
"""The place of an error, given pydantic's location."""


def findings(
    error: ValidationError,
    *,
    raw: Mapping[str, object],
    where: Where,
    hint: Callable[[str], str],
    secrets: Collection[str],
    ignore: Collection[str],
) -> list[ConfigError]:
    """One `ConfigError` for each wrong place. `hint` gives the cure for a missing field by its name.

    Fields in `ignore` already have an error of their own; with any of those, findings about the whole are left out too.
    """
    found: dict[str, ConfigError] = {}
    for item in error.errors(include_url=False, include_input=False):
        location = tuple(part for part in item["loc"])
        field = str(location[0]) if location else ""
        if field in ignore or (ignore and not location):
            continue
        place = where(location)
        if item["type"] == "missing":
            single = ConfigError("is needed and not set", where=place, hint=hint(field))
        elif isinstance(raw.get(field), Secret) and item["type"] != "is_instance_of" and len(location) <= 1:
            single = ConfigError("is not a secret setting", where=place, hint="write the value itself, or use ${NAME}")
        else:
            shown = _scrubbed(_text(item), _to_hide(raw, field, secrets))
            single = ConfigError(shown, where=place)
        # Alternatives of a union each bring a finding for the same place; the first one says enough.
        found.setdefault(place, single)
    return list(found.values())


def _text(item: Any) -> str:
    kind: str = item["type"]
    context: Mapping[str, object] = item.get("ctx") or {}
    if kind in {"literal_error", "enum"}:
        return f"must be {context.get('expected', 'one of the documented values')}"
    if kind == "value_error" and "error" in context:
        return str(context["error"])
    if kind in _WORDS:
        return _WORDS[kind]
    text: str = item["msg"]
    return text.replace("Input should be", "must be").replace("String should have", "must have")


def _to_hide(raw: Mapping[str, object], field: str, secrets: Collection[str]) -> set[str]:
    """What must not be in a message about `field` ("" for the whole): its own input and all secrets."""
    if field:
        own = {text for text in _texts(raw.get(field)) if len(text) >= _SHORTEST_OWN}
    else:
        own = {text for text in _texts(list(raw.values())) if len(text) >= _SHORTEST_FOREIGN}
    return own | set(secrets)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _scrubbed(text: str, hide: Iterable[str]) -> str:
    for secret in sorted(hide, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "…")
    return text
