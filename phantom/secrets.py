"""Secrets as live handles. A `Secret` is never a string: it follows rotation and shows itself to nobody.

What does *not* live here: where values come from (`config/`), and redaction of logs (`phantom/logs.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn, Protocol, final

from phantom.errors import SecretError

Listener = Callable[[], None]


class SecretSource(Protocol):
    """Where one named secret's value comes from. Implementations keep the plaintext; nothing else stores it."""

    def current(self) -> str:
        """The value to use now. Raises `SecretError` when there is none."""
        ...

    def previous(self) -> str | None:
        """The value before the last rotation, while its overlap lasts; else None."""
        ...

    async def refresh(self) -> bool:
        """Ask the origin again, now. True when the value changed. Raises `SecretError`/`MetadataError` on failure."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each change of the value; the result ends the subscription."""
        ...


@final
class Secret:
    """A live handle on one secret. `reveal()` is the only way to its text; repr, str, format and copy never show it."""

    __slots__ = ("_source", "name", "uses")

    def __init__(self, name: str, source: SecretSource) -> None:
        self.name = name
        self._source = source
        self.uses = 0
        """How often it was used, as far as `reveal` and `used` tell. The inventory looks at it from time to time."""

    def reveal(self) -> str:
        """The current plaintext. Call it at the moment of use and do not keep the result."""
        self.uses += 1
        return self._source.current()

    def peek(self) -> str:
        """The current plaintext for whoever only looks (masking, checks of its form); does not count as a use."""
        return self._source.current()

    def used(self) -> None:
        """Count a use that needed no `reveal`: a verifier that keeps prepared keys tells of a match."""
        self.uses += 1

    def reveal_previous(self) -> str | None:
        """The plaintext before the last rotation, while the overlap lasts."""
        return self._source.previous()

    def candidates(self) -> tuple[str, ...]:
        """Current and, inside the overlap, previous plaintext: what a verifier may accept, in that order."""
        previous = self._source.previous()
        current = self._source.current()
        return (current,) if previous is None else (current, previous)

    async def refresh(self) -> bool:
        """Re-read the origin now; True when the value changed."""
        return await self._source.refresh()

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` whenever the value changes; the result ends the subscription."""
        return self._source.subscribe(listener)

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a live handle and cannot be pickled")

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no truth value; compare with None or call reveal()")


class HeldSource:
    """A source whose value is handed to it: the environment at start, a test, an operator's rotation.

    `rotate` moves the old value to `previous()`; `expire_previous` ends the overlap.
    """

    def __init__(self, name: str, value: str | None, *, previous: str | None = None) -> None:
        self._name = name
        self._value = value
        self._previous = previous
        self._listeners: list[Listener] = []

    def current(self) -> str:
        if self._value is None:
            raise SecretError(f"secret {self._name} is not set")
        return self._value

    def previous(self) -> str | None:
        return self._previous

    async def refresh(self) -> bool:
        return False

    def rotate(self, value: str) -> None:
        """Make `value` current; the old one stays acceptable until `expire_previous`."""
        if value == self._value:
            return
        self._previous, self._value = self._value, value
        for listener in list(self._listeners):
            listener()

    def expire_previous(self) -> None:
        """End the overlap."""
        self._previous = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def __repr__(self) -> str:
        return f"HeldSource({self._name!r})"


def held(name: str, value: str | None) -> Secret:
    """A secret with a value that is already known (environment, tests)."""
    return Secret(name, HeldSource(name, value))


def fingerprint(secret: Secret, key: bytes) -> str:
    """Eight hex digits that tell two values of a secret apart without revealing either (keyed BLAKE2b)."""
    return hashlib.blake2b(secret.peek().encode(), key=key[:64], digest_size=4).hexdigest()
