"""Turn ids and idempotency keys: printable, short, and different for what is different."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phantom.ids import part_key, turn_id


def test_platform_ids_stay_readable() -> None:
    assert turn_id("slack", "T1", "Ev0001") == "slack:T1:Ev0001"
    assert part_key("slack:T1:Ev0001", "answer", 2) == "slack:T1:Ev0001/answer/2"
    assert part_key("t", "progress") == "t/progress/0"


@given(st.text(), st.text())
def test_odd_event_ids_become_short_printable_and_stay_distinct(one: str, other: str) -> None:
    ids = turn_id("slack", "T1", one), turn_id("slack", "T1", other)
    for found in ids:
        assert found.isascii()
        assert found.isprintable()
        assert " " not in found
        assert len(found) < 100
    assert (ids[0] == ids[1]) == (one == other)


def test_even_lone_surrogates_have_an_id() -> None:
    assert turn_id("slack", "T1", "\ud800").startswith("slack:T1:h")
