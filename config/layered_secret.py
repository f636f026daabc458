"""One secret that several sources may have, asked in order: the first one that has it counts.

"Has it not" makes the next source's turn; a source that fails does not, so that an outage or a withdrawn right never
silently brings back another value. What does *not* live here: what the sources are and their order (`secret_store.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.rotating import RotatingText
from phantom.clock import Clock
from phantom.errors import MetadataError, PhantomError, SecretError
from phantom.secret_sources import ABSENT
from phantom.secrets import Listener, SecretSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One source of the list, and its kind."""

    kind: str
    source: SecretSource


class LayeredSecret:
    """A `SecretSource` over others."""

    def __init__(self, name: str, layers: Sequence[Layer], clock: Clock, *, overlap_seconds: float) -> None:
        self._name = name
        self._layers = tuple(layers)
        self._held = RotatingText(clock, overlap_seconds=overlap_seconds)
        self._overlap = overlap_seconds
        self._asking: asyncio.Task[bool] | None = None
        for layer in self._layers:
            layer.source.subscribe(self._look)
        self._look()

    def current(self) -> str:
        for layer in self._layers:
            try:
                return layer.source.current()
            except SecretError as error:
                if error.code != ABSENT:
                    raise
        raise SecretError(f"secret {self._name} is in none of {', '.join(self.kinds)}", code=ABSENT)

    def previous(self) -> str | None:
        """What the source that counts had before, else what another source had before this one took over."""
        counts = self.counting
        own = None if counts is None else counts.source.previous()
        if own is not None:
            return own
        # Until `_look` has noted that another source took over, what it noted last is what the one before had.
        now, noted = None if counts is None else _text(counts.source), self._held.text
        before = noted if self._overlap > 0 and now not in (None, noted) else self._held.previous()
        return None if before == now else before

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    async def refresh(self) -> bool:
        """Ask the sources in order until one has it. Raises what the one that should have it raises."""
        self._look()
        before = self._held.text
        for layer in self._layers:
            try:
                await layer.source.refresh()
                layer.source.current()
                break
            except (SecretError, MetadataError) as error:
                if not absent(layer.source, error):
                    self._look()
                    raise
        self._look()
        self.current()
        return self._held.text != before

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the sources, in order."""
        return tuple(layer.kind for layer in self._layers)

    @property
    def counting(self) -> Layer | None:
        """The layer whose value, or whose failure, counts now; None when no source has the secret."""
        return next((layer for layer in self._layers if not absent(layer.source)), None)

    def _look(self) -> None:
        """Note the value that counts now, and tell the holders when it is another one."""
        try:
            self._held.replace(self.current())
        except SecretError as error:
            if error.code == ABSENT:
                self._held.withdraw()
            elif self._held.text is not None:
                self._ask()

    def _ask(self) -> None:
        """A source that was never asked takes over: ask it."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self.refresh(), name=f"ask for {self._name}")
            self._asking.add_done_callback(_seen)

    def __repr__(self) -> str:
        return f"LayeredSecret({self._name!r}, {', '.join(self.kinds)})"


def absent(source: SecretSource, error: PhantomError | None = None) -> bool:
    """Whether the source says that there is no such secret."""
    if error is not None and error.code == ABSENT:
        return True
    try:
        source.current()
    except SecretError as said:
        return said.code == ABSENT
    return False


def _text(source: SecretSource) -> str | None:
    try:
        return source.current()
    except SecretError:
        return None


def _seen(task: asyncio.Task[bool]) -> None:
    """Mark a failure as seen: the source has logged it, and its health says so."""
    if not task.cancelled():
        task.exception()
