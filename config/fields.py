"""What a settings model says about its fields: the marks of `phantom.settings`, sequences, and types in plain words."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from phantom.secrets import Secret
from phantom.settings import Env, SecretField

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", Secret: "secret"}
_SEQUENCES = (list, tuple, set, frozenset, Sequence)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """One field of a settings model. `env` and `secret` are its marks; `sequence` says that it takes several values."""

    name: str
    env: Env | None
    secret: SecretField | None
    sequence: bool
    info: FieldInfo

    @property
    def holds_secret(self) -> bool:
        """Whether its value is a live handle."""
        return self.secret is not None or Secret in _alternatives(self.info.annotation)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it, the preferred one first."""
        return (self.env.name, *self.env.also) if self.env else ()


def fields_of(model: type[BaseModel]) -> tuple[SettingField, ...]:
    """The fields of `model` in the order in which it declares them."""
    return tuple(
        SettingField(
            name=name,
            env=_mark(info, Env),
            secret=_mark(info, SecretField),
            sequence=any(_bare(part) in _SEQUENCES for part in _alternatives(info.annotation)),
            info=info,
        )
        for name, info in model.model_fields.items()
    )


def _mark(info: FieldInfo, kind: type[T]) -> T | None:
    return next((mark for mark in info.metadata if isinstance(mark, kind)), None)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, through `Annotated`; a lone type is its only member."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for part in get_args(annotation) for inner in _alternatives(part))
    return (annotation,)


def _bare(annotation: Any) -> Any:
    return get_origin(annotation) or annotation


def describe_type(annotation: Any) -> str:
    """The type in an operator's words, e.g. `socket or http`, `list of text`."""
    parts = [_describe(part) for part in _alternatives(annotation) if part is not type(None)]
    return " or ".join(dict.fromkeys(parts))


def _describe(part: Any) -> str:
    if get_origin(part) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(part))
    if _bare(part) in _SEQUENCES:
        inner = [argument for argument in get_args(part) if argument is not Ellipsis]
        return f"list of {describe_type(inner[0])}" if inner else "list"
    return _WORDS.get(part) or str(getattr(_bare(part), "__name__", "value"))
