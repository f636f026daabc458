"""Brings the events kept for bridge apps under the present encryption key: the files are small, and written anew whole.

What does *not* live here: the files (`replay.py`).
"""

from __future__ import annotations

from phantom.bridge.replay import ReplayLog
from phantom.storage.reseal import Batch


class ReplaySeals:
    """`phantom.storage.reseal.Resealing` of a replay log. Event loop only, as the log is."""

    name = "bridge replay"

    def __init__(self, kept: ReplayLog) -> None:
        self._kept = kept

    def rewind(self) -> None:
        """There is nothing to begin."""

    async def left(self) -> int:
        """See `Resealing.left`."""
        return 0 if self._kept.key_of_files == self._kept.key_now else max(1, self._kept.depth)

    async def step(self, limit: int) -> Batch:
        """All of it, whatever the limit."""
        changed = self._kept.depth
        self._kept.write_anew()
        return Batch(changed=changed, damaged=0, over=True)

    async def under(self, key_id: str) -> int:
        """See `Resealing.under`."""
        return max(1, self._kept.depth) if self._kept.key_of_files == key_id else 0

    async def scrub(self, most_bytes: int) -> bool:
        """A file that was replaced has no free pages."""
        return True

    async def checkpoint(self) -> None:
        """There is no write-ahead log."""
