"""A secret's text through rotations: the overlap, and a source that cannot make up its mind."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from config.rotating import RETURNS, SETTLE_SECONDS, RotatingText, secret_text
from phantom.testing import ManualClock

OVERLAP = 300.0


def accepted(held: RotatingText) -> set[str | None]:
    return {held.text, held.previous()}


async def test_flipping_keeps_both_and_tells_few() -> None:
    clock = ManualClock()
    held = RotatingText(clock, overlap_seconds=OVERLAP)
    told: list[str | None] = []
    held.subscribe(lambda: told.append(held.text))
    held.replace("one")
    for turn in range(200):
        held.replace("two" if turn % 2 == 0 else "one")
        assert accepted(held) == {"one", "two"}
        clock.advance(1)
    await asyncio.sleep(0)
    assert len(told) <= 2 + RETURNS, "no storm of listeners"
    assert held.flipping
    kept = held.text
    clock.advance(OVERLAP * 10)
    assert not held.flipping
    assert held.text == kept


async def test_a_flipping_source_that_settles_is_believed() -> None:
    clock = ManualClock()
    held = RotatingText(clock, overlap_seconds=OVERLAP)
    for text in ("one", "two", "one", "two"):
        held.replace(text)
    assert held.text == "two"
    assert not held.replace("one"), "in doubt"
    clock.advance(SETTLE_SECONDS - 1)
    assert not held.confirm()
    clock.advance(1)
    assert held.confirm()
    assert (held.text, held.previous()) == ("one", "two")


async def test_a_rollback_counts_at_once() -> None:
    held = RotatingText(ManualClock(), overlap_seconds=OVERLAP)
    held.replace("good")
    held.replace("bad")
    assert held.replace("good")
    assert (held.text, held.previous()) == ("good", "bad")
    assert held.replace("third"), "a value that was not there before is never in doubt"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 400)), max_size=40))
def test_what_the_source_said_last_is_always_accepted(said: list[tuple[str, float]]) -> None:
    clock = ManualClock()
    held = RotatingText(clock, overlap_seconds=OVERLAP)
    for text, pause in said:
        held.replace(text)
        assert text in accepted(held)
        clock.advance(pause)


def test_one_line_end_is_not_part_of_it() -> None:
    assert secret_text(b"key\r\n") == "key"
    assert secret_text(b"key\n\n") == "key\n"
    assert secret_text(b"\xff") is None
