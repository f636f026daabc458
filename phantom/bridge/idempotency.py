"""Calls under an idempotency key: done once, answered to all who ask, also over a crash.

A key belongs to its secret and is bound to one action and its parameters. The intent is committed before the action
runs and the answer after it, so that a daemon that was killed in between knows that it does not know. Failures are not
remembered. What does *not* live here: doing the action (`actions.py`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from phantom.clock import Clock
from phantom.journal import Journal
from phantom.sealing import AtRest, DamagedRow, place_of

log = structlog.get_logger("phantom.bridge")

KEEP_SECONDS = 120.0
"""How long a finished call answers its repeats."""
KEEP_UNKNOWN_SECONDS = 86_400.0
"""How long a call that a crash cut short is known to be unknown."""
MAX_KEPT = 50_000
_SEPARATOR = "\x1f"


@dataclass(slots=True, kw_only=True)
class Call:
    """One call. `result` is the answer as JSON once it is done; `interrupted`: begun by a process that died."""

    key: str
    action: str
    digest: str
    at: float
    result: bytes | None = None
    interrupted: bool = False


def call_key(secret_id: str, key: str) -> str:
    """The ledger's key."""
    return f"{secret_id}{_SEPARATOR}{key}"


def params_digest(action: str, params: Mapping[str, Any]) -> str:
    """What binds a key to one action and its parameters, whatever the order in which they were written."""
    canonical = orjson.dumps([action, params], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()


class Ledger:
    """The calls of the last while, in memory, backed by the daemon's journal. `journal` None keeps memory only."""

    def __init__(self, journal: Journal | None, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._calls: OrderedDict[str, Call] = OrderedDict()

    async def load(self) -> None:
        """Read what an earlier process left."""
        if self._journal is None:
            return
        at_rest = self._journal.at_rest

        def query(db: sqlite3.Connection) -> list[tuple[str, str, str, bytes | None, float]]:
            rows = db.execute("SELECT key, action, digest, result, at FROM bridge_call ORDER BY at")
            return [
                (key, action, digest, _result(at_rest, key, result), at) for key, action, digest, result, at in rows
            ]

        for key, action, digest, result, at in await self._journal.read(query):
            self._calls[key] = Call(
                key=key, action=action, digest=digest, at=at, result=result, interrupted=result is None
            )

    def look(self, key: str) -> Call | None:
        """The call of that key, unless its time is over."""
        call = self._calls.get(key)
        if call is None:
            return None
        keep = KEEP_SECONDS if call.result is not None else KEEP_UNKNOWN_SECONDS
        if self._clock.now() - call.at > keep:
            del self._calls[key]
            return None
        return call

    def note(self, call: Call) -> None:
        """Remember a call from now on; `begin` makes it durable."""
        self._calls[call.key] = call
        self._calls.move_to_end(call.key)
        while len(self._calls) > MAX_KEPT:
            self._calls.popitem(last=False)

    def drop(self, call: Call) -> None:
        """It never began: the key is free again."""
        self._calls.pop(call.key, None)

    async def begin(self, call: Call) -> None:
        """Commit the intent. Raises `StorageError`: then the action must not run."""
        if self._journal is None:
            return
        row = (call.key, call.action, call.digest, call.at)
        await self._journal.write(
            lambda db: (
                db.execute(
                    "INSERT OR REPLACE INTO bridge_call (key, action, digest, result, at) VALUES (?,?,?,NULL,?)", row
                )
                and None
            )
        )

    async def done(self, call: Call, result: bytes) -> None:
        """Commit the answer."""
        call.result, call.interrupted, call.at = result, False, self._clock.now()
        if self._journal is not None:
            at_rest, at, key = self._journal.at_rest, call.at, call.key

            def job(db: sqlite3.Connection) -> None:
                sealed = at_rest.seal(result, place_of("bridge_call", "result", key))
                db.execute("UPDATE bridge_call SET result = ?, at = ? WHERE key = ?", (sealed, at, key))

            await self._journal.write(job)

    async def forget(self, call: Call) -> None:
        """It was not done: the key is free again."""
        self._calls.pop(call.key, None)
        if self._journal is not None:
            await self._journal.write(
                lambda db: db.execute("DELETE FROM bridge_call WHERE key = ?", (call.key,)) and None
            )

    async def prune(self) -> None:
        """Drop what is over. Called every minute."""
        now = self._clock.now()
        for key in list(self._calls):
            self.look(key)
        if self._journal is None:
            return

        def job(db: sqlite3.Connection) -> None:
            db.execute(
                "DELETE FROM bridge_call WHERE (result IS NOT NULL AND at < ?) OR at < ?",
                (now - KEEP_SECONDS, now - KEEP_UNKNOWN_SECONDS),
            )

        await self._journal.write(job)


def _result(at_rest: AtRest, key: str, stored: bytes | None) -> bytes | None:
    """The answer of a call; one that does not open is not known, as if a crash had cut the call short."""
    try:
        return None if stored is None else at_rest.open(stored, place_of("bridge_call", "result", key))
    except DamagedRow as error:
        log.error("answer_does_not_open", what=error.message, cure=error.hint)
        return None
