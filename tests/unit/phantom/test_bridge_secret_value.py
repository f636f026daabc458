"""Bridge secrets as texts: ours are recognisable and checked, others must be fit, and only digests are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.bridge import secret_value
from phantom.bridge.secret_value import HASH_SHAPE, MIN_LENGTH, digest, new_secret, well_formed, why_unfit


def test_new_secrets_are_fit_and_never_the_same() -> None:
    made = {new_secret() for _ in range(200)}
    assert len(made) == 200
    for one in made:
        assert well_formed(one)
        assert not why_unfit(one)
        assert HASH_SHAPE.fullmatch(digest(one))
        assert one not in digest(one)


@given(st.integers(0, 52), st.sampled_from("0aZ9"))
def test_a_slip_of_the_pen_is_told(place: int, other: str) -> None:
    made = new_secret()
    slipped = made[:place] + other + made[place + 1 :]
    if slipped != made:
        assert not well_formed(slipped)
    if slipped != made and slipped.startswith(secret_value.PREFIX):
        assert "checksum" in why_unfit(slipped)


@given(st.text(max_size=80))
def test_any_text_has_a_digest_of_its_own(text: str) -> None:
    assert HASH_SHAPE.fullmatch(digest(text))
    assert (digest(text) == digest(text + "x")) is False
    if not why_unfit(text):
        assert len(text) >= MIN_LENGTH
        assert text == text.strip()


@pytest.mark.parametrize("text", ["", " ", "\t\n", "short", "x" * 15, "x" * 20 + "\n", "x" * 10 + "\x00" + "x" * 10])
def test_unfit(text: str) -> None:
    assert why_unfit(text)
