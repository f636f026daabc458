"""What was seen lately, bounded: ids that were told already, and the last known shape of small things. Pure state.

What does *not* live here: how long an interaction can be answered (`apps_interactions.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Seen:
    """The newest ids: at least `keep` of them, at most twice as many. Two generations, the older one let go at once."""

    __slots__ = ("_keep", "_newer", "_older")

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._newer: set[str] = set()
        self._older: set[str] = set()

    def first(self, number: str) -> bool:
        """Whether that id comes for the first time; it is known from now on."""
        if number in self._newer or number in self._older:
            return False
        self._newer.add(number)
        if len(self._newer) >= self._keep:
            self._older, self._newer = self._newer, set()
        return True


class Latest(Generic[V]):
    """The last value under each of the `keep` keys that were touched last."""

    __slots__ = ("_keep", "_values")

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        """What is known, None for nothing."""
        return self._values.get(key)

    def swap(self, key: str, value: V) -> V | None:
        """Put a value; returns the one before."""
        before = self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._keep:
            self._values.popitem(last=False)
        return before

    def take(self, key: str) -> V | None:
        """Forget a key; returns what was known."""
        return self._values.pop(key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._values
