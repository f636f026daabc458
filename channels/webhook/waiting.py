"""Posts that wait for their answer: by task, bounded, each with a deadline. What does *not* live here: tasks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from channels.webhook import answers
from channels.webhook.task_records import Task
from phantom.webhooks import AnswerSink


@dataclass(slots=True, eq=False)
class Waiter:
    """One open post."""

    task: Task
    answer: AnswerSink
    timer: asyncio.TimerHandle | None = field(default=None)


class Waiting:
    """All open posts. A post is answered exactly once: with the answer, at its deadline, or when the channel stops."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiters: dict[str, list[Waiter]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether no further post may wait."""
        return self._count >= self._limit

    def add(self, task: Task, answer: AnswerSink) -> Waiter:
        """Let a post wait, without a deadline yet."""
        waiter = Waiter(task, answer)
        self._waiters.setdefault(task.id, []).append(waiter)
        self._count += 1
        return waiter

    def arm(self, waiter: Waiter, seconds: float) -> None:
        """The deadline begins."""
        if waiter in self._waiters.get(waiter.task.id, ()):
            loop = asyncio.get_running_loop()
            waiter.timer = loop.call_later(seconds, self._late, waiter)

    def drop(self, waiter: Waiter) -> bool:
        """The post waits no more. False when it was answered already."""
        waiters = self._waiters.get(waiter.task.id, [])
        if waiter not in waiters:
            return False
        waiters.remove(waiter)
        if not waiters:
            del self._waiters[waiter.task.id]
        self._count -= 1
        if waiter.timer is not None:
            waiter.timer.cancel()
        return True

    def settle(self, task: Task) -> None:
        """The answer is there."""
        for waiter in list(self._waiters.get(task.id, ())):
            if self.drop(waiter):
                waiter.answer(answers.result(task))

    def close(self) -> None:
        """Answer whoever still waits: the task goes on when Phantom is back."""
        for waiters in list(self._waiters.values()):
            for waiter in list(waiters):
                self._late(waiter)

    def _late(self, waiter: Waiter) -> None:
        if self.drop(waiter):
            waiter.answer(answers.late(waiter.task))
