"""SIGKILL at random instants under load, over Socket Mode: nothing acked is lost, nothing is answered twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.sigkill_kit import kills, survive_socket


@pytest.mark.timeout(300 + 15 * kills(6))
async def test_every_acked_question_is_answered_once_and_in_order(tmp_path: Path) -> None:
    await survive_socket(tmp_path, kills(6))
