"""The journal's thread meets what nobody foresaw: whoever waits is answered, the others go on, and health tells."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from phantom.channel import Admission, Envelope
from phantom.errors import StorageError
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter

UNSTORABLE = "\ud800"
"""No UTF-8 text: SQLite's driver refuses it."""


def envelope(event_id: str) -> Envelope:
    return Envelope(channel="slack", tenant="T1", event_id=event_id, kind="event", body=b"{}", received_at=1.0)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    found = Journal(tmp_path / "phantom.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await found.open()
    yield found
    await found.aclose()


async def test_an_event_that_cannot_be_stored_is_refused_alone(journal: Journal) -> None:
    names = ["E1", UNSTORABLE, "E2", "E1"]
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(journal.admit(envelope(name)) for name in names))
    assert [answer.stored for answer in answers] == [True, False, True, True]
    assert answers[3].duplicate
    assert [line["event"] for line in logs] == ["event_cannot_be_stored"]
    assert journal.depth == 0
    assert not journal.fault


@pytest.mark.parametrize(("value", "error"), [(2**70, OverflowError), (UNSTORABLE, UnicodeEncodeError)])
async def test_a_job_is_told_what_it_did_wrong(journal: Journal, value: object, error: type[Exception]) -> None:
    sql = "INSERT INTO at_rest VALUES ('key', 'k', ?)"
    async with asyncio.timeout(30):
        with pytest.raises(error):
            await journal.write(lambda db: db.execute(sql, (value,)) and None)
        assert await journal.admit(envelope("E1")) == Admission(stored=True)


async def test_nobody_waits_for_a_thread_that_is_no_more(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda about: told.append(about.exc_type))

    def breaks(_: object) -> None:
        raise MemoryError

    async with asyncio.timeout(30):
        asked = [asyncio.ensure_future(journal.write(breaks)), asyncio.ensure_future(journal.write(lambda _: 1))]
        admitted = asyncio.ensure_future(journal.admit(envelope("E1")))
        await asyncio.wait(asked)
        assert [type(one.exception()) for one in asked] == [StorageError, StorageError]
        await admitted
        assert not (await journal.admit(envelope("E2"))).stored
        with pytest.raises(StorageError):
            await journal.write(lambda _: 1)
        while not told:  # the thread says so at its very end
            await asyncio.sleep(0.01)
    assert told == [MemoryError]
    assert journal.broken
    assert "broke" in journal.fault
    assert journal.depth == 0


async def test_an_answer_that_fails_keeps_no_other_from_its_own(journal: Journal) -> None:
    failed: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: failed.append(str(about.get("exception"))))
    answered: list[str] = []
    last = asyncio.Event()

    def fails(_: Admission) -> None:
        raise ValueError("a channel's bug")

    journal.submit(envelope("E1"), lambda _: answered.append("E1"))
    journal.submit(envelope("E2"), fails)
    journal.submit(envelope("E3"), lambda _: answered.append("E3"))
    journal.submit(envelope("E4"), lambda _: last.set())
    async with asyncio.timeout(30):
        await last.wait()
    loop.set_exception_handler(None)
    assert answered == ["E1", "E3"]
    assert failed == ["a channel's bug"]
