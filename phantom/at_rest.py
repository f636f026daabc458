"""Encryption of the data folder while the daemon lives: which ring counts, and rows brought under its first key.

Fails closed. What is sealed and has no key, a damaged key, a ring that lacks a key which rows still need: the daemon
does not start. While it runs, such a value is not taken, and the last good ring serves on. Nothing here makes a key.
What does *not* live here: the cipher (`storage/vault.py`) and the rows (`storage/reseal.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from phantom.clock import Clock
from phantom.errors import ConfigError, PhantomError, StorageError
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.sealing import PLAIN, AtRest, SealedDatabase, SealedFile
from phantom.secret_sources import ABSENT
from phantom.secrets import Secret
from phantom.storage.key_ring import RESTORE, WHERE, Ring, parse_ring
from phantom.storage.seal_scan import sealed_under

if TYPE_CHECKING:
    from phantom.storage.reseal import Resealing
    from phantom.storage.vault import Vault

log = structlog.get_logger("phantom.storage")

SECRET = "encryption_key"  # noqa: S105 - a name
TURNS = "turns"
"""The store that comes last, when the workflow machinery is loaded: before it no pass is complete."""
ASK_SECONDS = 10.0
"""How long the start waits for a source that has to be asked."""
BATCH = 64
PAUSE_SECONDS = 0.01
"""Between batches, so that acknowledgements never wait for more than one."""
BUSY_DEPTH = 64
"""Writes that wait in the journal, from which on resealing stands back."""
AGAIN_SECONDS = 300.0
"""A turn that began before a rotation may end under the old key: passes are repeated."""
RETRY_SECONDS = 5.0
SCRUB_BYTES = 128 * 1024 * 1024
"""Up to this size a file is written anew while the daemon serves: about a second, in which acknowledgements wait."""

Mode = Literal["auto", "required", "off"]
Progress = Literal["off", "waiting", "resealing", "done"]


class Secrets(Protocol):
    """What is needed of the configuration's secrets."""

    def find(self, name: str) -> Secret | None:
        """The handle, None when it is not configured."""
        ...

    def at_hand(self, name: str) -> bool:
        """Whether it is surely there, without asking anybody."""
        ...


class EncryptionAtRest:
    """`open` once the journal is open; `run` until cancelled. `at_rest` is what seals."""

    def __init__(self, folder: Path, clock: Clock, meter: PrometheusMeter) -> None:
        self._folder = folder
        self._clock = clock
        self._meter = meter
        self.at_rest: AtRest = PLAIN
        self._vault: Vault | None = None
        self._secret: Secret | None = None
        self._journal: Journal
        self._needed: set[str] = set()
        self._scrubbed: set[str] = set()
        self._stores: list[Resealing] = []
        self._changed = asyncio.Event()
        self._trouble = ""
        self.left: int | None = None
        """Values that are not yet as they should be; None while nobody has counted."""
        self._damaged: dict[str, int] = {}
        """By store; what is told of them is told once, so a pass that finds no more than these has nothing to do."""
        self.state: Progress = "off"

    # --- start ---

    async def open(self, journal: Journal, secrets: Secrets, mode: Mode) -> None:
        """Take the ring that the configuration gives, or stay plain. Raises `ConfigError` where that would lose or
        expose anything. A source that is asked over a network or by a command is asked only where a key must be there.
        """
        self._journal = journal
        await self._recall()
        wanted = mode == "required" or (mode == "auto" and (bool(self._needed) or secrets.at_hand(SECRET)))
        text = await self._ask(secrets.find) if wanted else None
        if text is None and mode == "required":
            first = "for a first key run `phantom secrets rotate encryption --write`"
            raise ConfigError("is not set, and PHANTOM_ENCRYPTION=required wants it", where=WHERE, hint=first)
        if text is None and self._needed:
            raise _missing(self._needed, "is not set" if mode != "off" else "is not used (PHANTOM_ENCRYPTION=off)")
        ring = Ring(keys=(), plain=True) if text is None else parse_ring(text)
        lacking = self._needed.difference(ring.ids)
        if lacking:
            raise _missing(lacking, "does not hold every key that is in use")
        if not ring.keys:
            await self._forget_scrubbed()
            return
        await self._take(ring)
        journal.seal_with(self.at_rest)
        log.info("encryption_at_rest", sealing=_sealing(ring), keys=list(ring.ids))

    async def _ask(self, find: Callable[[str], Secret | None]) -> str | None:
        """The secret's text, None when there is none. Raises `ConfigError` for a source that cannot say."""
        try:
            secret = self._secret = find(SECRET)
            if secret is None:
                return None
            try:
                return secret.peek()
            except PhantomError as error:
                if error.code == ABSENT:
                    return None
        except PhantomError as error:
            raise _unreadable(error) from error
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await secret.refresh()
            return secret.peek()
        except TimeoutError:
            raise _unreadable(StorageError("its source does not answer")) from None
        except PhantomError as error:
            if error.code == ABSENT:
                return None
            raise _unreadable(error) from error

    async def _recall(self) -> None:
        rows: list[tuple[str, str]] = await self._journal.read(
            lambda db: db.execute("SELECT kind, name FROM at_rest").fetchall()
        )
        self._needed = {name for kind, name in rows if kind == "key"}
        self._scrubbed = {name for kind, name in rows if kind == "scrubbed"}

    async def _take(self, ring: Ring) -> None:
        """Seal with this ring from now on; first it is written down that its key is needed."""
        from phantom.storage.vault import Vault

        sealing = ring.sealing
        if sealing is None:
            await self._forget_scrubbed()
        elif sealing.id not in self._needed:
            await self._note("key", sealing.id)
            self._needed.add(sealing.id)
        if self._vault is None:
            self.at_rest = self._vault = Vault(ring, self._meter, self._look_after)
            if self._secret is not None:
                self._secret.used()
                self._secret.on_change(self._changed.set)
        else:
            self._vault.use(ring)
        self._damaged.clear()
        self.state, self.left = "waiting", None

    async def _note(self, kind: str, name: str) -> None:
        row = (kind, name, self._clock.now())
        await self._journal.write(lambda db: db.execute("INSERT OR REPLACE INTO at_rest VALUES (?,?,?)", row) and None)

    async def _drop(self, kind: str, name: str) -> None:
        sql = "DELETE FROM at_rest WHERE kind = ? AND name = ?"
        await self._journal.write(lambda db: db.execute(sql, (kind, name)) and None)

    async def _forget_scrubbed(self) -> None:
        """What is written plain from now on will have to be scrubbed again."""
        for name in self._scrubbed:
            await self._drop("scrubbed", name)
        self._scrubbed.clear()

    # --- while it runs ---

    def _look_after(self, store: SealedDatabase | SealedFile) -> None:
        from phantom.storage.reseal import DatabaseResealing, FileResealing

        if self._vault is None:
            return
        if isinstance(store, SealedDatabase):
            self.look_after(DatabaseResealing(store, self._vault))
        else:
            self.look_after(FileResealing(store, self._vault))

    def look_after(self, store: Resealing) -> None:
        """Bring the values of this store under the present key, now and after each rotation."""
        self._stores = [*(one for one in self._stores if one.name != store.name), store]
        self._changed.set()

    @property
    def vault(self) -> Vault | None:
        """The cipher, None in plain mode."""
        return self._vault

    async def run(self) -> None:
        """Follow the secret and reseal, until cancelled."""
        if self._vault is None:
            return
        while True:
            self._changed.clear()
            try:
                await self._follow()
                whole = await self._reseal_all()
            except StorageError as error:
                log.warning("encryption_upkeep_interrupted", what=error.message, cure=error.hint)
                whole = False
            pause = AGAIN_SECONDS if whole else RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _follow(self) -> None:
        """Take the secret's present value if it is fit; else keep to the ring that is in use."""
        vault, secret = self._vault, self._secret
        if vault is None or secret is None:
            return
        try:
            ring = parse_ring(secret.peek())
            await self._need_again(set(vault.ring.ids).difference(ring.ids, self._needed))
            lacking = self._needed.difference(ring.ids)
            if lacking:
                raise _missing(lacking, "does not hold every key that is in use")
        except PhantomError as error:
            trouble = f"{WHERE}: {error.message}; the keys known so far stay in use"
            if trouble != self._trouble:
                self._trouble = trouble
                log.error("encryption_key_not_taken", where=WHERE, what=error.message, cure=error.hint or RESTORE)
            return
        self._trouble = ""
        secret.used()
        if ring != vault.ring:
            await self._take(ring)
            log.info("encryption_key_rotated", sealing=_sealing(ring), keys=list(ring.ids))

    async def _reseal_all(self) -> bool:
        """One pass over every store, unless the secret changes in the middle. False when a store failed: the others
        are done.
        """
        stores, left, changed, whole = tuple(self._stores), 0, 0, True
        began = self._clock.monotonic()
        for store in stores:
            try:
                found = await store.left()
                if found != self._damaged.get(store.name, 0):
                    self.state, self.left = "resealing", left + found
                    changed += await self._reseal(store)
                    found = await store.left()
                await self._scrub(store)
            except StorageError as error:
                log.warning("resealing_interrupted", store=store.name, what=error.message, cure=error.hint)
                whole = False
                continue
            if self._changed.is_set():
                return True
            left += found
        self.left = left
        complete = whole and TURNS in {store.name for store in stores}
        if complete:
            await self._release(stores)
        self.state = "done" if complete else "waiting"
        if changed:
            seconds = round(self._clock.monotonic() - began, 3)
            log.info("resealed", rows=changed, left=left, damaged=self.damaged, seconds=seconds)
        return whole

    async def _reseal(self, store: Resealing) -> int:
        store.rewind()
        changed = damaged = 0
        while not self._changed.is_set():
            batch = await store.step(BATCH)
            changed, damaged = changed + batch.changed, damaged + batch.damaged
            self.left = max(0, (self.left or 0) - batch.changed)
            if batch.over:
                self._damaged[store.name] = damaged
                break
            await self._clock.sleep(PAUSE_SECONDS)
            while self._journal.depth >= BUSY_DEPTH:
                await self._clock.sleep(PAUSE_SECONDS)
        await store.checkpoint()
        return changed

    @property
    def damaged(self) -> int:
        """Values that did not open in the last pass."""
        return sum(self._damaged.values())

    async def _scrub(self, store: Resealing) -> None:
        """Once after encryption was turned on: what was deleted earlier is still in the file's free pages."""
        vault = self._vault
        if vault is None or not vault.head or store.name in self._scrubbed:
            return
        if await store.scrub(SCRUB_BYTES):
            self._scrubbed.add(store.name)
            await self._note("scrubbed", store.name)
            return
        cure = "stop the daemon and run VACUUM on the file with sqlite3"
        log.warning("free_pages_not_scrubbed", store=store.name, larger_than=SCRUB_BYTES, cure=cure)

    async def _release(self, stores: Sequence[Resealing]) -> None:
        """Forget keys that nothing is sealed with any more: a ring may do without them from now on."""
        vault = self._vault
        sealing = None if vault is None else vault.ring.sealing
        old = sorted(self._needed - {"" if sealing is None else sealing.id})
        if not old:
            return
        used = await self._used(old, stores)
        for key_id in old:
            if key_id in used:
                continue
            await self._drop("key", key_id)
            self._needed.discard(key_id)
            log.info("encryption_key_unneeded", key=key_id, cure="phantom secrets retire encryption --write")

    async def _need_again(self, gone: set[str]) -> None:
        """A value that was sealed before a rotation may have been written after its key was no longer needed: a turn's
        checkpoint that waited for its database. So a key is looked for once more before it goes for good.
        """
        for key_id in await self._used(sorted(gone), self._stores) if gone else ():
            await self._note("key", key_id)
            self._needed.add(key_id)

    async def _used(self, key_ids: Sequence[str], stores: Sequence[Resealing]) -> set[str]:
        """Those of the keys that any stored value is sealed with."""
        try:
            found = await asyncio.to_thread(sealed_under, self._folder)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"the data folder cannot be searched: {error}") from error
        return {one for one in key_ids if found[one] or any([await store.under(one) for store in stores])}

    # --- observe ---

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with it, fit for print."""
        found = [self._trouble] if self._trouble else []
        if self.damaged:
            found.append(f"{self.damaged} stored value(s) do not open; the log names them")
        return tuple(found)

    def report(self) -> dict[str, object] | None:
        """For `/health`; None in plain mode."""
        vault = self._vault
        if vault is None:
            return None
        sealing = vault.ring.sealing
        unneeded = sorted(set(vault.ring.ids) - self._needed) if self.state == "done" else []
        return {
            "sealing": None if sealing is None else sealing.id,
            "keys": list(vault.ring.ids),
            "state": self.state,
            "values_left": self.left,
            "damaged": self.damaged,
            "may_be_retired": [one for one in unneeded if sealing is None or one != sealing.id],
        }

    def scrape(self) -> None:
        """Set the gauge."""
        if self._vault is not None:
            self._meter.gauge("phantom_encryption_values_left", self.left or 0)


def _unreadable(error: PhantomError) -> ConfigError:
    return ConfigError(f"cannot be read: {error.message}", where=WHERE, hint=error.hint or RESTORE)


def _sealing(ring: Ring) -> str:
    return "none (plain)" if ring.sealing is None else ring.sealing.id


def _missing(ids: set[str], what: str) -> ConfigError:
    named = ", ".join(sorted(ids))
    return ConfigError(
        f"{what}: the data folder has rows sealed with {named}",
        where=WHERE,
        hint=f"put the key {named} back into {WHERE}; {RESTORE}",
        code="encryption_key_missing",
    )
