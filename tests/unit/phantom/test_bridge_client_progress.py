"""How far an app has got, whatever the order in which its handlers end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phantom.bridge.client_progress import Progress


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_position_is_the_last_before_the_first_that_is_open(holders: list[int], order: object) -> None:
    progress = Progress()
    held = []
    for seq, count in enumerate(holders, 1):
        step = progress.begin(("s", seq))
        step.held += count
        progress.done(step)
        held += [(seq, step)] * count
    order.shuffle(held)  # type: ignore[attr-defined]
    while held:
        assert (progress.position or ("s", 0))[1] == min(seq for seq, _ in held) - 1
        _, step = held.pop()
        progress.done(step)
    assert progress.position == ("s", len(holders))


def test_what_nobody_handles_takes_no_room() -> None:
    progress = Progress()
    slow = progress.begin(("s", 1))
    for seq in range(2, 1000):
        progress.done(progress.begin(("s", seq)))
    assert progress.position is None
    assert len(progress._open) == 2
    progress.done(slow)
    assert progress.position == ("s", 999)
