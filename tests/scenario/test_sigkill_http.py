"""SIGKILL at random instants under load, over signed posts: nothing acked is lost, nothing is answered twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import GATEWAY_SECRET, DaemonProcess, gateway_env
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.sigkill_kit import HERE, kills, survive


@pytest.mark.timeout(1800)
async def test_every_acked_question_is_answered_once_and_in_order(tmp_path: Path) -> None:
    async with FakeSlack(transport="http") as slack, FakeMetadata() as metadata:
        daemon = DaemonProcess(
            env=gateway_env(slack, metadata) | {"PHANTOM_AGENT": "counting_agent:make"},
            data_dir=tmp_path / "data",
            python_path=[HERE],
        )
        slack.deliver_over_http(
            daemon.url, profile="gateway", secret=GATEWAY_SECRET, schedule=RetrySchedule((0.05,), forever=True)
        )
        try:
            await survive(slack, daemon, kills(20), seed=2)
        finally:
            await daemon.aclose()
