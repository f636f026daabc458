"""Every bridge secret that is in force: those of the configuration and those that `phantom bridge secret` made.

Values are compared by digest; a live handle's digest follows its rotation, the old value staying good for the overlap
that its source gives. What does *not* live here: logging in (`gatekeeper.py`), the file's shape (`secret_file.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from phantom.bridge.grants import Allow, Limits, Within
from phantom.bridge.secret_file import SecretFile
from phantom.bridge.secret_value import digest, why_unfit
from phantom.clock import Clock
from phantom.errors import ConfigError, PhantomError, SecretError
from phantom.secrets import Secret

log = structlog.get_logger("phantom.bridge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One accepted value of a secret. `retires_at`: when it stops being accepted (epoch seconds)."""

    digest: str
    retires_at: float | None = None

    @property
    def credential(self) -> str:
        """A name for the value that tells nothing about it."""
        return self.digest.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One secret. `handle` is set for a value that comes from a live source; `values` otherwise."""

    id: str
    allow: Allow
    within: Within = field(default_factory=Within)
    limits: Limits = field(default_factory=Limits)
    expires_at: float | None = None
    values: tuple[Value, ...] = ()
    handle: Secret | None = None
    source: str = "configuration"
    revision: int = 0

    def expired(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at


class SecretBook:
    """The entries in force. `refresh` looks whether the file changed; a change of a handle is noticed by itself."""

    def __init__(
        self,
        configured: Sequence[Entry],
        file: SecretFile | None,
        clock: Clock,
        *,
        check: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        self._configured = tuple(configured)
        self._file = file
        self._clock = clock
        self._check = check
        self._entries: dict[str, Entry] = {}
        self._by_digest: dict[str, list[tuple[str, Value]]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._revision = 0
        self._ends: list[Callable[[], None]] = []
        self.changes = 0
        """Grows with every change of an entry or a value."""
        self.trouble = ""
        """Why the file could not be read; what was read before stays in force."""

    def open(self) -> None:
        """Read everything. Raises `ConfigError` with the cure; afterwards troubles are only told."""
        self._load(self._file.read() if self._file is not None else ())
        for entry in self._configured:
            if entry.handle is not None:
                self._ends.append(entry.handle.on_change(self._handle_changed))

    def close(self) -> None:
        """End the subscriptions to live handles."""
        for end in self._ends:
            end()

    def refresh(self, *, anew: bool = False) -> None:
        """Read the file again if it changed; with `anew`, as every second, also if it could not be read last time."""
        if self._file is None or not (self._file.changed() or (anew and self.trouble)):
            return
        try:
            self._load(self._file.read())
            self.trouble = ""
        except ConfigError as error:
            if error.message != self.trouble:
                log.error("bridge_secrets_not_read", where=error.where, what=error.message, cure=error.hint)
            self.trouble = error.message
            return
        log.info("bridge_secrets_read", secrets=len(self._entries))
        self._tell()

    def get(self, secret_id: str) -> Entry | None:
        """The entry of that id."""
        return self._entries.get(secret_id)

    @property
    def entries(self) -> Iterable[Entry]:
        """All of them."""
        return self._entries.values()

    def accepted(self, entry: Entry) -> Sequence[Value]:
        """The values that log in now: a live handle's current and previous, else those not retired."""
        now = self._clock.now()
        if entry.handle is None:
            return [value for value in entry.values if value.retires_at is None or now < value.retires_at]
        try:
            return [Value(digest=digest(text)) for text in entry.handle.candidates() if not why_unfit(text)]
        except SecretError:
            return []

    def find(self, wanted: str) -> list[tuple[Entry, Value]]:
        """The entries that a digest logs in to."""
        found = []
        for secret_id, value in self._by_digest.get(wanted, ()):
            entry = self._entries[secret_id]
            if any(accepted.digest == wanted for accepted in self.accepted(entry)):
                found.append((entry, value))
        # What a live handle holds is asked for: a change is told a moment later than it counts.
        for configured in self._configured:
            if configured.handle is not None:
                entry = self._entries[configured.id]
                found += [(entry, value) for value in self.accepted(entry) if value.digest == wanted][:1]
        return found

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each change; the result ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _load(self, made: Iterable[Entry]) -> None:
        entries: dict[str, Entry] = {}
        for entry in (*self._configured, *made):
            if entry.id in entries:
                raise ConfigError(
                    f"the bridge secret {entry.id!r} is there twice",
                    where="bridge.secrets",
                    hint="rename one: `phantom bridge secret list` shows where each comes from",
                )
            self._check(entry)
            entries[entry.id] = self._with_revision(entry)
        self._entries = entries
        self._index()

    def _with_revision(self, entry: Entry) -> Entry:
        """The old revision for an entry that did not change."""
        old = self._entries.get(entry.id)
        if old is not None and replace(old, revision=0) == replace(entry, revision=0):
            return old
        self._revision += 1
        return replace(entry, revision=self._revision)

    def _index(self) -> None:
        self.changes += 1
        self._by_digest = {}
        for entry in self._entries.values():
            for value in entry.values:
                self._by_digest.setdefault(value.digest, []).append((entry.id, value))

    def _handle_changed(self) -> None:
        self._index()
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            try:
                listener()
            except PhantomError as error:
                log.error("bridge_scope_change_failed", what=error.message)


def describe(entry: Entry) -> Mapping[str, object]:
    """An entry fit for print: scope and age, no value."""
    return {
        "id": entry.id,
        "source": entry.source,
        "events": sorted(entry.allow.events),
        "actions": sorted(entry.allow.actions),
        "guilds": None if entry.within.guilds is None else sorted(entry.within.guilds),
        "channels": None if entry.within.channels is None else sorted(entry.within.channels),
        "expires_at": entry.expires_at,
        "values": len(entry.values) or (1 if entry.handle is not None else 0),
    }
