"""Counts what happens, by day, server, channel and event, in an SQLite file. Each event counts once, over restarts.

The count and the event's place in the stream are written in one transaction, and the next start goes on after that
place. What the bridge no longer had by then is in the table `gaps`: those figures are too low, and say so.
`ANALYTICS_DB` names the file, by default `analytics.db` in the working folder.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import structlog

from phantom.bridge.client import Event, Gap, read_manifest
from phantom.bridge.client_program import from_environment, run, serve

log = structlog.get_logger("analytics")

MANIFEST = read_manifest(Path(__file__).with_name("manifest.yaml"))
TABLES = """
CREATE TABLE IF NOT EXISTS counts (
    day TEXT, guild TEXT, channel TEXT, event TEXT, n INTEGER NOT NULL,
    PRIMARY KEY (day, guild, channel, event)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), stream TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS gaps (told_at TEXT, reason TEXT, seq INTEGER, PRIMARY KEY (reason, seq));
"""


class Book:
    """The file. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(TABLES)

    @property
    def place(self) -> tuple[str, int] | None:
        """Up to where everything is counted."""
        found: tuple[str, int] | None = self._db.execute("SELECT stream, seq FROM place").fetchone()
        return found

    def count(self, event: Event) -> None:
        """Add one event, and remember that it is counted."""
        day = datetime.fromtimestamp(event.data["receivedAt"] / 1000, UTC).date().isoformat()
        guild, channel = (str(event.facts.get(key, "")) for key in ("guildId", "channelId"))
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT INTO counts VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
                (day, guild, channel, event.name),
            )
            self._go_to(event.stream, event.seq)
        except sqlite3.Error:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def note(self, gap: Gap) -> None:
        """Say that figures are too low."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._db.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?)", (now, gap.reason, gap.seq))
        log.warning("events_missed", reason=gap.reason)

    def leave(self, place: tuple[str, int] | None) -> None:
        """Remember also what was nobody's to count, so that a quiet app does not fall behind, and close."""
        if place is not None:
            self._go_to(*place)
        self._db.close()

    def _go_to(self, stream: str, seq: int) -> None:
        self._db.execute(
            "INSERT INTO place VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET stream = excluded.stream, seq = excluded.seq",
            (stream, seq),
        )


async def main() -> None:
    """Count until told to stop."""
    book = Book(Path(os.environ.get("ANALYTICS_DB", "analytics.db")))
    app = from_environment("analytics", resume_from=book.place)
    # One subscription: events are counted in the order of the stream, so one number says how far we are.
    app.on(MANIFEST.events, book.count)
    app.on_gap(book.note)
    try:
        await serve(app, MANIFEST)
    finally:
        book.leave(app.position)


if __name__ == "__main__":
    run(main)
