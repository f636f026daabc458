"""SIGKILL at random instants under load, over Socket Mode: nothing acked is lost, nothing is answered twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.testing.daemon_process import DaemonProcess, socket_env
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.sigkill_kit import HERE, kills, survive


@pytest.mark.timeout(1800)
async def test_every_acked_question_is_answered_once_and_in_order(tmp_path: Path) -> None:
    async with FakeSlack() as slack:
        slack.sockets.schedule = RetrySchedule((0.05,), forever=True)
        daemon = DaemonProcess(
            env=socket_env(slack) | {"PHANTOM_AGENT": "counting_agent:make"},
            data_dir=tmp_path / "data",
            python_path=[HERE],
        )
        try:
            await survive(slack, daemon, kills(20), seed=1)
        finally:
            await daemon.aclose()
