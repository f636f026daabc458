"""The calculator computes what Python computes and never more than it may."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.agents.arithmetic import NotArithmetic, calculate, looks_like_arithmetic

numbers = st.integers(min_value=-1000, max_value=1000)


@given(numbers, numbers, numbers)
def test_it_agrees_with_python(a: int, b: int, c: int) -> None:
    assert calculate(f"({a}) + ({b}) * ({c})") == str(a + b * c)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a + 1",
        "(1).__class__",
        "[1] * 9",
        "'a' * 9",
        "1 if 1 else 2",
        "True + 1",
        "1j * 1j",
        "(-8) ** 0.5",
        "1; 2",
        "",
        "1 +",
        "f(1)",
        "1 < 2",
        "~1",
        "1 @ 2",
        "(" * 150 + "1" + ")" * 40,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(NotArithmetic):
        calculate(text)


@pytest.mark.parametrize("text", ["9**9**9", "2**1001", "999999999**999", "1e308*10", "1" * 201, "(9**300)**300"])
def test_large_results_are_refused_quickly(text: str) -> None:
    with pytest.raises(NotArithmetic):
        calculate(text)


@given(st.text(alphabet="0123456789+-*/%^(). ", max_size=60))
def test_nothing_made_of_its_letters_breaks_it(text: str) -> None:
    try:
        result = calculate(text)
    except NotArithmetic:
        return
    assert result
    assert math.isfinite(float(result))


@pytest.mark.parametrize(
    ("text", "yes"),
    [("2*21", True), ("1 + 1", True), ("5-3", True), ("-3", False), ("42", False), ("hello", False), ("2 cats", False)],
)
def test_what_looks_like_arithmetic(text: str, yes: bool) -> None:
    assert looks_like_arithmetic(text) is yes
