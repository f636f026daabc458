"""Secrets rotate while people and programs keep asking: nobody is refused, nothing is lost, no restart. Two rounds each;
twenty with `make prove`.
"""

from __future__ import annotations

from pathlib import Path

from tests.scenario import rotation_rounds

ROUNDS = 2


async def test_everything_of_a_tenant(tmp_path: Path) -> None:
    figures = await rotation_rounds.everything_of_a_tenant(tmp_path, ROUNDS)
    assert figures["forged"]


async def test_the_signing_secret_of_slack_itself(tmp_path: Path) -> None:
    figures = await rotation_rounds.signing_secret_of_slack(tmp_path, ROUNDS)
    assert figures["forged"]


async def test_the_tokens_of_socket_mode(tmp_path: Path) -> None:
    await rotation_rounds.tokens_of_socket_mode(tmp_path, ROUNDS)
