"""A socket over which nothing passes any more, at its real pace (half a minute). Run with `PHANTOM_PROVE=1`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenario.daemon_kit import world

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; set PHANTOM_PROVE=1"),
]


async def test_a_half_open_socket_is_left_behind_and_nothing_is_lost(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.slack.sockets.half_open()
        question = await here.ask("into the void")
        await here.answered(question, "heard: into the void", within=150)
        await here.quiet()
        assert here.said(question) == ["heard: into the void"]
