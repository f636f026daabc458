"""Every secret rotated `PHANTOM_ROTATIONS` times (20) in a running daemon under load. Run with `PHANTOM_PROVE=1`."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.scenario import rotation_rounds, rotation_webhook

ROUNDS = int(os.environ.get("PHANTOM_ROTATIONS") or 20)

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("PHANTOM_PROVE"), reason="a long proof; set PHANTOM_PROVE=1"),
]


@pytest.mark.parametrize(
    "rotate",
    [
        rotation_rounds.everything_of_a_tenant,
        rotation_rounds.signing_secret_of_slack,
        rotation_rounds.tokens_of_socket_mode,
    ],
)
async def test_nobody_is_refused_while_secrets_rotate(
    tmp_path: Path, rotate: Callable[[Path, int], Awaitable[dict[str, float]]]
) -> None:
    figures = await rotate(tmp_path, ROUNDS)
    assert figures["forged"] > ROUNDS
    assert figures["slowest"] < 60


@pytest.mark.parametrize("kind", ["env", "files"])
async def test_no_post_is_refused_while_commands_rotate_the_webhook_secret(tmp_path: Path, kind: str) -> None:
    figures = await rotation_webhook.secret_of_webhooks(tmp_path, ROUNDS, kind)
    assert figures["forged"] > ROUNDS
    assert figures["slowest"] < 60
