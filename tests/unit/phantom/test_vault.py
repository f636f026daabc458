"""Sealed values: they open with their key, in their place, whole; anything else is an error that names the place."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.metrics import PrometheusMeter
from phantom.sealing import (
    MAGIC,
    PLAIN,
    DamagedRow,
    SealedDatabase,
    SealedTable,
    as_text,
    from_text,
    key_id_of,
    place_of,
)
from phantom.storage.key_ring import Ring, fresh_key
from phantom.storage.reseal import DatabaseResealing
from phantom.storage.seal_scan import sealed_under
from phantom.storage.vault import Vault

OLD, NEW = fresh_key(), fresh_key()
HERE = place_of("history", "text", "turn-1", "user")
TABLE = SealedTable(name="notes", identity=("who", "nr"), order="id", texts=("text", "title"), blobs=("body",))


def vault(*keys: object, plain: bool = False) -> Vault:
    return Vault(Ring(keys=keys or (OLD,), plain=plain), PrometheusMeter(), lambda _: None)  # type: ignore[arg-type]


@given(st.binary(min_size=1, max_size=2000), st.text(min_size=1, max_size=300))
def test_what_is_sealed_opens_in_its_place_alone(data: bytes, text: str) -> None:
    one = vault()
    sealed = one.seal(data, HERE)
    assert sealed != one.seal(data, HERE), "a fresh nonce each time"
    assert one.open(sealed, HERE) == vault(NEW, OLD).open(sealed, HERE) == data
    assert from_text(as_text(sealed)) == sealed
    assert one.open_text(one.seal_text(text, HERE), HERE) == text
    assert key_id_of(sealed) == OLD.id
    for place in (place_of("history", "text", "turn-2", "user"), place_of("history", "author_name", "turn-1", "user")):
        with pytest.raises(DamagedRow, match=OLD.id):
            one.open(sealed, place)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_changed_byte_passes(data: bytes, draw: st.DataObject) -> None:
    sealed = bytearray(vault().seal(data, HERE))
    at = draw.draw(st.integers(len(MAGIC), len(sealed) - 1))
    sealed[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(DamagedRow) as caught:
        vault().open(bytes(sealed), HERE)
    assert "history.text, row turn-1/user" in caught.value.message
    cut = bytes(vault().seal(data, HERE))[: draw.draw(st.integers(len(MAGIC), len(data) + 8 + 27))]
    with pytest.raises(DamagedRow):
        vault().open(cut, HERE)


def test_without_the_key_the_error_names_it() -> None:
    sealed = vault().seal(b"x", HERE)
    for other in (vault(NEW), PLAIN):
        with pytest.raises(DamagedRow, match=OLD.id):
            other.open(sealed, HERE)


def test_empty_and_plain_stay_as_they_are() -> None:
    one = vault()
    assert (one.seal(b"", HERE), one.seal_text("", HERE)) == (b"", "")
    assert (one.open(b"{}", HERE), one.open_text("said", HERE)) == (b"{}", "said")
    back = vault(OLD, plain=True)
    assert (back.seal(b"{}", HERE), back.seal_text("said", HERE)) == (b"{}", "said")
    assert (PLAIN.seal_text("said", HERE), PLAIN.ever_sealed) == ("said", False)


class Store:
    """A file with a table of 150 rows, and the two ways into it."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, who TEXT, nr INT, text TEXT, title TEXT, body BLOB)"
        )
        rows = [
            (f"w{n}", n, f"secret sentence {n}", "" if n % 2 else "t", None if n % 3 else b"body") for n in range(150)
        ]
        self.db.executemany("INSERT INTO notes (who, nr, text, title, body) VALUES (?,?,?,?,?)", rows)
        self.as_was = self.rows()

    async def write(self, job: object) -> object:
        self.db.execute("BEGIN IMMEDIATE")
        found = job(self.db)  # type: ignore[operator]
        self.db.execute("COMMIT")
        return found

    async def alone(self, job: object) -> object:
        return job(self.db)  # type: ignore[operator]

    def rows(self) -> list[tuple[object, ...]]:
        return self.db.execute("SELECT who, nr, text, title, body FROM notes ORDER BY id").fetchall()

    def resealing(self, one: Vault) -> DatabaseResealing:
        return DatabaseResealing(SealedDatabase(name="notes", tables=(TABLE,), write=self.write, alone=self.alone), one)


async def a_pass(store: DatabaseResealing) -> int:
    store.rewind()
    damaged = 0
    for _ in range(100):
        batch = await store.step(64)
        damaged += batch.damaged
        if batch.over:
            return damaged
    raise AssertionError("it never ends")


async def test_rows_are_sealed_rotated_and_made_plain_again(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    store = Store(path)
    with closing(store.db):
        one = vault(OLD)
        sealing = store.resealing(one)
        assert await sealing.left() == 150
        assert await a_pass(sealing) == 0
        assert (await sealing.left(), await sealing.under(OLD.id)) == (0, 150)
        assert sealed_under(tmp_path)[OLD.id] == 150 + 75 + 50
        await sealing.scrub(1 << 30)
        await sealing.checkpoint()
        assert b"secret sentence" not in path.read_bytes() + (tmp_path / "notes.sqlite-wal").read_bytes()
        one.use(Ring(keys=(NEW, OLD)))
        await a_pass(sealing)
        assert (await sealing.under(OLD.id), await sealing.under(NEW.id)) == (0, 150)
        one.use(Ring(keys=(NEW,), plain=True))
        assert await sealing.left() == 150
        await a_pass(sealing)
        assert store.rows() == store.as_was
        assert not sealed_under(tmp_path)


async def test_a_damaged_or_swapped_row_is_kept_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "notes.sqlite")
    with closing(store.db):
        one = vault(OLD)
        await a_pass(store.resealing(one))
        first, second = (text for (text,) in store.db.execute("SELECT text FROM notes WHERE id IN (1, 2) ORDER BY id"))
        store.db.execute("UPDATE notes SET text = ? WHERE id = 1", (second,))
        store.db.execute("UPDATE notes SET text = ? WHERE id = 2", (first[:-1] + bytes([first[-1] ^ 1]),))
        one.use(Ring(keys=(NEW, OLD)))
        sealing = store.resealing(one)
        assert await a_pass(sealing) == 2
        assert await sealing.left() == await sealing.under(OLD.id) == 2
        assert store.db.execute("SELECT text FROM notes WHERE id = 1").fetchone() == (second,)


def test_without_a_key_the_cipher_is_not_even_imported() -> None:
    modules = "phantom.at_rest, phantom.engine, phantom.storage.turn_seals, phantom.bridge.replay_seals"
    code = f"import sys, {modules}; raise SystemExit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=100, check=False).returncode == 0
