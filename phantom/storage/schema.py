"""Tables of the data folder's `phantom.sqlite`, and how an older file is brought up to date.

`inbox` is the journal of what came in, `outbox` of what went out; the rest is what the agent remembers.
"""

from __future__ import annotations

import sqlite3

from phantom.errors import StorageError
from phantom.sealing import SealedTable

VERSION = 3

STATE_ADMITTED, STATE_CLAIMED, STATE_RUNNING, STATE_DONE, STATE_IGNORED, STATE_DUPLICATE, STATE_FAILED = range(7)
"""Life of an inbox row. Rows below STATE_DONE still need work and are picked up again after a restart."""

TABLES = """
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    received_at REAL NOT NULL,
    body BLOB,
    state INTEGER NOT NULL DEFAULT 0,
    logical TEXT,
    lane TEXT,
    text_override TEXT,
    detail TEXT
);
CREATE INDEX inbox_open ON inbox (seq) WHERE state < 3;
CREATE UNIQUE INDEX inbox_logical ON inbox (logical) WHERE logical IS NOT NULL;
CREATE TABLE outbox (
    key TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    outcome TEXT,
    message_ids TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    settled_at REAL,
    detail TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX outbox_message ON outbox (place, message_ids);
CREATE TABLE session (
    key TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    tenant TEXT NOT NULL,
    place TEXT NOT NULL,
    thread TEXT,
    epoch INTEGER NOT NULL DEFAULT 0,
    title TEXT NOT NULL DEFAULT '',
    last_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    turn TEXT NOT NULL,
    role TEXT NOT NULL,
    author TEXT NOT NULL DEFAULT '',
    author_name TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL,
    at REAL NOT NULL,
    UNIQUE (turn, role)
);
CREATE INDEX history_session ON history (session, epoch, id);
CREATE INDEX history_author ON history (author, id) WHERE role = 'user';
CREATE TABLE feedback (
    turn TEXT NOT NULL,
    author TEXT NOT NULL,
    rating TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (turn, author)
) WITHOUT ROWID;
CREATE TABLE approval (
    id TEXT PRIMARY KEY,
    turn TEXT NOT NULL,
    approver TEXT NOT NULL DEFAULT '',
    granted INTEGER,
    at REAL NOT NULL
) WITHOUT ROWID;
"""

CALLS = """
CREATE TABLE bridge_call (
    key TEXT PRIMARY KEY,
    action TEXT NOT NULL,
    digest TEXT NOT NULL,
    result BLOB,
    at REAL NOT NULL
) WITHOUT ROWID;
"""
"""Calls that bridge apps made under an idempotency key; `result` is NULL until one is done."""

AT_REST = """
CREATE TABLE at_rest (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
"""
"""`key`: the id of an encryption key that rows may be sealed with, here or in another file of the data folder.
`scrubbed`: a file that holds no remains of what was there before encryption was turned on.
"""

SEALED = (
    SealedTable(name="inbox", identity=("key",), order="seq", texts=("text_override",), blobs=("body",)),
    SealedTable(name="outbox", identity=("key",), order="key", texts=("detail",)),
    SealedTable(name="session", identity=("key",), order="key", texts=("title",)),
    SealedTable(name="history", identity=("turn", "role"), order="id", texts=("author_name", "text")),
    SealedTable(name="bridge_call", identity=("key",), order="key", blobs=("result",)),
)
"""What is sealed when an encryption key is set: everything that people, agents and platforms said. Ids and times are
not.
"""


def prepare(connection: sqlite3.Connection, synchronous: str) -> None:
    """Set the journal mode, create or check the tables. Raises `StorageError` for a file from a newer Phantom."""
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if synchronous == 'NORMAL' else 'FULL'}")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found < VERSION:
        steps = (TABLES, CALLS, AT_REST)[found:]
        connection.executescript(f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA user_version = {VERSION}; COMMIT;")
    elif found > VERSION:
        raise StorageError(
            f"the data folder was written by a newer Phantom (schema {found}, this one knows {VERSION})",
            hint="start the newer version, or point PHANTOM_DATA_DIR at another folder",
        )


def touch(connection: sqlite3.Connection) -> None:
    """The smallest real write: whether the file can be written."""
    connection.execute(f"PRAGMA user_version = {VERSION}")
