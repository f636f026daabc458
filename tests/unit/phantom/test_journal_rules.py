"""The journal on a real file: dedupe before the ack, group commits, claims, edits, drops, and faults that pass."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantom.channel import Admission, Envelope
from phantom.errors import StorageError
from phantom.journal import STATE_DONE, Journal
from phantom.metrics import PrometheusMeter


def envelope(event_id: str, *, channel: str = "slack", tenant: str = "T1", body: bytes = b"{}") -> Envelope:
    return Envelope(channel=channel, tenant=tenant, event_id=event_id, kind="event", body=body, received_at=1.0)


async def opened(path: Path, synchronous: str = "NORMAL") -> Journal:
    journal = Journal(path / "phantom.sqlite", synchronous=synchronous, meter=PrometheusMeter())
    await journal.open()
    return journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    found = await opened(tmp_path)
    yield found
    await found.aclose()


async def test_an_event_is_admitted_once_for_ever(tmp_path: Path) -> None:
    for start in range(2):
        journal = await opened(tmp_path, "FULL")
        first = await journal.admit(envelope("E1"))
        assert first == Admission(stored=True, duplicate=start == 1)
        assert await journal.admit(envelope("E1")) == Admission(stored=True, duplicate=True)
        assert (await journal.admit(envelope("E1", tenant="T2"))).duplicate is (start == 1)
        assert (await journal.admit(envelope("E1", channel="other"))).duplicate is (start == 1)
        await journal.aclose()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=200), max_size=4))
def test_every_answer_tells_the_truth_whatever_the_batches(batches: list[list[int]]) -> None:
    async def run(path: Path) -> None:
        journal = await opened(path)
        seen: set[int] = set()
        for batch in batches:
            answers = await asyncio.gather(*(journal.admit(envelope(f"E{number}")) for number in batch))
            for number, answer in zip(batch, answers, strict=True):
                assert answer == Admission(stored=True, duplicate=number in seen)
                seen.add(number)
        entries = await journal.open_entries("slack", 0, 1000)
        assert sorted(entry.envelope.event_id for entry in entries) == sorted(f"E{number}" for number in seen)
        assert journal.depth == 0
        await journal.aclose()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def test_one_post_is_claimed_once(journal: Journal) -> None:
    for name in ("E1", "E2"):
        await journal.admit(envelope(name))
    first, second = await journal.open_entries("slack", 0, 10)
    assert await journal.claim(first.seq, "slack:L1", "lane") is True
    assert await journal.claim(first.seq, "slack:L1", "lane") is True
    assert await journal.claim(second.seq, "slack:L1", "lane") is False
    left = await journal.open_entries("slack", 0, 10)
    assert [(entry.seq, entry.claimed) for entry in left] == [(first.seq, True)]


async def test_edits_and_deletions_reach_only_what_waits(journal: Journal) -> None:
    await journal.admit(envelope("E1"))
    (row,) = await journal.open_entries("slack", 0, 10)
    assert await journal.replace_text("slack:L1", "too early") is False
    await journal.claim(row.seq, "slack:L1", "lane")
    assert await journal.replace_text("slack:L1", "new words") is True
    found = await journal.entry(row.seq)
    assert found is not None
    assert found.text_override == "new words"
    assert await journal.begin(row.seq) is True
    assert await journal.replace_text("slack:L1", "too late") is False
    assert await journal.drop_waiting("slack:L1") is False
    assert await journal.begin(row.seq) is True
    await journal.finish([row.seq], STATE_DONE, "final")
    assert await journal.begin(row.seq) is False
    assert await journal.entry(row.seq) is None


async def test_a_dropped_post_never_begins(journal: Journal) -> None:
    await journal.admit(envelope("E1"))
    (row,) = await journal.open_entries("slack", 0, 10)
    await journal.claim(row.seq, "slack:L1", "lane")
    assert await journal.drop_waiting("slack:L1") is True
    assert await journal.begin(row.seq) is False


async def test_finished_rows_keep_their_key_until_they_are_pruned(journal: Journal) -> None:
    await journal.admit(envelope("E1", body=b"what was said"))
    (row,) = await journal.open_entries("slack", 0, 10)
    await journal.finish([row.seq])
    bodies = await journal.read(lambda db: db.execute("SELECT body FROM inbox").fetchall())
    assert bodies == [(None,)]
    assert (await journal.admit(envelope("E1"))).duplicate
    assert await journal.backlog() == 0
    assert await journal.prune(0.5) == 0
    assert await journal.prune(2.0) == 1
    assert not (await journal.admit(envelope("E1"))).duplicate


async def test_a_job_that_fails_undoes_only_itself(journal: Journal) -> None:
    def good(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO feedback VALUES ('t','u','helpful',1)")
        return 1

    def bad(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO feedback VALUES ('t2','u','helpful',1)")
        raise ValueError("no")

    results = await asyncio.gather(journal.write(good), journal.write(bad), journal.write(good), return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], sqlite3.IntegrityError)
    rows = await journal.read(lambda db: db.execute("SELECT turn FROM feedback").fetchall())
    assert rows == [("t",)]
    assert journal.fault == ""


async def test_a_journal_that_cannot_write_says_so_and_comes_back(tmp_path: Path) -> None:
    journal = await opened(tmp_path)
    blocker = sqlite3.connect(tmp_path / "phantom.sqlite", isolation_level=None)
    await journal.write(lambda db: db.execute("PRAGMA busy_timeout = 50").fetchall() and None)
    blocker.execute("BEGIN IMMEDIATE")
    assert await journal.admit(envelope("E1")) == Admission(stored=False)
    with pytest.raises(StorageError, match="journal write failed"):
        await journal.claim(1, "L", "lane")
    assert journal.fault
    blocker.execute("ROLLBACK")
    assert await journal.admit(envelope("E1")) == Admission(stored=True)
    assert journal.fault == ""
    blocker.close()
    await journal.aclose()


async def test_what_is_asked_for_after_the_end_is_refused(tmp_path: Path) -> None:
    """A task that notes how it was cut short must not wait for a journal that is gone."""
    journal = await opened(tmp_path)
    last = asyncio.ensure_future(journal.admit(envelope("E1")))
    await asyncio.sleep(0)
    await journal.aclose()
    assert await last == Admission(stored=True, duplicate=False)
    async with asyncio.timeout(30):
        with pytest.raises(StorageError, match="closed"):
            await journal.write(lambda db: db.execute("DELETE FROM inbox") and None)
        assert await journal.admit(envelope("E2")) == Admission(stored=False, duplicate=False)
    assert journal.depth == 0
