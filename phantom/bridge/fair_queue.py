"""Whose turn it is: actions wait in a line a secret, and the lines take turns, so that no app can starve another.

What does *not* live here: what a job does (`actions.py`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol


class Job(Protocol):
    """Something that waits in the line of `secret_id`. `start` is called once, when its turn has come."""

    @property
    def secret_id(self) -> str: ...

    @property
    def line_limit(self) -> int:
        """How many of its secret may run at once; 0: as many as fit."""
        ...

    def start(self) -> None: ...


class FairQueue:
    """At most `width` jobs run at once; `finished` makes room. All calls on the event loop."""

    def __init__(self, width: int, line_length: int) -> None:
        self._width = width
        self._line_length = line_length
        self._lines: OrderedDict[str, deque[Job]] = OrderedDict()
        self._running: dict[str, int] = {}
        self.running = 0
        self.waiting = 0

    def put(self, job: Job) -> bool:
        """Start it, or let it wait. False when its line is full."""
        line = self._lines.get(job.secret_id)
        if line is None and self._fits(job):
            self._start(job)
            return True
        if line is None:
            line = self._lines[job.secret_id] = deque()
        if len(line) >= self._line_length:
            return False
        line.append(job)
        self.waiting += 1
        self._pump()
        return True

    def take_out(self, job: Job) -> bool:
        """Remove a job that waits. False when it does not wait."""
        line = self._lines.get(job.secret_id)
        if line is None or job not in line:
            return False
        line.remove(job)
        self.waiting -= 1
        if not line:
            del self._lines[job.secret_id]
        return True

    def take_out_all(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """Remove the waiting jobs that `wanted` names, oldest first."""
        found = [job for line in self._lines.values() for job in line if wanted(job)]
        for job in found:
            self.take_out(job)
        return found

    def finished(self, secret_id: str) -> None:
        """One job of that secret has ended."""
        self.running -= 1
        left = self._running[secret_id] - 1
        if left:
            self._running[secret_id] = left
        else:
            del self._running[secret_id]
        if self._lines:
            self._pump()

    def _fits(self, job: Job) -> bool:
        if self.running >= self._width:
            return False
        return not job.line_limit or self._running.get(job.secret_id, 0) < job.line_limit

    def _start(self, job: Job) -> None:
        self.running += 1
        self._running[job.secret_id] = self._running.get(job.secret_id, 0) + 1
        job.start()

    def _pump(self) -> None:
        """Start what fits: one of each line in turn, the line that was served going to the end."""
        passed = 0
        while self._lines and self.running < self._width and passed < len(self._lines):
            secret_id, line = next(iter(self._lines.items()))
            self._lines.move_to_end(secret_id)
            if not self._fits(line[0]):
                passed += 1
                continue
            passed = 0
            job = line.popleft()
            self.waiting -= 1
            if not line:
                del self._lines[secret_id]
            self._start(job)
