"""A small memory on disk for what Discord does not give back: where a chain of replies began, what a button meant.

Lines of JSON are appended to one file and read once at a start; the newest `keep` entries count. What does *not* live
here: conversations and receipts (the engine's own store). A lost entry costs little: a reply begins a new chain, an old
button does nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import orjson
import structlog

from channels.discord.disk import written
from phantom.errors import StorageError
from phantom.sealing import MARK, PLAIN, AtRest, DamagedRow, SealedFile, as_text, from_text, place_of

log = structlog.get_logger(__name__)


class Memo:
    """Short keys to short texts."""

    def __init__(self, path: Path, keep: int = 20_000, at_rest: AtRest = PLAIN) -> None:
        self._path = path
        self._at_rest = at_rest
        self._keep = keep
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lines = 0
        self._writing = asyncio.Lock()
        self._loaded = False

    async def load(self) -> None:
        """Read the file, once; what cannot be read is left out."""
        async with self._writing:
            if self._loaded:
                return
            lines = await asyncio.to_thread(_read, self._path)
            for line in lines:
                try:
                    key, value = orjson.loads(line)
                except (orjson.JSONDecodeError, TypeError, ValueError):
                    continue  # a line cut short by a crash
                if isinstance(key, str) and isinstance(value, str):
                    self._recall(key, value)
            self._lines = len(lines)
            self._trim()
            self._loaded = True
        name = f"{self._path.parent.name} {self._path.stem}"
        self._at_rest.look_after(SealedFile(name=name, write_anew=self._write_anew))

    def get(self, key: str) -> str:
        """What was remembered, "" for nothing."""
        return self._known.get(key, "")

    def newest(self, count: int) -> list[str]:
        """The keys remembered last."""
        return list(self._known)[-count:]

    async def remember(self, entries: Mapping[str, str]) -> None:
        """Keep `entries`; they are in the file when this returns, or the log says why not."""
        new = {key: value for key, value in entries.items() if self._known.get(key) != value}
        if not new:
            return
        for key, value in new.items():
            self._know(key, value)
        self._trim()
        async with self._writing:
            try:
                if self._lines + len(new) > 2 * self._keep:
                    await written(_rewrite, self._path, self._stored(self._known))
                    self._lines = len(self._known)
                else:
                    await written(_append, self._path, self._stored(new))
                    self._lines += len(new)
            except OSError as error:
                log.warning("memo_not_written", channel="discord", cure=error.strerror or "check the data folder")

    async def _write_anew(self) -> None:
        """Under the present encryption key, all of it."""
        async with self._writing:
            try:
                await written(_rewrite, self._path, self._stored(self._known))
            except OSError as error:
                raise StorageError(f"{self._path.name} cannot be written: {error.strerror}") from error
            self._lines = len(self._known)

    def _stored(self, entries: Mapping[str, str]) -> list[tuple[str, str]]:
        """The entries as they are kept: values sealed where a key is set."""
        found = []
        for key, value in entries.items():
            kept = self._at_rest.seal_text(value, place_of("memo", "value", key))
            found.append((key, kept if isinstance(kept, str) else as_text(kept)))
        return found

    def _recall(self, key: str, value: str) -> None:
        if value.startswith(MARK):
            try:
                value = self._at_rest.open(from_text(value), place_of("memo", "value", key)).decode()
            except DamagedRow as error:
                log.warning("memo_does_not_open", channel="discord", what=error.message, cure=error.hint)
                return
        self._know(key, value)

    def _know(self, key: str, value: str) -> None:
        self._known[key] = value
        self._known.move_to_end(key)

    def _trim(self) -> None:
        while len(self._known) > self._keep:
            self._known.popitem(last=False)


def _read(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("memo_not_read", channel="discord", cure=error.strerror or "check the data folder")
        return []


def _append(path: Path, entries: list[tuple[str, str]]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as file:
        # Begins with a line end: a line that a crash cut short stays alone.
        file.write(b"".join(b"\n" + orjson.dumps(entry) for entry in entries))


def _rewrite(path: Path, entries: list[tuple[str, str]]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(b"\n".join(orjson.dumps(entry) for entry in entries))
    fresh.replace(path)
