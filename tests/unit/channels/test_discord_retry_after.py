"""How long Discord's answers make us wait, whatever stands in the header."""

from __future__ import annotations

import pytest

from channels.discord.errors import retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0.25", 0.25), ("7", 7.0), ("", 1.0), ("soon", 1.0), ("-3", 0.0), ("nan", 0.0), ("inf", 30.0), ("1e9", 30.0)],
)
def test_the_wait_is_bounded_and_a_number(header: str, seconds: float) -> None:
    assert retry_after(header, longest=30.0) == seconds
