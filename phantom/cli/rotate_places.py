"""Where the two secrets of an endpoint are kept, as far as a command can write there: a `.env` file, or two files.

What does *not* live here: whether they may be changed (`rotate_rules.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from config.dotenv import parse_dotenv, read_dotenv
from config.dotenv_edit import cleared, promoted
from config.rotating import secret_text
from config.whole_file import MAX_BYTES, Step, remove, replace_whole
from phantom.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two texts as they stand, "" for none. `written_at` (epoch seconds) is when the backup's file changed."""

    default: str = field(repr=False)
    backup: str = field(repr=False)
    written_at: float


class Place(Protocol):
    """One of the two ways. All of it raises `ConfigError` or `OSError`; call `rotate` and `retire` under a lock on
    `folder`.
    """

    @property
    def folder(self) -> Path: ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that a change writes."""
        ...

    @property
    def names(self) -> tuple[str, str]:
        """What default and backup are called there."""
        ...

    @property
    def watched(self) -> bool:
        """Whether a daemon notices a change by itself."""
        ...

    def read(self) -> Pair: ...

    def rotate(self, fresh: str, step: Step) -> None: ...

    def retire(self, step: Step) -> None: ...


class EnvFile:
    """Two variables of a `.env` file. Links are followed, so that the file itself is replaced."""

    watched = False

    def __init__(self, path: Path, default: str, backup: str) -> None:
        self.path = _resolved(path)
        self.names = (default, backup)

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.path,)

    def read(self) -> Pair:
        found: Mapping[str, str] = read_dotenv(self.path)
        default, backup = (found.get(name, "").strip() for name in self.names)
        return Pair(default=default, backup=backup, written_at=self.path.stat().st_mtime)

    def rotate(self, fresh: str, step: Step) -> None:
        default, backup = self.names
        text = promoted(self._text(), self.path, default=default, backup=backup, fresh=fresh)
        replace_whole(self.path, text.encode(), step)

    def retire(self, step: Step) -> None:
        replace_whole(self.path, cleared(self._text(), self.path, self.names[1]).encode(), step)

    def _text(self) -> str:
        text = _read(self.path).decode("utf-8")
        parse_dotenv(text.removeprefix("\ufeff"), self.path)
        return text


class SecretFiles:
    """Two files of a folder. The backup is written first: killed in between, both hold the old default, and the next
    rotation goes on from there.
    """

    watched = True

    def __init__(self, default: Path, backup: Path) -> None:
        self.names = (default.name, backup.name)
        self._default, self._backup = _resolved(default), backup
        if (default.parent / "..data").exists():
            raise ConfigError(
                "is a volume that is replaced from outside",
                where=str(default.parent),
                hint="change both keys of the Kubernetes secret in one update: the old default to the backup",
            )
        if backup.exists():
            self._backup = _resolved(backup)
        self.folder = self._default.parent

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self._backup, self._default)

    def read(self) -> Pair:
        default = _secret_in(self._default)
        if not self._backup.exists():
            return Pair(default=default, backup="", written_at=0.0)
        return Pair(default=default, backup=_secret_in(self._backup), written_at=self._backup.stat().st_mtime)

    def rotate(self, fresh: str, step: Step) -> None:
        old = _read(self._default)
        if not self._backup.exists() or _read(self._backup) != old:
            replace_whole(self._backup, old, lambda name: step(f"backup: {name}"))
        replace_whole(self._default, fresh.encode() + b"\n", lambda name: step(f"default: {name}"))

    def retire(self, step: Step) -> None:
        remove(self._backup, step)


def _resolved(path: Path) -> Path:
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise ConfigError("is not there", where=str(path), hint="name the file that holds the secret") from None
    if not found.is_file():
        raise ConfigError("is not a regular file", where=str(path), hint="name the file that holds the secret")
    return found


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1024} KiB", where=str(path), hint="make it shorter")
    return data


def _secret_in(path: Path) -> str:
    text = secret_text(_read(path))
    if text is None:
        raise ConfigError("is not UTF-8 text", where=str(path), hint="write the secret anew")
    return text


def writable(place: Place) -> str:
    """Why nothing can be written there; "" when it can."""
    folders = {path.parent for path in place.paths}
    closed = next((folder for folder in folders if not os.access(folder, os.W_OK | os.X_OK)), None)
    return "" if closed is None else f"{closed} cannot be written"
