"""SIGKILL at random instants under load over sockets: Slack's Socket Mode and Discord's gateway in one daemon.

Nothing that people wrote is lost, nothing is answered twice, answers come in order and where the question was asked.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.testing.daemon_process import socket_env
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.sigkill_discord_kit import CommandLoad, DiscordLoad, moments
from tests.scenario.sigkill_kit import Load, counting, kills, survive
from tests.scenario.sigkill_slack_kit import SlackLoad


@pytest.mark.timeout(300 + 15 * kills(4))
async def test_every_question_is_answered_once_and_in_order(tmp_path: Path) -> None:
    async with FakeSlack() as slack, FakeDiscord() as fake:
        slack.sockets.schedule = RetrySchedule((0.05,), forever=True)
        discord = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url}
        daemon = counting(socket_env(slack) | discord, tmp_path)
        loads: list[Load] = [
            SlackLoad(slack, dms=5, channels=2),
            DiscordLoad(fake, dms=5, threads=3),
            CommandLoad(fake),
        ]
        try:
            await survive(daemon, loads, kills(4), seed=1, moments=moments(fake))
        finally:
            await daemon.aclose()
