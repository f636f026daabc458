"""Counts what is sealed with which key below a data folder, knowing nothing of tables: also what parts that are
switched off left behind, and beside a running daemon.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from phantom.sealing import ID_BYTES, MAGIC, MARK, key_id_of

_PATIENCE = 10.0
_TEXT_CHARS = len(MARK) + 2 * ID_BYTES
_SEALED_TEXT = re.compile(MARK.encode() + b"([0-9a-f]{8}):")


def sealed_under(folder: Path) -> Counter[str]:
    """How many values are sealed, by key id. Blocking: reads every file. Raises `sqlite3.Error` or `OSError`."""
    found: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.sqlite")):
        found += _in_database(path)
    for path in sorted(folder.rglob("*.jsonl")):
        found.update(one.decode() for one in _SEALED_TEXT.findall(path.read_bytes()))
    return found


def keys_noted(folder: Path) -> set[str]:
    """The ids of the keys that a daemon noted as needed. Empty before the first one."""
    path = folder / "phantom.sqlite"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path, timeout=_PATIENCE)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'at_rest'").fetchone():
            return set()
        return {name for (name,) in db.execute("SELECT name FROM at_rest WHERE kind = 'key'")}


def _in_database(path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    with closing(sqlite3.connect(path, timeout=_PATIENCE)) as db:
        db.execute("PRAGMA query_only = ON")
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            columns = [row[1] for row in db.execute(f'PRAGMA table_info("{table}")')]
            for column in columns:
                blobs = f"""SELECT substr(CAST("{column}" AS BLOB), 1, {len(MAGIC) + ID_BYTES}) AS start, count(*)
                    FROM "{table}" WHERE substr(CAST("{column}" AS BLOB), 1, {len(MAGIC)}) = ? GROUP BY start"""  # noqa: S608 - names from the file's own schema
                texts = f"""SELECT substr("{column}", 1, {_TEXT_CHARS}) AS start, count(*) FROM "{table}"
                    WHERE substr("{column}", 1, {len(MARK)}) = ? GROUP BY start"""  # noqa: S608 - as above
                for start, count in db.execute(blobs, (MAGIC,)):
                    found[key_id_of(start)] += count
                for start, count in db.execute(texts, (MARK,)):
                    found[start.removeprefix(MARK)] += count
    return found
