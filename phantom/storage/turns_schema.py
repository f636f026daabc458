"""The name of a data folder's own schema in PostgreSQL, so that two daemons in one database never share turns.

DBOS hands a recovered workflow to whoever asks for it first under the same schema and application. What does *not* live
here: making the schema (DBOS does) and the lock that guards it (`postgres_turns.py`).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from phantom.errors import ConfigError, StorageError

FILE = "turns-schema"
_SHAPE = re.compile(r"phantom_[0-9a-f]{12}")


def schema_name(folder: Path) -> str:
    """The name that the data folder remembers; chosen and written down at the first call. Raises `StorageError`, and
    `ConfigError` for a file that holds something else.
    """
    path = folder / FILE
    try:
        found = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return _written(path, f"phantom_{secrets.token_hex(6)}")
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", hint="check the data folder") from error
    if _SHAPE.fullmatch(found) is None:
        raise ConfigError(
            "does not hold the name of a schema",
            where=str(path),
            hint="restore it from a backup: it says where this data folder's turns are (phantom_ and 12 hex digits)",
        )
    return found


def known_schema_name(folder: Path) -> str:
    """The same for whoever only looks: "" when none was chosen yet."""
    return schema_name(folder) if (folder / FILE).exists() else ""


def _written(path: Path, name: str) -> str:
    fresh = path.with_name(f"{FILE}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", hint="check the data folder") from error
    return name


def lock_key(schema: str) -> int:
    """The number of the advisory lock that whoever works in the schema holds (signed, 64 bits)."""
    return int.from_bytes(hashlib.sha256(f"phantom turns {schema}".encode()).digest()[:8], "big", signed=True)
