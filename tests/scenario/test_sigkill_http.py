"""SIGKILL at random instants under load over signed posts: Slack's gateway and Discord's interactions in one daemon.

Both tokens come from the metadata service. Nothing that was acked is lost, nothing is answered twice, also when the
same signed post comes again, and answers come in order and where the question was asked.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import GATEWAY_SECRET, gateway_env
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.sigkill_discord_kit import CommandLoad, moments
from tests.scenario.sigkill_kit import counting, kills, survive
from tests.scenario.sigkill_slack_kit import SlackLoad


@pytest.mark.timeout(300 + 15 * kills(4))
async def test_every_acked_question_is_answered_once_and_in_order(tmp_path: Path) -> None:
    async with FakeSlack(transport="http") as slack, FakeDiscord() as fake, FakeMetadata() as metadata:
        metadata.rotate("discord_bot_token", fake.token)
        discord = {"DISCORD_TRANSPORT": "http", "DISCORD_API_BASE_URL": fake.api_url, "SECRET_SOURCE": "metadata"}
        daemon = counting(gateway_env(slack, metadata) | discord, tmp_path)
        schedule = RetrySchedule((0.05,), forever=True)
        slack.deliver_over_http(daemon.url, profile="gateway", secret=GATEWAY_SECRET, schedule=schedule)
        fake.deliver_interactions_over_http(f"{daemon.url}/discord/interactions")
        commands = CommandLoad(fake, people=5)
        try:
            await survive(
                daemon, [SlackLoad(slack, dms=5, channels=2), commands], kills(4), seed=2, moments=moments(fake)
            )
        finally:
            await daemon.aclose()
        assert commands.replayed
