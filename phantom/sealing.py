"""What encryption of the data folder is to whoever keeps rows there: seal before writing, open after reading, say which
tables there are so that their rows can be sealed anew under another key.

A place is `table.column` and the row's own identity: a sealed value opens only in the place that it was sealed for, so
rows cannot be swapped on the disk. What does *not* live here: keys and the cipher (`phantom/storage/vault.py`).
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from phantom.errors import StorageError

MAGIC: Final = b"\xffPE1"
"""How every sealed value begins: no JSON and no UTF-8 text does. Four bytes with the key's id follow."""
ID_BYTES: Final = 4
MARK: Final = "pe1:"
"""The same where only text fits."""
SEPARATOR: Final = "\x1f"


class DamagedRow(StorageError):
    """A stored value does not open: it was changed on the disk, or its key is not here. Waiting does not help."""

    code = "damaged_row"


def place_of(table: str, column: str, *identity: str) -> str:
    """The name of one value's place."""
    return SEPARATOR.join((f"{table}.{column}", *identity))


def spoken_place(place: str) -> str:
    """The same, fit for print."""
    table, _, row = place.partition(SEPARATOR)
    return f"{table}, row {row.replace(SEPARATOR, '/')}" if row else table


def key_id_of(stored: bytes) -> str:
    """The id of the key that a sealed value names, eight hex digits; "" for one that is not sealed."""
    return stored[len(MAGIC) : len(MAGIC) + ID_BYTES].hex() if stored.startswith(MAGIC) else ""


def mark_of(key_id: str) -> str:
    """How every text sealed with that key begins."""
    return f"{MARK}{key_id}:"


def as_text(sealed: bytes) -> str:
    """A sealed value where only text fits: `pe1:<key id>:<base64>`."""
    return mark_of(key_id_of(sealed)) + base64.b64encode(sealed[len(MAGIC) + ID_BYTES :]).decode()


def from_text(text: str) -> bytes:
    """The sealed value of a text that begins with MARK. Raises `DamagedRow`."""
    key_id, _, rest = text.removeprefix(MARK).partition(":")
    try:
        return MAGIC + bytes.fromhex(key_id) + base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DamagedRow("a sealed text is damaged: it is not of its shape") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTable:
    """Columns that are sealed (`texts` hold str when plain, `blobs` bytes), and what makes up a row's identity: columns
    that never change once the row is there. `order` is the column that rows are walked by, of distinct values.
    """

    name: str
    identity: Sequence[str]
    order: str
    texts: Sequence[str] = ()
    blobs: Sequence[str] = ()


Job = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDatabase:
    """One SQLite file with sealed tables. `write` runs a function in a transaction on the writing connection, in the
    thread that owns it; `alone` the same outside of any transaction. Both raise `StorageError`.
    """

    name: str
    tables: Sequence[SealedTable]
    write: Callable[[Job], Awaitable[Any]]
    alone: Callable[[Job], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A file of a part's own with sealed values as text (`as_text`). `write_anew` replaces it as a whole, with every
    value sealed as it is now. Raises `StorageError`.
    """

    name: str
    write_anew: Callable[[], Awaitable[None]]


class AtRest(Protocol):
    """Seals and opens; may be called from any thread. What is empty stays empty, and what was stored plain opens as
    it is.
    """

    @property
    def ever_sealed(self) -> bool:
        """Whether rows may be sealed. False: everything is plain and stays so."""
        ...

    def seal(self, data: bytes, place: str) -> bytes:
        """What to store for `data`."""
        ...

    def open(self, stored: bytes, place: str) -> bytes:
        """What was stored. Raises `DamagedRow`."""
        ...

    def seal_text(self, text: str, place: str) -> str | bytes:
        """What to store for `text`, also in a TEXT column."""
        ...

    def open_text(self, stored: str | bytes, place: str) -> str:
        """The text that was stored. Raises `DamagedRow`."""
        ...

    def look_after(self, store: SealedDatabase | SealedFile) -> None:
        """Seal what is in there anew, now if need be and whenever the key changes."""
        ...


class Plain:
    """Without a key: nothing is sealed, and what is sealed does not open."""

    __slots__ = ()
    ever_sealed = False

    def seal(self, data: bytes, place: str) -> bytes:
        return data

    def open(self, stored: bytes, place: str) -> bytes:
        if stored.startswith(MAGIC):
            raise DamagedRow(
                f"{spoken_place(place)} is sealed with the encryption key {key_id_of(stored)}, and none is set",
                hint="set ENCRYPTION_KEY to the ring that holds this key",
            )
        return stored

    def seal_text(self, text: str, place: str) -> str | bytes:
        return text

    def open_text(self, stored: str | bytes, place: str) -> str:
        return stored if isinstance(stored, str) else self.open(stored, place).decode()

    def look_after(self, store: SealedDatabase | SealedFile) -> None:
        return None


PLAIN: Final[AtRest] = Plain()
