"""Secrets rotate while people and programs keep asking: nobody is refused, nothing is lost, no restart. One round
here, twenty with `make prove`.
"""

from __future__ import annotations

from pathlib import Path

from tests.scenario import rotation_rounds, rotation_webhook


async def test_everything_of_a_tenant(tmp_path: Path) -> None:
    figures = await rotation_rounds.everything_of_a_tenant(tmp_path, 1)
    assert figures["forged"]


async def test_the_signing_secret_of_slack_itself(tmp_path: Path) -> None:
    figures = await rotation_rounds.signing_secret_of_slack(tmp_path, 1)
    assert figures["forged"]


async def test_the_tokens_of_socket_mode(tmp_path: Path) -> None:
    figures = await rotation_rounds.tokens_of_socket_mode(tmp_path, 1)
    assert figures["forged"]


async def test_the_secret_of_webhooks(tmp_path: Path) -> None:
    figures = await rotation_webhook.secret_of_webhooks(tmp_path, 1, "env")
    assert figures["forged"]
