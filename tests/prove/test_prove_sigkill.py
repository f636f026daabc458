"""The long proof: SIGKILL at 200 random instants under load, on each transport. Run by `make prove` alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenario.sigkill_kit import survive_http, survive_socket

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; run `make prove`"),
]

KILLS = int(os.environ.get("PHANTOM_KILLS", "200"))


async def test_socket_mode_survives_every_kill(tmp_path: Path) -> None:
    await survive_socket(tmp_path, KILLS)


async def test_signed_posts_survive_every_kill(tmp_path: Path) -> None:
    await survive_http(tmp_path, KILLS)
