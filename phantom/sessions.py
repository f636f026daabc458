"""Conversations as the agent remembers them: our own store, because platforms ration reading history back.

A session is one conversation's memory; `/phantom new` starts its next epoch and older lines are no longer shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from phantom.agent import HistoryEntry
from phantom.channel import Suggestion
from phantom.journal import Journal
from phantom.messages import Author, ConversationRef

HISTORY_LINES = 40
TITLE_CHARS = 70
MAX_KNOWN = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One conversation's memory."""

    key: str
    epoch: int


class Sessions:
    """Sessions, history, feedback. Keeps the keys of recent sessions in memory for the policy's quick question."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, None] = {}
        self._addressing: dict[str, set[str]] = {}

    async def load(self) -> None:
        """Fill the memory of known sessions. After the journal is open."""
        sql = "SELECT key FROM session ORDER BY last_at DESC LIMIT ?"
        keys = await self._journal.read(lambda db: [str(key) for (key,) in db.execute(sql, (MAX_KNOWN,))])
        self._known = dict.fromkeys(reversed(keys))

    def known(self, key: str) -> bool:
        """Whether the agent may have been addressed in this conversation; `engagement` knows for sure."""
        return key in self._known

    def expect(self, key: str) -> None:
        """An event that may start this conversation is on its way: a follow-up close behind it must not be missed."""
        self._remember(key)

    def addressed(self, key: str, author: str) -> None:
        """A turn of this author's waits in this conversation; until it begins, history does not tell."""
        self._addressing.setdefault(key, set()).add(author)

    async def engagement(self, key: str, author: str) -> tuple[bool, bool]:
        """Whether the agent took part in this conversation, and whether this author addressed it there."""
        waiting: AbstractSet[str] = self._addressing.get(key, frozenset())
        sql = "SELECT max(author = ?) FROM history WHERE session = ? AND role = 'user'"
        (spoke,) = await self._journal.read(lambda db: db.execute(sql, (author, key)).fetchone())
        return spoke is not None or bool(waiting), bool(spoke) or author in waiting

    async def begin_turn(
        self, conversation: ConversationRef, turn: str, author: Author, text: str, at: float
    ) -> tuple[Session, list[HistoryEntry]]:
        """Record what the user said, once a turn, and return the session with the lines before it."""
        key = conversation.key

        def job(db: sqlite3.Connection) -> tuple[Session, list[HistoryEntry]]:
            db.execute(
                "INSERT INTO session (key, channel, tenant, place, thread, title, last_at) VALUES (?,?,?,?,?,?,?)"
                " ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at,"
                " title = CASE WHEN title = '' THEN excluded.title ELSE title END",
                (
                    key,
                    conversation.channel,
                    conversation.tenant,
                    conversation.place,
                    conversation.thread,
                    _title(text),
                    at,
                ),
            )
            (epoch,) = db.execute("SELECT epoch FROM session WHERE key = ?", (key,)).fetchone()
            db.execute(
                "INSERT OR IGNORE INTO history (session, epoch, turn, role, author, author_name, text, at)"
                " VALUES (?,?,?,'user',?,?,?,?)",
                (key, epoch, turn, author.id, author.display_name, text, at),
            )
            (own,) = db.execute("SELECT id FROM history WHERE turn = ? AND role = 'user'", (turn,)).fetchone()
            rows = db.execute(
                "SELECT role, text, author, author_name, at FROM history"
                " WHERE session = ? AND epoch = ? AND id < ? ORDER BY id DESC LIMIT ?",
                (key, epoch, own, HISTORY_LINES),
            ).fetchall()
            return Session(key=key, epoch=epoch), [_line(*row) for row in reversed(rows)]

        result = await self._journal.write(job)
        self._remember(key)
        waiting = self._addressing.get(key)
        if waiting is not None:
            waiting.discard(author.id)
            if not waiting:
                del self._addressing[key]
        return result

    async def end_turn(self, session: Session, turn: str, text: str, at: float) -> None:
        """Record the answer, once a turn."""
        sql = (
            "INSERT OR IGNORE INTO history (session, epoch, turn, role, text, at) VALUES (?,?,?,'assistant',?,?)",
            (session.key, session.epoch, turn, text, at),
        )
        await self._journal.write(lambda db: db.execute(*sql) and None)

    async def renew(self, conversation: ConversationRef, author: str) -> int:
        """Start afresh: every session of this place in which the author has spoken. Returns how many."""

        def job(db: sqlite3.Connection) -> int:
            cursor = db.execute(
                "UPDATE session SET epoch = epoch + 1, title = '' WHERE channel = ? AND tenant = ? AND place = ?"
                " AND key IN (SELECT session FROM history WHERE author = ? AND role = 'user')",
                (conversation.channel, conversation.tenant, conversation.place, author),
            )
            return cursor.rowcount

        return await self._journal.write(job)

    async def recent(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        """The author's latest conversations whose title contains what was typed."""
        pattern = "%" + typed.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        sql = (
            "SELECT key, title FROM session WHERE channel = ? AND tenant = ? AND title <> ''"
            " AND title LIKE ? ESCAPE '\\' AND key IN (SELECT DISTINCT session FROM history WHERE author = ?)"
            " ORDER BY last_at DESC LIMIT 100"
        )
        rows = await self._journal.read(lambda db: db.execute(sql, (channel, tenant, pattern, author)).fetchall())
        return [Suggestion(label=title, value=key) for key, title in rows]

    async def rate(self, turn: str, author: str, rating: str | None, at: float) -> None:
        """Keep one rating a person and turn; None withdraws it."""

        def job(db: sqlite3.Connection) -> None:
            if rating is None:
                db.execute("DELETE FROM feedback WHERE turn = ? AND author = ?", (turn, author))
            else:
                db.execute("INSERT OR REPLACE INTO feedback VALUES (?,?,?,?)", (turn, author, rating, at))

        await self._journal.write(job)

    def _remember(self, key: str) -> None:
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > MAX_KNOWN:
            self._known.pop(next(iter(self._known)))


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


def _line(role: str, text: str, author: str, author_name: str, at: float) -> HistoryEntry:
    return HistoryEntry(
        role="assistant" if role == "assistant" else "user", text=text, author_id=author, author_name=author_name, at=at
    )
