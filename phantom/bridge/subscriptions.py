"""Who gets which event: filters checked when they are made, and an index so that an event is matched once.

A filter is an AND over its keys and an OR within one key's values, compared exactly. An empty or malformed filter is
refused, never widened. What does *not* live here: what a secret may see (`grants.py`, `scopes.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec
import orjson

from phantom.apps import EventSpec, Facts

MAX_VALUES = 200
"""Values of one filter key."""
MAX_VALUE = 128
"""Characters of one filter value."""
_NARROW_FIRST = (
    "interactionId",
    "messageId",
    "customId",
    "commandName",
    "threadId",
    "voiceChannelId",
    "channelId",
    "parentChannelId",
    "userId",
    "guildId",
)
"""Keys by how much they narrow: the index is built over a filter's first."""

Filter = tuple[tuple[str, frozenset[str]], ...]
"""Keys in alphabetical order, each with its values. () is no filter."""


class BadSubscription(Exception):
    """A subscription that is refused. `code` is a diagnosis code, the message a sentence with the cure."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_filter(raw: msgspec.Raw | bytes, spec: EventSpec) -> Filter:
    """A filter as the wire has it. Nothing, and JSON's null, are no filter. Raises `BadSubscription`."""
    if not bytes(raw):
        return ()
    try:
        value = orjson.loads(bytes(raw))
    except orjson.JSONDecodeError:
        raise BadSubscription("malformed_filter", f"the filter of {spec.name} is no JSON") from None
    if value is None:
        return ()
    if not isinstance(value, dict) or not value:
        raise BadSubscription(
            "malformed_filter", f"the filter of {spec.name} is empty or no object; leave it out to get every event"
        )
    found: list[tuple[str, frozenset[str]]] = []
    for key, wanted in sorted(value.items()):
        if key not in spec.filters:
            known = ", ".join(spec.filters) or "none"
            raise BadSubscription(
                "unsupported_filter_key", f"{spec.name} has no filter key {key[:64]!r}; it has: {known}"
            )
        found.append((key, _values(key, wanted, spec.name)))
    return tuple(found)


def _values(key: str, wanted: object, name: str) -> frozenset[str]:
    """The values of one key as texts: `channelType` is a number on the wire."""
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values or len(values) > MAX_VALUES:
        raise BadSubscription("malformed_filter", f"filter {key} of {name} must hold 1 to {MAX_VALUES} values")
    if key == "channelType":
        values = [str(value) if isinstance(value, int) and not isinstance(value, bool) else None for value in values]
    if not all(isinstance(value, str) and 0 < len(value) <= MAX_VALUE for value in values):
        raise BadSubscription(
            "malformed_filter", f"filter {key} of {name} must hold texts of 1 to {MAX_VALUE} characters"
        )
    return frozenset(values)


def weight(wanted: Filter) -> int:
    """How much a filter takes up: its values."""
    return sum(len(values) for _, values in wanted)


def matches(wanted: Filter, facts: Facts) -> bool:
    """Whether an event with these facts passes the filter."""
    for key, values in wanted:
        fact = facts.get(key)
        if fact is None:
            return False
        if isinstance(fact, str):
            if fact not in values:
                return False
        elif values.isdisjoint(fact):
            return False
    return True


class Subscriber(Protocol):
    """Whoever gets events."""

    def __hash__(self) -> int: ...


S = TypeVar("S", bound=Subscriber)


class _Rows(Generic[S]):
    """One event's subscriptions: those without a filter, and the others under their narrowest key's values."""

    __slots__ = ("everyone", "filtered")

    def __init__(self) -> None:
        self.everyone: dict[S, None] = {}
        self.filtered: dict[str, dict[str, dict[tuple[S, Filter], int]]] = {}
        """By key and value; how many filters of one app come to the same there."""

    def add(self, subscriber: S, wanted: Filter) -> None:
        if not wanted:
            self.everyone[subscriber] = None
            return
        key, values = _narrowest(wanted)
        rest = tuple(part for part in wanted if part[0] != key)
        rows = self.filtered.setdefault(key, {})
        for value in values:
            row = rows.setdefault(value, {})
            row[subscriber, rest] = row.get((subscriber, rest), 0) + 1

    def remove(self, subscriber: S, wanted: Filter) -> None:
        if not wanted:
            self.everyone.pop(subscriber, None)
            return
        key, values = _narrowest(wanted)
        rest = tuple(part for part in wanted if part[0] != key)
        rows = self.filtered.get(key, {})
        for value in values:
            row = rows.get(value, {})
            left = row.pop((subscriber, rest), 1) - 1
            if left:
                row[subscriber, rest] = left
            if not row:
                rows.pop(value, None)
        if not rows:
            self.filtered.pop(key, None)

    @property
    def empty(self) -> bool:
        return not self.everyone and not self.filtered


def _narrowest(wanted: Filter) -> tuple[str, frozenset[str]]:
    by_key = dict(wanted)
    for key in _NARROW_FIRST:
        if key in by_key:
            return key, by_key[key]
    return wanted[0]


class Index(Generic[S]):
    """Every subscription of every app, by event name."""

    def __init__(self) -> None:
        self._rows: dict[str, _Rows[S]] = {}

    @property
    def names(self) -> Iterable[str]:
        """Events that anybody subscribed to."""
        return self._rows.keys()

    def add(self, subscriber: S, name: str, wanted: Filter) -> None:
        rows = self._rows.get(name)
        if rows is None:
            rows = self._rows[name] = _Rows()
        rows.add(subscriber, wanted)

    def remove(self, subscriber: S, name: str, wanted: Filter) -> None:
        rows = self._rows.get(name)
        if rows is None:
            return
        rows.remove(subscriber, wanted)
        if rows.empty:
            del self._rows[name]

    def match(self, name: str, facts: Facts) -> Mapping[S, None]:
        """Everybody who wants the event, each once, in the order of subscribing."""
        rows = self._rows.get(name)
        if rows is None:
            return {}
        if not rows.filtered:
            return rows.everyone
        found = dict(rows.everyone)
        for key, by_value in rows.filtered.items():
            fact = facts.get(key)
            if fact is None:
                continue
            for value in (fact,) if isinstance(fact, str) else fact:
                for subscriber, rest in by_value.get(value, ()):
                    if subscriber not in found and matches(rest, facts):
                        found[subscriber] = None
        return found
