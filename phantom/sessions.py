"""Conversations as the agent remembers them: our own store, because platforms ration reading history back.

A session is one conversation's memory; `/phantom new` starts its next epoch and older lines are no longer shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import structlog

from phantom.agent import HistoryEntry
from phantom.channel import Suggestion
from phantom.journal import Journal
from phantom.messages import Author, ConversationRef
from phantom.sealing import DamagedRow, place_of

log = structlog.get_logger("phantom.storage")

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
        seal = self._journal.at_rest.seal_text

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
                    seal(_title(text), place_of("session", "title", key)),
                    at,
                ),
            )
            (epoch,) = db.execute("SELECT epoch FROM session WHERE key = ?", (key,)).fetchone()
            db.execute(
                "INSERT OR IGNORE INTO history (session, epoch, turn, role, author, author_name, text, at)"
                " VALUES (?,?,?,'user',?,?,?,?)",
                (
                    key,
                    epoch,
                    turn,
                    author.id,
                    seal(author.display_name, place_of("history", "author_name", turn, "user")),
                    seal(text, place_of("history", "text", turn, "user")),
                    at,
                ),
            )
            (own,) = db.execute("SELECT id FROM history WHERE turn = ? AND role = 'user'", (turn,)).fetchone()
            rows = db.execute(
                "SELECT turn, role, text, author, author_name, at FROM history"
                " WHERE session = ? AND epoch = ? AND id < ? ORDER BY id DESC LIMIT ?",
                (key, epoch, own, HISTORY_LINES),
            ).fetchall()
            lines = (self._line(*row) for row in reversed(rows))
            return Session(key=key, epoch=epoch), [line for line in lines if line is not None]

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
        seal = self._journal.at_rest.seal_text
        sql = "INSERT OR IGNORE INTO history (session, epoch, turn, role, text, at) VALUES (?,?,?,'assistant',?,?)"

        def job(db: sqlite3.Connection) -> None:
            stored = seal(text, place_of("history", "text", turn, "assistant"))
            db.execute(sql, (session.key, session.epoch, turn, stored, at))

        await self._journal.write(job)

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
        sealed = self._journal.at_rest.ever_sealed
        title = "opened_title(title, key)" if sealed else "title"
        sql = (
            f"SELECT key, {title} AS shown FROM session WHERE channel = ? AND tenant = ? AND title <> ''"  # noqa: S608
            " AND shown LIKE ? ESCAPE '\\' AND key IN (SELECT DISTINCT session FROM history WHERE author = ?)"
            " ORDER BY last_at DESC LIMIT 100"
        )

        def query(db: sqlite3.Connection) -> list[tuple[str, str]]:
            if sealed:
                db.create_function("opened_title", 2, self._opened_title)
            return db.execute(sql, (channel, tenant, pattern, author)).fetchall()

        return [Suggestion(label=shown, value=key) for key, shown in await self._journal.read(query)]

    def _opened_title(self, title: str | bytes, key: str) -> str:
        try:
            return self._journal.at_rest.open_text(title, place_of("session", "title", key))
        except DamagedRow as error:
            log.error("title_does_not_open", what=error.message, cure=error.hint)
            return ""

    async def rate(self, turn: str, author: str, rating: str | None, at: float) -> None:
        """Keep one rating a person and turn; None withdraws it."""

        def job(db: sqlite3.Connection) -> None:
            if rating is None:
                db.execute("DELETE FROM feedback WHERE turn = ? AND author = ?", (turn, author))
            else:
                db.execute("INSERT OR REPLACE INTO feedback VALUES (?,?,?,?)", (turn, author, rating, at))

        await self._journal.write(job)

    def _line(
        self, turn: str, role: str, text: str | bytes, author: str, author_name: str | bytes, at: float
    ) -> HistoryEntry | None:
        """A line of the conversation; None for one that does not open: the agent goes on without it."""
        opened = self._journal.at_rest.open_text
        try:
            return HistoryEntry(
                role="assistant" if role == "assistant" else "user",
                text=opened(text, place_of("history", "text", turn, role)),
                author_id=author,
                author_name=opened(author_name, place_of("history", "author_name", turn, role)),
                at=at,
            )
        except DamagedRow as error:
            log.error("line_does_not_open", what=error.message, cure=error.hint)
            return None

    def _remember(self, key: str) -> None:
        self._known.pop(key, None)
        self._known[key] = None
        if len(self._known) > MAX_KNOWN:
            self._known.pop(next(iter(self._known)))


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"
