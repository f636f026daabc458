"""The password of the turns' database rotates while people keep asking. One round here, twenty with `make prove`."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.postgres_kit import postgres
from tests.scenario.rotation_database import password_of_the_database


async def test_nobody_is_refused_while_the_database_password_rotates(tmp_path: Path) -> None:
    with postgres() as server:
        figures = await password_of_the_database(server, tmp_path, 1)
    assert figures["forged"]
