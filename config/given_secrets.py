"""Secrets whose value was written down for us: a variable of the environment or of `.env`, or the value of a setting.

The environment of a process cannot change, but `.env` and the YAML files can: on SIGHUP the whole configuration is read
again (`rereading.py`) and what differs is handed to `rotate` here. What does *not* live here: reading those files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config import secret_names
from config.rotating import OVERLAP_SECONDS, RotatingText
from phantom.clock import Clock
from phantom.errors import SecretError
from phantom.secret_sources import ABSENT, SecretHealth
from phantom.secrets import Listener, Secret


class GivenSource:
    """A `SecretSource` with a value that stays until it is given another one."""

    def __init__(self, name: str, text: str | None, clock: Clock, *, overlap_seconds: float = OVERLAP_SECONDS) -> None:
        self._name = name
        self._held = RotatingText(clock, overlap_seconds=overlap_seconds)
        self._held.text = text

    @property
    def is_set(self) -> bool:
        """Whether there is a value."""
        return self._held.text is not None

    def current(self) -> str:
        if self._held.text is None:
            raise SecretError(f"secret {self._name} is not set", code=ABSENT)
        return self._held.text

    def previous(self) -> str | None:
        return self._held.previous()

    async def refresh(self) -> bool:
        return False

    def rotate(self, text: str) -> bool:
        """Make `text` current; True when it differs."""
        return self._held.replace(text)

    def withdraw(self) -> bool:
        """Forget the value and the one before it; True when there was one."""
        return self._held.withdraw()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._held.subscribe(listener)

    def __repr__(self) -> str:
        return f"GivenSource({self._name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One handle given out. `place` is what it was made for (a setting's path, or its name), `source` where its value
    comes from, both fit for print. `given` is set for a value that was written down; a live one follows its source,
    whose `kind` is "" while none has it.
    """

    secret: Secret
    place: str
    source: str
    given: GivenSource | None = None
    kind: str = ""


class VariableSecrets:
    """The secrets that variables hold, by name; a `SecretOrigin`. `lookup` gives a variable's text, None when unset."""

    def __init__(
        self,
        kind: str,
        lookup: Callable[[str], str | None],
        variables_of: Callable[[str], Sequence[str]],
        clock: Clock,
        *,
        overlap_seconds: float = OVERLAP_SECONDS,
    ) -> None:
        self._kind = kind
        self._lookup = lookup
        self._variables_of = variables_of
        self._clock = clock
        self._overlap = overlap_seconds
        self._sources: dict[str, GivenSource] = {}

    def has(self, name: str) -> bool:
        return self._set_by(name) is not None

    def source(self, name: str) -> GivenSource:
        found = self._sources.get(name)
        if found is None:
            variable = self._set_by(secret_names.check_shape(name))
            text = None if variable is None else self._lookup(variable)
            found = GivenSource(name, text and text.strip(), self._clock, overlap_seconds=self._overlap)
            self._sources[name] = found
        return found

    def blank(self, name: str) -> str:
        """The variable, or the one that would name a file, that is set and holds nothing; "" when there is none."""
        variables = (variable for base in self._variables_of(name) for variable in (base, f"{base}_FILE"))
        return next((one for one in variables if (text := self._lookup(one)) is not None and not text.strip()), "")

    def want(self, name: str) -> None:
        """A variable is never fetched."""

    def place(self, name: str) -> str:
        return self._set_by(name) or self._variables_of(name)[0]

    async def tick(self) -> None:
        """Variables do not change by themselves."""

    async def reread(self) -> None:
        """`rereading.py` reads all of the configuration again, which is more than one variable."""

    def rotate(self, name: str, text: str | None) -> bool:
        """Hand a new value to whoever holds the secret. True when it differs."""
        found = self._sources.get(name)
        return found is not None and text is not None and found.rotate(text)

    def names(self) -> Sequence[str]:
        """The secrets that somebody holds."""
        return tuple(self._sources)

    def health(self) -> tuple[SecretHealth, ...]:
        return tuple(SecretHealth(name=name, source=self._kind, state="fresh") for name in self._sources)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _set_by(self, name: str) -> str | None:
        return next((variable for variable in self._variables_of(name) if (self._lookup(variable) or "").strip()), None)
