"""The password of the turns' database, rotated `PHANTOM_ROTATIONS` times (20) on either side first, with every
connection cut each time, in a running daemon under load. Run with `PHANTOM_PROVE=1`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenario.postgres_kit import postgres
from tests.scenario.rotation_database import password_of_the_database

ROUNDS = int(os.environ.get("PHANTOM_ROTATIONS") or 20)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; set PHANTOM_PROVE=1"),
]


async def test_nobody_is_refused_while_the_database_password_rotates(tmp_path: Path) -> None:
    with postgres() as server:
        figures = await password_of_the_database(server, tmp_path, ROUNDS)
    assert figures["slowest"] < 60
