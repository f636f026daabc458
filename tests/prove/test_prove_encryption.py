"""The encryption key rotated `PHANTOM_ROTATIONS` times (20) under signed load. Run with `PHANTOM_PROVE=1`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenario.rotation_encryption import encryption_key

ROUNDS = int(os.environ.get("PHANTOM_ROTATIONS") or 20)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; set PHANTOM_PROVE=1"),
]


async def test_nobody_is_refused_while_the_encryption_key_rotates(tmp_path: Path) -> None:
    figures = await encryption_key(tmp_path, ROUNDS)
    assert figures["forged"] > ROUNDS
    assert figures["slowest"] < 60
