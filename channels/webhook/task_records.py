"""What is remembered of tasks and callbacks, as SQL on one connection. What does *not* live here: threads and waiting
(`tasks.py`).

A task is one post's question. Its row is there before the post is journaled, and its answer before the answer's
receipt, so that whoever asks later is told the truth. A callback's row lives until it was delivered or given up, and a
while longer so that this can be seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from phantom.sealing import PLAIN, AtRest, DamagedRow, SealedTable, place_of

log = structlog.get_logger(__name__)

PENDING, ANSWERED, FAILED, REFUSED = "pending", "answered", "failed", "refused"
DELIVERED, GIVEN_UP = "delivered", "given_up"

SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, conversation TEXT NOT NULL, created_at REAL NOT NULL,
    state TEXT NOT NULL, notice TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signatures (
    endpoint TEXT NOT NULL, event_id TEXT NOT NULL, task TEXT NOT NULL, created_at REAL NOT NULL,
    PRIMARY KEY (endpoint, event_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (
    task TEXT PRIMARY KEY, digest TEXT NOT NULL, created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sends (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, id TEXT NOT NULL, task TEXT, text TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS sends_task ON sends (task, number);
CREATE TABLE IF NOT EXISTS callbacks (
    id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, task TEXT, url TEXT NOT NULL, body BLOB NOT NULL,
    created_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '', under_way INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
DROP INDEX IF EXISTS callbacks_due;
CREATE INDEX IF NOT EXISTS callbacks_due_each ON callbacks (state, endpoint, due_at);
"""

SEALED = (
    SealedTable(name="tasks", identity=("id",), order="id", texts=("notice",)),
    SealedTable(name="questions", identity=("task",), order="task", texts=("digest",)),
    SealedTable(name="sends", identity=("key",), order="number", texts=("text",)),
    SealedTable(name="callbacks", identity=("id",), order="id", texts=("url",), blobs=("body",)),
)
"""What is sealed when an encryption key is set: all that was said, and where callbacks go. A digest tells a short
question to whoever guesses, so it is sealed too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task as it stands. `text` is the answer, `notice` the last thing said before it, `callback` what became of
    the callback ("" where there is none).
    """

    id: str
    endpoint: str
    conversation: str
    state: str = PENDING
    text: str = ""
    notice: str = ""
    callback: str = ""

    @property
    def settled(self) -> bool:
        """Whether it has its answer."""
        return self.state != PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One callback. `id` names it on the wire, the same in every attempt; `body` are the exact bytes. `attempts` counts
    those begun.
    """

    id: str
    endpoint: str
    task: str | None
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One message of ours to keep: under its idempotency `key` it is kept once. `state` is what it makes of the task,
    PENDING for a word in between.
    """

    key: str
    id: str
    task: str | None
    endpoint: str
    conversation: str
    text: str
    state: str
    callback: Callback | None


def begin(
    db: sqlite3.Connection, task: Task, event_id: str, digest: str, now: float, at_rest: AtRest = PLAIN
) -> Task | None:
    """The task of a post, made if it is new. A post that was seen before under another id is that task's. None: the
    task is that of another question, of another `digest`.
    """
    row = db.execute(
        "SELECT task FROM signatures WHERE endpoint = ? AND event_id = ?", (task.endpoint, event_id)
    ).fetchone()
    known = find(db, row[0], task.endpoint, at_rest) if row else None
    if known is not None:
        return known if _same_question(db, known.id, digest, now, at_rest) else None
    if not _same_question(db, task.id, digest, now, at_rest):
        return None
    db.execute(
        "INSERT OR IGNORE INTO tasks (id, endpoint, conversation, created_at, state) VALUES (?,?,?,?,?)",
        (task.id, task.endpoint, task.conversation, now, PENDING),
    )
    db.execute("INSERT OR REPLACE INTO signatures VALUES (?,?,?,?)", (task.endpoint, event_id, task.id, now))
    return find(db, task.id, task.endpoint, at_rest) or task


def _same_question(db: sqlite3.Connection, task: str, digest: str, now: float, at_rest: AtRest) -> bool:
    """Whether this is what the task was begun with; what began it is remembered."""
    place = place_of("questions", "digest", task)
    row = db.execute("SELECT digest FROM questions WHERE task = ?", (task,)).fetchone()
    if row is not None:
        return at_rest.open_text(row[0], place) == digest
    db.execute("INSERT INTO questions VALUES (?,?,?)", (task, at_rest.seal_text(digest, place), now))
    return True


def find(db: sqlite3.Connection, task: str, endpoint: str, at_rest: AtRest = PLAIN) -> Task | None:
    """A task of the endpoint, with its answer. Raises `DamagedRow`."""
    row = db.execute(
        "SELECT conversation, state, notice FROM tasks WHERE id = ? AND endpoint = ?", (task, endpoint)
    ).fetchone()
    if row is None:
        return None
    conversation, state, notice = row
    parts = db.execute("SELECT key, text FROM sends WHERE task = ? ORDER BY number", (task,)).fetchall()
    callback = db.execute("SELECT state FROM callbacks WHERE task = ? ORDER BY created_at", (task,)).fetchone()
    return Task(
        id=task,
        endpoint=endpoint,
        conversation=conversation,
        state=state,
        text="\n".join(at_rest.open_text(text, place_of("sends", "text", key)) for key, text in parts),
        notice=at_rest.open_text(notice, place_of("tasks", "notice", task)),
        callback=callback[0] if callback else "",
    )


def keep(db: sqlite3.Connection, saying: Saying, now: float, at_rest: AtRest = PLAIN) -> bool:
    """Keep a message and what follows from it. False when it was kept before."""
    final = saying.state != PENDING
    text = at_rest.seal_text(saying.text, place_of("sends", "text", saying.key))
    done = db.execute(
        "INSERT OR IGNORE INTO sends (key, id, task, text, created_at) VALUES (?,?,?,?,?)",
        (saying.key, saying.id, saying.task if final else None, text, now),
    )
    if not done.rowcount:
        return False
    if saying.task is not None:
        # After a power cut the journal may know a post whose row here was lost with the cache.
        db.execute(
            "INSERT OR IGNORE INTO tasks (id, endpoint, conversation, created_at, state) VALUES (?,?,?,?,?)",
            (saying.task, saying.endpoint, saying.conversation, now, PENDING),
        )
        column = "state" if final else "notice"
        notice = at_rest.seal_text(saying.text, place_of("tasks", "notice", saying.task))
        value = saying.state if final else notice
        db.execute(f"UPDATE tasks SET {column} = ? WHERE id = ?", (value, saying.task))  # noqa: S608 - two constants
    one = saying.callback
    if one is not None:
        url = at_rest.seal_text(one.url, place_of("callbacks", "url", one.id))
        body = at_rest.seal(one.body, place_of("callbacks", "body", one.id))
        db.execute(
            "INSERT OR IGNORE INTO callbacks (id, endpoint, task, url, body, created_at, due_at, state)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (one.id, one.endpoint, one.task, url, body, now, now, PENDING),
        )
    return True


def sent_as(db: sqlite3.Connection, key: str) -> str | None:
    """The id under which the message of an idempotency key was kept."""
    row = db.execute("SELECT id FROM sends WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def take_due(
    db: sqlite3.Connection,
    now: float,
    each: int,
    busy: Mapping[str, int],
    next_due: float,
    at_rest: AtRest = PLAIN,
) -> list[Callback]:
    """Callbacks that are due, at most `each` of one endpoint less those that are `busy` there. Each is counted as begun
    and put off to `next_due`: a crash in the middle costs an attempt and never makes them due for ever. One that does
    not open is given up.
    """
    rows: list[Any] = []
    for (endpoint,) in db.execute("SELECT DISTINCT endpoint FROM callbacks WHERE state = ?", (PENDING,)).fetchall():
        rows += db.execute(
            "SELECT id, endpoint, task, url, body, attempts FROM callbacks"
            " WHERE state = ? AND endpoint = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
            (PENDING, endpoint, now, max(0, each - busy.get(endpoint, 0))),
        ).fetchall()
    found = []
    for one, endpoint, task, url, body, attempts in rows:
        db.execute(
            "UPDATE callbacks SET attempts = ?, due_at = ?, under_way = 1 WHERE id = ?", (attempts + 1, next_due, one)
        )
        try:
            url = at_rest.open_text(url, place_of("callbacks", "url", one))
            body = at_rest.open(body, place_of("callbacks", "body", one))
        except DamagedRow as error:
            log.error("callback_does_not_open", callback=one, what=error.message, cure=error.hint)
            settle_callback(db, one, GIVEN_UP, "damaged", now)
            continue
        found.append(Callback(id=one, endpoint=endpoint, task=task, url=url, body=body, attempts=attempts + 1))
    return found


def settle_callback(db: sqlite3.Connection, callback: str, state: str, detail: str, due_at: float) -> None:
    """What became of an attempt."""
    db.execute(
        "UPDATE callbacks SET state = ?, detail = ?, due_at = ?, under_way = 0 WHERE id = ?",
        (state, detail, due_at, callback),
    )


def resume_callbacks(db: sqlite3.Connection, now: float) -> int:
    """What was under way when the last run ended is due now: nobody knows whether it arrived."""
    return db.execute("UPDATE callbacks SET due_at = ?, under_way = 0 WHERE under_way = 1", (now,)).rowcount


def next_due(db: sqlite3.Connection, without: Collection[str]) -> float | None:
    """When the next callback is due, None without any. Endpoints in `without` are left out."""
    found = db.execute("SELECT endpoint, min(due_at) FROM callbacks WHERE state = ? GROUP BY endpoint", (PENDING,))
    return min((float(due) for endpoint, due in found if endpoint not in without), default=None)


def callback_counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many callbacks there are in each state."""
    return dict(db.execute("SELECT state, count(*) FROM callbacks GROUP BY state"))


def prune(db: sqlite3.Connection, before: float) -> int:
    """Forget what is older, but no callback under way and no task that still waits for one."""
    gone = db.execute("DELETE FROM callbacks WHERE created_at < ? AND state != ?", (before, PENDING)).rowcount
    for table in ("tasks", "signatures", "questions", "sends"):
        gone += db.execute(f"DELETE FROM {table} WHERE created_at < ?", (before,)).rowcount  # noqa: S608 - constants
    return gone
