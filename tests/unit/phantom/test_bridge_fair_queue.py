"""The fair queue: never more at once than fit, nobody twice, nobody forgotten, and the lines take turns."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from phantom.bridge.fair_queue import FairQueue


@dataclass(eq=False)
class Work:
    secret_id: str
    line_limit: int = 0
    started: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.started.append(self.secret_id)


def test_lines_take_turns() -> None:
    order: list[str] = []
    queue = FairQueue(1, 100)
    for name in ("first", "flood", "flood", "flood", "calm", "other", "calm"):
        queue.put(Work(name, started=order))
    while queue.running:
        queue.finished(order[-1])
    assert order == ["first", "flood", "calm", "other", "flood", "calm", "flood"]
    assert (queue.running, queue.waiting) == (0, 0)


def test_a_limited_line_keeps_nobody_else_waiting() -> None:
    order: list[str] = []
    queue = FairQueue(3, 100)
    for name, limit in (("slow", 1), ("slow", 1), ("slow", 1), ("free", 0), ("free", 0)):
        queue.put(Work(name, limit, order))
    assert order == ["slow", "free", "free"]
    queue.finished("free")
    assert order == ["slow", "free", "free"]
    queue.finished("slow")
    assert order == ["slow", "free", "free", "slow"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "finish", "take"]), st.sampled_from("abc"), st.integers(0, 2)), max_size=60
)


@given(STEPS, st.integers(1, 4))
def test_whatever_happens_the_counts_are_right(steps: list[tuple[str, str, int]], width: int) -> None:
    queue = FairQueue(width, 5)
    jobs: list[Work] = []
    running: list[Work] = []
    for step, name, limit in steps:
        if step == "put":
            job = Work(name, {"a": 0, "b": 1, "c": 2}[name])
            if queue.put(job):
                jobs.append(job)
        elif step == "finish" and running:
            over = running[limit % len(running)]
            jobs.remove(over)
            queue.finished(over.secret_id)
        elif step == "take" and (waiting := [job for job in jobs if not job.started]):
            taken = waiting[limit % len(waiting)]
            assert queue.take_out(taken)
            assert not queue.take_out(taken)
            jobs.remove(taken)
        running = [job for job in jobs if job.started]
        waiting_now = [job for job in jobs if not job.started]
        assert all(len(job.started) <= 1 for job in jobs)
        assert queue.running == len(running) <= width
        assert queue.waiting == len(waiting_now)
        for line, most in (("b", 1), ("c", 2)):
            assert sum(job.secret_id == line for job in running) <= most
        if queue.running < width:  # whoever waits is held by its own limit only
            for job in waiting_now:
                assert job.line_limit
                assert sum(one.secret_id == job.secret_id for one in running) >= job.line_limit
    left = queue.take_out_all(lambda _: True)
    assert all(isinstance(one, Work) and not one.started for one in left)
    assert queue.waiting == 0
