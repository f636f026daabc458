"""Watches the secrets of a running daemon: notes when one is first seen, changes and is used, and what is overdue.

What it knows goes to `inventory_file.py`: at once when something changed or is used for the first time, else every
minute. What does *not* live here: how a change gets to whoever holds the secret (the handles do that themselves).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from config.inventory import Declared, SecretRow, notices, take_stock, with_memory
from config.inventory_file import InventoryFile, Seen, State, key_id
from config.loader import LoadedConfig
from config.secret_catalogue import MODEL_KEYS
from config.secret_names import known
from phantom.clock import Clock
from phantom.errors import ConfigError, SecretError

LOOK_SECONDS = 1.0
SAVE_SECONDS = 60.0

log = structlog.get_logger(__name__)


class InventoryKeeper:
    """`open`, then `run` until cancelled, then `aclose`. `rows`, `warnings` and `ages` are what was last seen."""

    def __init__(self, loaded: LoadedConfig, declared: Declared, clock: Clock) -> None:
        self._loaded = loaded
        self._declared = declared
        self._clock = clock
        self._file = InventoryFile(loaded.core.data_dir.expanduser().resolve())
        self._key: bytes | None = None
        self._state = State()
        self._uses: dict[str, int] = {}
        self._rows: tuple[SecretRow, ...] = ()
        self._trouble = ""
        self._saved_at = 0.0
        self._dirty = False
        self._looking = asyncio.Lock()

    async def open(self) -> None:
        """Read what is remembered. What is damaged stays as it is and is told: it is never silently replaced."""
        async with self._looking:
            await asyncio.to_thread(self._open)
        self._find()
        await self.look()

    def _find(self) -> None:
        """Hold what the deployment declares, and what else is at hand: its age counts too, whether used or not."""
        store = self._loaded.secrets
        declared = self._loaded.secret_rules.declare
        names = {name for kind in self._declared.by_kind.values() for name in kind} | MODEL_KEYS.keys()
        for name in sorted(names | declared.keys()):
            with contextlib.suppress(SecretError):  # `why_unfit` tells it, and a row shows it
                if name in declared or (name in known() and store.at_hand(name)):
                    store.find(name)

    def _open(self) -> None:
        try:
            key = self._file.key()
            self._state = self._file.load()
        except ConfigError as error:
            self._trouble = f"{error.where}: {error.message} ({error.hint}); ages of secrets are not kept until then"
            log.error("secret_inventory_unreadable", where=error.where, what=error.message, cure=error.hint)
            return
        try:
            # Last: while there is no key nothing is noted, and a stop in the middle of this leaves the file as it is.
            self._key = key or self._file.make_key()
        except OSError as error:
            self._cannot_save(error)

    @property
    def rows(self) -> tuple[SecretRow, ...]:
        """Every secret, as of the last look."""
        return self._rows

    def warnings(self) -> tuple[str, ...]:
        """One line for each secret that is overdue, malformed or unfit, fit for print."""
        return (*self._odd(), *told(self._rows, self._clock.now()))

    def _odd(self) -> tuple[str, ...]:
        own = (self._trouble,) if self._trouble else ()
        return (*own, *notices(self._loaded, self._rows))

    def ages(self) -> Mapping[str, tuple[float, float | None]]:
        """For each secret that is set: its age, and the seconds until it is due (None: never). Negative: overdue."""
        now = self._clock.now()
        return {
            row.name: (max(0.0, now - row.changed_at), None if row.due_at is None else row.due_at - now)
            for row in self._rows
            if row.set and row.changed_at is not None
        }

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take stock, note what changed, and keep it when it is time. One look at a time: a SIGHUP asks for one while
        the look of the second may be writing the file.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        now = self._clock.now()
        made = await asyncio.to_thread(self._declared.made)
        found = take_stock(self._loaded, self._declared, self._key, made)
        changed = self._note(found, now)
        self._rows = with_memory(found, self._state, now)
        if changed or (self._dirty and self._clock.monotonic() - self._saved_at >= SAVE_SECONDS):
            await self._save(now)

    async def aclose(self) -> None:
        """Keep the last uses."""
        if self._key is not None:
            await self.look()
        async with self._looking:
            if self._dirty:
                await self._save(self._clock.now())

    def _note(self, rows: Sequence[SecretRow], now: float) -> bool:
        """Bring the memory up to date; True when something is to be kept at once."""
        if self._key is None:
            return False
        rekeyed = self._state.key_id != key_id(self._key)
        seen = dict(self._state.secrets)
        urgent = rekeyed
        for row in rows:
            known = seen.get(row.name)
            fresh = self._seen(row, known, now, rekeyed=rekeyed)
            if fresh is None:
                continue
            urgent = urgent or known is None or _differs(known, fresh)
            self._dirty = self._dirty or fresh != known
            seen[row.name] = fresh
        self._state = State(key_id=key_id(self._key), looked_at=now, secrets=seen)
        return urgent

    def _seen(self, row: SecretRow, known: Seen | None, now: float, *, rekeyed: bool) -> Seen | None:
        if not row.set or not row.fingerprint:
            absent = not (row.set or row.unread or row.trouble)
            return msgspec.structs.replace(known, gone=True) if known is not None and absent else known
        written = min(row.changed_at, now) if row.changed_at is not None else now
        uses = sum(secret.uses for secret in row.handles) or self._declared.uses_of_made(row.name)
        used = uses > self._uses.get(row.name, 0)
        self._uses[row.name] = uses
        if known is None:
            return Seen(
                fingerprint=row.fingerprint,
                first_seen=now,
                changed_at=written,
                rotation_id=row.rotation_id,
                last_used=now if used else None,
            )
        fresh = msgspec.structs.replace(
            known,
            fingerprint=row.fingerprint,
            rotation_id=row.rotation_id or known.rotation_id,
            last_used=now if used else known.last_used,
            gone=False,
        )
        if rekeyed or row.fingerprint == known.fingerprint:
            return fresh
        log.info("secret_changed", secret_name=row.name, changes=known.changes + 1)
        # A file may carry an old date; what was seen to change now has not been in use for longer than that.
        changed_at = written if written > known.changed_at else now
        return msgspec.structs.replace(fresh, changed_at=changed_at, changes=known.changes + 1)

    async def _save(self, now: float) -> None:
        self._saved_at = self._clock.monotonic()
        self._dirty = False
        state = msgspec.structs.replace(self._state, looked_at=now)
        saving = asyncio.ensure_future(asyncio.to_thread(self._file.save, state))
        try:
            await asyncio.shield(saving)
        except asyncio.CancelledError:
            await asyncio.wait((saving,))  # a thread cannot be cancelled, and the last save must come after it
            self._dirty = True
            raise
        except OSError as error:
            self._cannot_save(error)
            self._dirty = True

    def _cannot_save(self, error: OSError) -> None:
        if not self._trouble:
            log.warning("secret_inventory_not_kept", where=str(self._file.folder), what=error.strerror)
        self._trouble = f"{self._file.folder} cannot be written ({error.strerror}): ages of secrets are not kept"


def _differs(known: Seen, fresh: Seen) -> bool:
    """Whether the change is one to be kept at once. That it was used again is not; the first time is."""
    was, now = ((one.changes, one.rotation_id, one.gone, one.last_used is None) for one in (known, fresh))
    return was != now


def told(rows: Sequence[SecretRow], now: float) -> tuple[str, ...]:
    """A line for each row that is overdue, malformed or unfit for use."""
    lines = []
    for row in rows:
        if row.unfit:
            lines.append(row.trouble)
        if row.malformed:
            lines.append(f"secret {row.name} {row.malformed}")
        if row.overdue(now) and row.due_at is not None:
            lines.append(f"secret {row.name} is overdue for rotation by {days(now - row.due_at)}")
    return tuple(lines)


def days(seconds: float) -> str:
    """A length of time for people: days from two days on, else hours, minutes or seconds."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} seconds"
