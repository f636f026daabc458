"""From an authentic post to its answer: the task, the journal, and the wait.

The order matters: the task's row, then the journal's commit, then the answer to the sender. What was not journaled is
answered 503 and sent again; what was posted twice is one task and gets the same answer twice; another question under a
name that was used is a conflict, and nothing runs. What does *not* live
here: whether a post is authentic (`receiver.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from channels.webhook import answers
from channels.webhook.endpoints import Endpoint
from channels.webhook.normalise import CHANNEL, conversation, envelope, task_of
from channels.webhook.request import Ask
from channels.webhook.task_records import Task
from channels.webhook.tasks import TaskStore
from channels.webhook.verify import Claim
from channels.webhook.waiting import Waiting
from phantom.channel import Inbox, Meter
from phantom.clock import Clock
from phantom.errors import StorageError
from phantom.refused_posts import REQUESTS
from phantom.webhooks import AnswerSink, HttpAnswer

Refuse = Callable[[str, HttpAnswer], HttpAnswer]
"""Counts and tells of a refusal: `RefusedPosts.refuse`."""


class Intake:
    """Takes questions and tells what became of them."""

    def __init__(self, *, store: TaskStore, waiting: Waiting, clock: Clock, meter: Meter) -> None:
        self._store = store
        self._waiting = waiting
        self._clock = clock
        self._meter = meter

    async def take(
        self, inbox: Inbox, endpoint: Endpoint, claim: Claim, ask: Ask, answer: AnswerSink, refuse: Refuse
    ) -> None:
        """Admit a question and see to it that `answer` is called once, now or later."""
        if ask.sync and self._waiting.full:
            return answer(refuse("busy", answers.BUSY))
        task_id = task_of(endpoint.name, claim.id or claim.event_id)
        place = conversation(endpoint.name, ask.conversation, task_id).place
        fresh = Task(id=task_id, endpoint=endpoint.name, conversation=place)
        try:
            task = await self._store.begin(fresh, claim.event_id, ask.digest)
        except StorageError:
            return answer(refuse("storage", answers.STORAGE))
        if task is None:
            return answer(refuse("conflict", answers.CONFLICT))
        if task.settled:
            self._count("duplicate")
            return answer(answers.result(task) if ask.sync else answers.accepted(task))
        # Registered before the journal knows of it, and in the same step in which the store said that there is no
        # answer yet: the answer cannot slip in between.
        waiter = self._waiting.add(task, answer) if ask.sync else None
        admission = await inbox.admit(envelope(endpoint.name, claim.event_id, task.id, ask, self._clock.now()))
        if not admission.stored:
            if waiter is None or self._waiting.drop(waiter):
                answer(refuse("storage", answers.STORAGE))
            return None
        self._count("duplicate" if admission.duplicate else "accepted")
        if waiter is None:
            return answer(answers.accepted(task))
        return self._waiting.arm(waiter, endpoint.deadline)

    async def fetch(self, endpoint: Endpoint, task_id: str, answer: AnswerSink, refuse: Refuse) -> None:
        """Tell what became of a task."""
        try:
            task = await self._store.find(task_id, endpoint.name)
        except StorageError:
            return answer(refuse("storage", answers.STORAGE))
        self._count("fetched" if task is not None else "unknown_task")
        return answer(answers.UNKNOWN_TASK if task is None else answers.fetched(task))

    def _count(self, outcome: str) -> None:
        self._meter.count(REQUESTS, channel=CHANNEL, outcome=outcome)
