"""Reads the fields of the bridge's tables: what a reader of the reference and a type checker need to know of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

_PLAIN = {
    inspect.StrType: ("text", "str"),
    inspect.IntType: ("whole number", "int"),
    inspect.FloatType: ("number", "float"),
    inspect.BoolType: ("true or false", "bool"),
    inspect.NoneType: ("null", "None"),
    inspect.AnyType: ("anything", "Any"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldNote:
    """One field: `kind` and `note` in words, `hint` as a type for `Argument`s or answers."""

    name: str
    required: bool
    nullable: bool
    kind: str
    note: str
    hint: str


def fields_of(struct: type[Any], *, given: bool) -> list[FieldNote]:
    """The fields of a struct. `given`: as what a caller may give (`Sequence`), else as what comes (`list`)."""
    return [_note(one, given) for one in struct_type(struct).fields]


def struct_type(struct: type[Any]) -> inspect.StructType:
    """What msgspec knows of a struct."""
    found = inspect.type_info(struct)
    assert isinstance(found, inspect.StructType)  # noqa: S101 - only structs are in the tables
    return found


def structs_in(struct: type[Any]) -> Iterator[type[Any]]:
    """The structs that a struct's fields hold, at any depth; deepest first, each once."""
    seen: dict[type[Any], None] = {}

    def look(kind: inspect.Type) -> None:
        for inner in _parts(kind):
            look(inner)
        if isinstance(kind, inspect.StructType) and kind.cls is not struct:
            seen[kind.cls] = None

    for field in struct_type(struct).fields:
        look(field.type)
    return iter(seen)


def _parts(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return [kind.type]
    if isinstance(kind, inspect.ListType):
        return [kind.item_type]
    if isinstance(kind, inspect.UnionType):
        return list(kind.types)
    if isinstance(kind, inspect.DictType):
        return [kind.key_type, kind.value_type]
    if isinstance(kind, inspect.StructType):
        return [field.type for field in kind.fields]
    return []


def _note(field: inspect.Field, given: bool) -> FieldNote:
    said, inner = _described(field.type)
    parts = list(inner.types) if isinstance(inner, inspect.UnionType) else [inner]
    nullable = any(isinstance(part, inspect.NoneType) for part in parts)
    notes = [said] if said else []
    for part in parts:
        if not isinstance(part, inspect.NoneType):
            notes += [one for one in _limits(part) if one not in notes]
    return FieldNote(
        name=field.encode_name,
        required=field.required,
        nullable=nullable,
        kind=_kind(field.type),
        note="; ".join(notes),
        hint=hint_of(field.type, given),
    )


def _described(kind: inspect.Type) -> tuple[str, inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", "")), kind.type
    return "", kind


def _kind(kind: inspect.Type) -> str:
    kind = _described(kind)[1]
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_kind(part) for part in kind.types)
    if isinstance(kind, inspect.ListType):
        return f"list of {_kind(kind.item_type)}"
    if isinstance(kind, inspect.DictType):
        return "object"
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in _values(kind))
    if isinstance(kind, inspect.StructType):
        return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
    return _PLAIN[type(kind)][0]


def _limits(kind: inspect.Type) -> list[str]:
    said, kind = _described(kind)
    found = [said] if said else []
    if isinstance(kind, inspect.StrType):
        found += _range(kind.min_length, kind.max_length, "character")
    elif isinstance(kind, inspect.ListType):
        found += _range(kind.min_length, kind.max_length, "entr", one="y", more="ies")
        found += [f"each {one}" for one in _limits(kind.item_type)]
    elif isinstance(kind, inspect.IntType | inspect.FloatType) and (kind.ge is not None or kind.le is not None):
        least, most = (None if bound is None else f"{bound:,.0f}".replace(",", " ") for bound in (kind.ge, kind.le))
        found.append(f"{least} to {most}" if most is not None else f"{least} or more")
    return found


def _range(least: int | None, most: int | None, unit: str, *, one: str = "", more: str = "s") -> list[str]:
    if most is None:
        return [f"at least {least} {unit}{one if least == 1 else more}"] if least else []
    bounds = f"{least} to {most}" if least else f"at most {most}"
    return [f"{bounds} {unit}{one if most == 1 else more}"]


def hint_of(kind: inspect.Type, given: bool) -> str:
    """A type annotation. Structs are named as the typed dictionaries of `client_types.py`."""
    kind = _described(kind)[1]
    if isinstance(kind, inspect.UnionType):
        return " | ".join(hint_of(part, given) for part in kind.types)
    if isinstance(kind, inspect.ListType):
        return f"{'Sequence' if given else 'list'}[{hint_of(kind.item_type, given)}]"
    if isinstance(kind, inspect.DictType):
        return f"{'Mapping' if given else 'dict'}[str, {hint_of(kind.value_type, given)}]"
    if isinstance(kind, inspect.LiteralType):
        return f"Literal[{', '.join(_values(kind))}]"
    if isinstance(kind, inspect.StructType):
        return kind.cls.__name__
    return _PLAIN[type(kind)][1]


def _values(kind: inspect.LiteralType) -> list[str]:
    """As JSON has them, which is as Python has them, too."""
    texts = sorted(value for value in kind.values if isinstance(value, str))
    numbers = sorted(value for value in kind.values if isinstance(value, int))
    return [msgspec.json.encode(value).decode() for value in [*texts, *numbers]]
