"""What Discord answered to a call that failed, as numbers, noted beside the error that stands for it. Pure.

What does *not* live here: which error that is (`errors.py`), what apps are told (`apps_refusals.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from phantom.errors import PhantomError

E = TypeVar("E", bound=PhantomError)

_NOTE = "discord_answered"
_MAX_FIELDS = 10
_MAX_DEPTH = 12


class Answered(NamedTuple):
    """HTTP status, Discord's own code, and the fields that it complains of (`embeds.0.title`). 0 and () for none."""

    status: int = 0
    code: int = 0
    fields: tuple[str, ...] = ()


def noted(error: E, status: int, code: int, complaints: object = None) -> E:
    """`error`, with what Discord answered noted. `complaints` is the `errors` member of its body: of that the names of
    fields are taken, nothing of what the app sent.
    """
    fields = tuple(path for path, _ in zip(_paths(complaints, ""), range(_MAX_FIELDS), strict=False))
    vars(error)[_NOTE] = Answered(status, code, fields)
    return error


def answered(error: PhantomError) -> Answered:
    """What was noted, zeros for nothing."""
    found = vars(error).get(_NOTE)
    return found if isinstance(found, Answered) else Answered()


def _paths(node: object, path: str, depth: int = 0) -> Iterator[str]:
    if not isinstance(node, Mapping) or depth > _MAX_DEPTH:
        return
    for name, inner in _children(node):
        if name == "_errors":
            yield path or "body"
        else:
            yield from _paths(inner, f"{path}.{name}" if path else name, depth + 1)


def _children(node: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    return ((name[:64], inner) for name, inner in node.items() if isinstance(name, str))
