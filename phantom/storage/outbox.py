"""What was meant to be sent, and what became of it. The row is there before the platform is called."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from phantom.clock import Clock
from phantom.journal import Journal
from phantom.messages import Outcome, Receipt
from phantom.sealing import AtRest, DamagedRow, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One outbound message. `receipt` is None while it is not known what became of it."""

    key: str
    created_at: float
    receipt: Receipt | None


class Outbox:
    """Rows by idempotency key."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def begin(self, key: str, place: str) -> OutboxRow | None:
        """Note the intent. Returns the row that was there before, or None when this is the first attempt."""
        now = self._clock.now()

        def job(db: sqlite3.Connection) -> OutboxRow | None:
            found = _find(db, key, self._journal.at_rest)
            if found is None:
                db.execute("INSERT INTO outbox (key, place, created_at) VALUES (?,?,?)", (key, place, now))
            return found

        return await self._journal.write(job)

    async def look(self, key: str) -> OutboxRow | None:
        """The row of `key`, if any."""
        return await self._journal.read(lambda db: _find(db, key, self._journal.at_rest))

    async def settle(self, key: str, receipt: Receipt) -> None:
        """Write down what became of it."""
        values = (receipt.outcome.value, ",".join(receipt.message_ids), self._clock.now())
        sql = "UPDATE outbox SET outcome = ?, message_ids = ?, settled_at = ?, detail = ? WHERE key = ?"

        def job(db: sqlite3.Connection) -> None:
            detail = self._journal.at_rest.seal_text(receipt.detail, place_of("outbox", "detail", key))
            db.execute(sql, (*values, detail, key))

        await self._journal.write(job)

    async def forget(self, key: str) -> None:
        """Let `key` be tried anew. Only for what surely was not sent."""
        sql = "DELETE FROM outbox WHERE key = ? AND outcome = ?"
        await self._journal.write(lambda db: db.execute(sql, (key, Outcome.FAILED.value)) and None)

    async def turn_of(self, place: str, message_id: str) -> str | None:
        """The turn whose answer is the message, or None when the message is none of ours."""
        sql = "SELECT key FROM outbox WHERE place = ? AND message_ids = ?"
        keys = await self._journal.read(lambda db: [str(k) for (k,) in db.execute(sql, (place, message_id))])
        return keys[0].rsplit("/", 2)[0] if keys else None

    async def prune(self, before: float) -> int:
        """Forget settled rows created before `before`, but never an introduction: that is sent once for ever."""
        sql = "DELETE FROM outbox WHERE outcome IS NOT NULL AND created_at < ? AND key NOT LIKE 'intro:%'"
        return await self._journal.write(lambda db: db.execute(sql, (before,)).rowcount)


def _find(db: sqlite3.Connection, key: str, at_rest: AtRest) -> OutboxRow | None:
    row = db.execute(
        "SELECT created_at, outcome, message_ids, settled_at, detail FROM outbox WHERE key = ?", (key,)
    ).fetchone()
    if row is None:
        return None
    created_at, outcome, ids, settled_at, detail = row
    receipt = None
    if outcome is not None:
        receipt = Receipt(
            outcome=Outcome(outcome),
            message_ids=tuple(part for part in ids.split(",") if part),
            sent_at=settled_at or 0.0,
            detail=_detail(at_rest, key, detail),
        )
    return OutboxRow(key=key, created_at=created_at, receipt=receipt)


def _detail(at_rest: AtRest, key: str, stored: str | bytes) -> str:
    """What the platform said of a send; outcome and ids count without it."""
    try:
        return at_rest.open_text(stored, place_of("outbox", "detail", key))
    except DamagedRow as error:
        return error.message
