"""Sealed tokens of interactions: they come back while they live, and from nowhere afterwards."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.discord.interaction_address import LIFETIME
from channels.discord.token_seal import EPOCH_SECONDS, TokenSeal
from phantom.testing.manual_clock import ManualClock


@pytest.fixture
async def seal(tmp_path: Path) -> TokenSeal:
    found = TokenSeal(tmp_path / "data" / "key", ManualClock())
    await found.load()
    return found


async def test_a_token_outlives_a_restart_and_not_its_time(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "key"
    first = TokenSeal(path, clock)
    await first.load()
    kept = [first.seal("early")]
    for _ in range(3):
        clock.advance(EPOCH_SECONDS)
        kept.append(first.seal("later"))
    assert len(set(kept)) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = TokenSeal(path, clock)
    await second.load()
    assert [second.open(one) for one in kept] == ["early", "later", "later", "later"]
    clock.advance(LIFETIME)
    third = TokenSeal(path, clock)
    await third.load()
    assert [third.open(one) for one in kept][:2] == ["", ""]
    assert third.open(third.seal("new")) == "new"
    assert (await _loaded(path, clock)).open(kept[0]) == ""


async def test_a_clock_that_goes_back_loses_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    seal = await _loaded(tmp_path / "key", clock)
    clock.advance(3 * EPOCH_SECONDS)
    kept = seal.seal("x")
    earlier = ManualClock()
    assert (await _loaded(tmp_path / "key", earlier)).open(kept) == "x"


async def test_another_folder_or_a_lost_key_opens_nothing(tmp_path: Path, seal: TokenSeal) -> None:
    (tmp_path / "odd").write_text("not a key")
    for name in ("elsewhere", "odd"):
        assert (await _loaded(tmp_path / name, ManualClock())).open(seal.seal("secret")) == ""


async def test_what_was_never_sealed_is_given_back(seal: TokenSeal) -> None:
    assert seal.open("aW50ZXJhY3Rpb24") == "aW50ZXJhY3Rpb24"


@given(st.text(max_size=60), st.text(max_size=200))
def test_nothing_breaks_it(token: str, odd: str) -> None:
    seal = TokenSeal(Path("nowhere"), ManualClock())
    sealed = seal.seal(token)
    assert seal.open(sealed) == token
    assert ":" not in sealed
    assert len(token) < 8 or token not in sealed
    assert seal.open("s1." + odd) == ""
    assert seal.open(sealed[:-4] + "AAAA") in ("", token)


async def _loaded(path: Path, clock: ManualClock) -> TokenSeal:
    found = TokenSeal(path, clock)
    await found.load()
    return found
