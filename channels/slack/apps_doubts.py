"""Posts under an idempotency key that were begun and are not known to have ended, also over a crash.

Slack knows no idempotency key: before such a post is sent again, it is looked for. One empty file a post, made before
it leaves and removed once its fate is clear: so nothing needs to be looked up for the many that are not in doubt.
What does *not* live here: looking (`apps_messages.py`). Files survive the death of the process, not of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from channels.slack.apps_refusals import UNAVAILABLE
from phantom.apps import ActionRefused
from phantom.clock import Clock

log = structlog.get_logger(__name__)

KEEP_SECONDS = 86_400.0
"""As long as the bridge knows of a call that was cut short."""
MAX_KEPT = 10_000


def mark_of(action: str, params: Mapping[str, Any], key: str) -> str:
    """What a post is known by, "" without a key: bound to its caller's key, its action and its parameters."""
    if not key:
        return ""
    whole = orjson.dumps([key, action, params], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(whole, digest_size=16).hexdigest()


class Doubts:
    """One for the life of the channel. `folder` is its own. Times are kept in milliseconds, as the files name them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._begun: dict[str, int] | None = None
        self._loading = asyncio.Lock()

    async def begin(self, mark: str) -> float | None:
        """Note that a post is about to leave. Returns when it was begun before and never ended (seconds since the
        epoch), None for a new one. Raises `ActionRefused`: then it must not leave.
        """
        begun, now = await self._load(), int(self._clock.now() * 1000)
        before = begun.get(mark)
        if before is not None and now - before <= KEEP_SECONDS * 1000:
            return before / 1000
        try:
            await asyncio.to_thread(_create, self._folder, f"{mark}-{now}")
        except OSError as error:
            raise ActionRefused(
                UNAVAILABLE,
                f"cannot note the post in {self._folder.name}/: {error.strerror}",
                hint="make room on the disk and check its rights",
            ) from error
        begun[mark] = now
        if len(begun) > MAX_KEPT:
            await self.end(next(iter(begun)))
        return None

    async def end(self, mark: str) -> None:
        """Its fate is clear."""
        at = (await self._load()).pop(mark, None)
        if at is not None:
            await asyncio.to_thread(_remove, self._folder, [f"{mark}-{at}"])

    async def _load(self) -> dict[str, int]:
        async with self._loading:
            if self._begun is None:
                found = await asyncio.to_thread(_read, self._folder)
                oldest = (self._clock.now() - KEEP_SECONDS) * 1000
                kept = sorted((at, mark) for mark, at in found.items() if at >= oldest)[-MAX_KEPT:]
                self._begun = {mark: at for at, mark in kept}
                over = [f"{mark}-{at}" for mark, at in found.items() if mark not in self._begun]
                await asyncio.to_thread(_remove, self._folder, over)
        return self._begun


def _create(folder: Path, name: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).touch(mode=0o600)


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            # Harmless: should the same call come again, it is looked up needlessly.
            log.warning("app_post_mark_stays", what=str(error.strerror))


def _read(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError):
        for one in folder.iterdir():
            mark, _, at = one.name.partition("-")
            if len(mark) == 32 and at.isascii() and at.isdigit():
                found[mark] = int(at)
    return found
