"""What a place that secrets come from is to Phantom: the plugin record, and the two ways to write a source.

    [project.entry-points."phantom.secret_sources"]
    acme = "acme_phantom:SOURCE"          # SOURCE = SourceDescriptor(kind="acme", target="acme_phantom.vault:open", …)

`SECRET_SOURCE=acme` (or `file,acme`) then asks it. Most sources are a `SecretReader`: one method that fetches one
value. Caching, single flight, a time limit, a bounded answer, the last good value for a while, and the overlap of a
rotation are Phantom's business. A source that knows more (what exists, when it changed) is a `SecretOrigin`.

What does *not* live here: a secret itself (`secrets.py`), and the sources that come with Phantom (`config/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from phantom.clock import Clock
from phantom.secrets import SecretSource

API_VERSION = 1
"""Version of this page. A plugin declares the one it was written for; a greater one is refused with a clear error."""

ABSENT = "secret_absent"
"""The `code` of a `SecretError` that says: there is no such secret here, and that is all. The next source of the list
is asked then; any other failure is told and never papered over.
"""

SecretState = Literal["fresh", "stale", "failed", "unread", "flipping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretHealth:
    """What can be said of a secret without its value.

    `fresh`: proven lately. `stale`: the last good value is served while its source fails. `failed`: no value.
    `unread`: nobody asked yet. `flipping`: its source gives two values in turn; both are accepted. `error` is fit for
    print. `rotation_id` is the source's own name for the value, "" when it has none; `changed_at` when the source says
    that the value was last changed (epoch seconds).
    """

    name: str
    source: str
    state: SecretState
    error: str = ""
    rotation_id: str = ""
    changed_at: float | None = None


@runtime_checkable
class SecretReader(Protocol):
    """A place that is asked for one value at a time: a manager's API, a command."""

    async def read(self, name: str) -> str | None:
        """The present value of the secret `name`, None when there is no such secret. Raises `SecretError`, whose text
        must not hold what the place answered. May hang or answer nonsense: it is cut off and checked.
        """
        ...

    async def aclose(self) -> None:
        """End what is under way and let go of connections."""
        ...


@runtime_checkable
class SecretOrigin(Protocol):
    """A place that gives live sources by name."""

    def has(self, name: str) -> bool | None:
        """Whether there is such a secret now; None when only asking would tell. No network, nothing that waits."""
        ...

    def source(self, name: str) -> SecretSource:
        """The live source of `name`, the same object for the same name, also when there is no such secret now: its
        `current()` then raises `SecretError` with the code `ABSENT`. Raises `SecretError` for a name that may not be
        asked for.
        """
        ...

    def want(self, name: str) -> None:
        """Somebody uses `name`: fetch it soon and keep it fresh."""
        ...

    def place(self, name: str) -> str:
        """Where `name` is looked for, fit for print: a path, a variable, "" when the kind says it all."""
        ...

    async def tick(self) -> None:
        """Called every second: bring up to date what is due. Raises nothing; failures show in `health`."""
        ...

    async def reread(self) -> None:
        """An operator asks to look again at everything in use, now. Raises nothing."""
        ...

    def health(self) -> Sequence[SecretHealth]:
        """A row for every live source given out."""
        ...

    async def aclose(self) -> None:
        """End what is under way and let go of connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What a source is opened with.

    `variable` looks an environment variable up (in development `.env` too). `production`: be strict. `options` is what
    `secrets.options.<kind>` of `phantom.yaml` holds. `overlap` is how long, in seconds, the value before a rotation
    stays acceptable.
    """

    clock: Clock
    production: bool
    overlap: float
    variable: Callable[[str], str | None] = field(repr=False)
    options: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescriptor:
    """A plugin's import-free record: entry-point group `phantom.secret_sources`.

    `kind` is what `SECRET_SOURCE` calls it. `target` is "module:name", called as `target(context)`; it gives a
    `SecretReader` or a `SecretOrigin` and may raise `ConfigError`. `extra` names the pip extra that brings its
    dependencies.
    """

    kind: str
    api_version: int
    target: str
    summary: str
    extra: str = ""


SourceTarget = Callable[[SourceContext], "SecretReader | SecretOrigin"]
