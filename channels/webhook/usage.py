"""Which of an endpoint's two secrets verified how many posts, and when last: `usage.json` in the channel's folder.

    {"default": {"default": {"count": 812, "last_used": 1767225600.5},
                 "backup":  {"count": 3,   "last_used": 1767139200.0}}}

By endpoint, then by slot. `count` is over all runs, `last_used` in seconds since the epoch or null. The file is written
whole (a temporary file, fsync, rename), mode 0600, at most every two seconds while posts come, and at the end. Whoever
rotates secrets reads it: a backup that verifies nothing any more can go. It holds no secret. What does *not* live here:
rotation itself.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from phantom.clock import Clock

log = structlog.get_logger(__name__)

FILE = "usage.json"
FLUSH_SECONDS = 2.0
SLOTS = ("default", "backup")


@dataclass(slots=True)
class SlotUsage:
    """One secret of one endpoint. `last_used` is seconds since the epoch, None when it never was."""

    count: int = 0
    last_used: float | None = None


class Usage:
    """The counts of all endpoints. `note` is cheap; `run` writes them down now and then, `flush` now."""

    def __init__(self, folder: Path, endpoints: tuple[str, ...], clock: Clock) -> None:
        self._path = folder / FILE
        self._clock = clock
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self.endpoints = {name: {slot: SlotUsage() for slot in SLOTS} for name in endpoints}

    def load(self) -> None:
        """Go on from what an earlier run wrote; a damaged file is begun anew. Blocks: call it in a thread."""
        for name, slots in read(self._path.parent).items():
            mine = self.endpoints.get(name)
            if mine is not None and all(one.count == 0 for one in mine.values()):
                mine.update(slots)

    def note(self, endpoint: str, slot: str) -> None:
        """A post was verified."""
        one = self.endpoints[endpoint][slot]
        one.count += 1
        one.last_used = self._clock.now()
        self._changed.set()

    async def run(self) -> None:
        """Write down what changed, until cancelled."""
        while True:
            await self._changed.wait()
            await self.flush()
            await self._clock.sleep(FLUSH_SECONDS)

    async def flush(self) -> None:
        """Write what changed, if anything did. A disk that refuses is logged: posts are served all the same."""
        async with self._writing:
            if self._changed.is_set():
                self._changed.clear()
                await self._write()

    async def _write(self) -> None:
        shown = {
            name: {slot: {"count": one.count, "last_used": one.last_used} for slot, one in slots.items()}
            for name, slots in self.endpoints.items()
        }
        body = orjson.dumps(shown, option=orjson.OPT_INDENT_2)
        writing = asyncio.ensure_future(asyncio.to_thread(_write, self._path, body))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait((writing,))  # a thread cannot be cancelled, and the last write must come after it
            self._changed.set()
            raise
        except OSError as error:
            self._changed.set()
            log.warning("webhook_usage_not_written", what=error.strerror, cure="free space in the data folder")


def read(folder: Path) -> dict[str, dict[str, SlotUsage]]:
    """What the file in `folder` says; empty when there is none or it is damaged."""
    try:
        found = orjson.loads((folder / FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: {slot: _slot(slots.get(slot)) for slot in SLOTS} for name, slots in found.items() if type(slots) is dict
    }


def _slot(found: object) -> SlotUsage:
    if not isinstance(found, dict):
        return SlotUsage()
    count, last = found.get("count"), found.get("last_used")
    return SlotUsage(
        count=count if type(count) is int and count >= 0 else 0,
        last_used=float(last) if isinstance(last, int | float) else None,
    )


def _write(path: Path, body: bytes) -> None:
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
