"""A clock that leaps by years costs no time on the loop: sealed tokens begin another chain, which is kept."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from channels.discord.interaction_address import LIFETIME
from channels.discord.token_seal import EPOCH_SECONDS, TokenSeal
from phantom.testing.manual_clock import ManualClock

FEW = 100
"""Steps along the chain; to the clock's time it is six million of them, and five seconds."""


@contextmanager
def few_steps() -> Iterator[None]:
    """Fails where this thread hashes more often than a few times."""
    steps = 0

    def watch(frame: FrameType, event: str, called: object) -> None:
        nonlocal steps
        steps += event == "c_call" and called is hashlib.sha256
        assert steps < FEW, "it went along the chain"

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


async def test_a_machine_that_wakes_up_in_1970_is_told_the_time(tmp_path: Path) -> None:
    clock = ManualClock(now=0.0)
    seal = TokenSeal(tmp_path / "key", clock)
    await seal.load()
    await seal.ready()
    early = seal.seal("early")
    clock.set_now(1_760_000_000.0)
    with few_steps():
        kept = seal.seal("kept")
        assert await seal._forget_dead()
        assert not await seal._forget_dead()
    assert (seal.open(early), seal.open(kept)) == ("", "kept")
    again = TokenSeal(tmp_path / "key", clock)
    await again.load()
    assert (again.open(early), again.open(kept)) == ("", "kept")


async def test_so_is_one_that_nobody_asks_anything(tmp_path: Path) -> None:
    clock = ManualClock(now=0.0)
    seal = TokenSeal(tmp_path / "key", clock)
    await seal.load()
    clock.set_now(1_760_000_000.0)
    with few_steps():
        assert await seal._forget_dead()
    kept = seal.seal("kept")
    clock.set_now(1_760_000_000.0 + EPOCH_SECONDS + LIFETIME / 2)
    assert seal.open(kept) == "kept"
    assert seal.open(seal.seal("later")) == "later"
