"""The pool of connections to a PostgreSQL server that does not always give new ones.

Whoever finds the pool empty while the server takes no new connection (the password changed, its slots are used up) gets
the next one that comes back, so work goes on over what is open. What does *not* live here: how a connection is made and
who finds out when the server gives new ones again (`postgres_turns.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool
from sqlalchemy.util.queue import Empty

from phantom.storage.postgres_link import NoNewConnection

LOOK_AGAIN = 0.1
"""Seconds to wait for one that comes back before a new one is asked for again."""

Make = Callable[[bool], Any]
"""Makes a connection. Waits as long as there is none to be had when told so; else raises `NoNewConnection`."""


class PatientPool(QueuePool):
    """Without a limit of its own: the threads of whoever uses it are the limit."""

    def __init__(self, make: Make, size: int, **options: Any) -> None:
        super().__init__(self._make_one, size, max_overflow=-1, pre_ping=True, **options)
        self._make = make
        self._asking = threading.local()

    def _make_one(self) -> Any:
        # One that broke is replaced in its place, outside `_do_get`: nobody else looks for another there.
        return self._make(not getattr(self._asking, "now", False))

    def _do_get(self) -> ConnectionPoolEntry:
        while True:
            self._asking.now = True
            try:
                return super()._do_get()
            except NoNewConnection:
                pass
            finally:
                self._asking.now = False
            try:
                return self._pool.get(True, LOOK_AGAIN)
            except Empty:
                continue

    def recreate(self) -> PatientPool:
        return PatientPool(self._make, self.size(), _dispatch=self.dispatch, dialect=self._dialect)
