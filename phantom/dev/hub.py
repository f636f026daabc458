"""Follows everything that happens and tells every open page: a snapshot at first, then one small JSON a change.

What does *not* live here: what a platform's things look like (`slack/`, `discord/`), the pages' connections
(`page_server.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson

from phantom.dev.daemon_part import DaemonPart
from phantom.dev.log_feed import LogFeed
from phantom.dev.side import Side

JSON = dict[str, Any]


class Hub:
    """One for all pages. `join` gives a page its queue."""

    def __init__(self, sides: Sequence[Side], daemon: DaemonPart, log_feed: LogFeed) -> None:
        self._sides = {side.name: side for side in sides}
        self._daemon = daemon
        self._log_feed = log_feed
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._log_number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._last_report: object = None
        daemon.on_change = self._poke
        log_feed.on_line = self._logged
        self._poked = asyncio.Event()

    def start(self) -> None:
        """Follow the platforms and the daemon from now on."""
        self._tasks = [
            asyncio.create_task(side.follow(partial(self._changed, side)), name=f"dev {name}")
            for name, side in self._sides.items()
        ]
        self._tasks.append(asyncio.create_task(self._watch_daemon(), name="dev pulse"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._log_feed.on_line = lambda line: None
        self._daemon.on_change = lambda: None

    # --- pages ---

    async def join(self) -> asyncio.Queue[bytes]:
        """A queue that begins with the snapshot."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        report = await self._daemon.report()
        queue.put_nowait(orjson.dumps(self._snapshot(report)))
        self._pages.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[bytes]) -> None:
        self._pages.discard(queue)

    def tell(self, what: JSON) -> None:
        """Send one change to every page."""
        if self._pages:
            data = orjson.dumps(what)
            for page in self._pages:
                page.put_nowait(data)

    def tell_controls(self, name: str) -> None:
        """Send what is armed, held and connected on a side now."""
        if name in self._sides:
            self._changed(self._sides[name], {"what": "controls", "controls": self._sides[name].controls()})

    def _snapshot(self, report: object) -> JSON:
        return {
            "what": "snapshot",
            "sides": [{"side": name, **side.snapshot()} for name, side in self._sides.items()],
            "entries": self._entries(),
            "logs": [self._log_shape(line) for line in self._log_feed.lines],
            "daemon": self._daemon_shape(report),
        }

    def _entries(self) -> list[JSON]:
        entries = [{"side": name, **one} for name, side in self._sides.items() for one in side.entries()]
        return sorted(entries, key=lambda entry: float(entry["at"]))

    # --- following ---

    def _changed(self, side: Side, what: JSON) -> None:
        if what["what"] == "controls":
            self._poke()
        self.tell({"side": side.name, **what})

    def _logged(self, line: JSON) -> None:
        self.tell({"what": "log", "line": self._log_shape(line)})

    def _log_shape(self, line: JSON) -> JSON:
        self._log_number += 1
        known = ("timestamp", "level", "logger", "event")
        fields = {key: value for key, value in line.items() if key not in known}
        return {
            "key": f"l{self._log_number}",
            "at": line["timestamp"],
            "level": line["level"],
            "logger": line["logger"],
            "event": line["event"],
            "fields": fields,
        }

    # --- the daemon's state ---

    def _poke(self) -> None:
        self._poked.set()

    def _daemon_shape(self, report: object) -> JSON:
        return {
            "state": self._daemon.state,
            "health": self._daemon.health_url if self._daemon.port else "",
            "starts": self._daemon.starts,
            "report": report,
        }

    async def _watch_daemon(self) -> None:
        """The report at every change of state, and twice a second while somebody looks: channels change silently."""
        while True:
            try:
                async with asyncio.timeout(0.5):
                    await self._poked.wait()
            except TimeoutError:
                pass
            self._poked.clear()
            if not self._pages:
                continue
            shape = self._daemon_shape(await self._daemon.report())
            if shape != self._last_report:
                self._last_report = shape
                self.tell({"what": "daemon", "daemon": shape})
