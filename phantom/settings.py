"""Marks that settings models carry so that `config/` can fill them, and the record of where a value came from.

A channel's settings model is pydantic, but these marks are plain values: `Annotated[str, Env("SLACK_TRANSPORT")]`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Env:
    """The environment variable that sets this field; the environment wins over files. `also` are older names."""

    name: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretField:
    """Marks a `Secret | None` field: `name` is its name at the metadata service and in `${secret:NAME}`. `awaited`: it
    may be set while the daemon runs; the field then always holds a handle, which raises `SecretError` until it is.
    """

    name: str
    awaited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the value of one setting came from. `shown` is fit for print: secrets are masked."""

    path: str
    shown: str
    source: str
    secret: bool = False
