"""An app-level token that changes again while the one before it is still being tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from channels.factory import build
from channels.slack.channel import SlackChannel
from channels.slack.settings import SlackSettings
from phantom.secrets import HeldSource, Secret, held
from phantom.testing.fake_slack import FakeSlack
from tests.scenario.slack_apps_kit import KeepingInbox, context

OPEN = "apps.connections.open"


async def until(found: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not found():
            await asyncio.sleep(0.01)


async def test_the_second_change_is_followed_although_the_first_failed(tmp_path: Path) -> None:
    async with FakeSlack() as slack:
        app = HeldSource("slack_app_token", slack.app_token)
        settings = SlackSettings(
            bot_token=held("slack_bot_token", slack.bot_token),
            app_token=Secret("slack_app_token", app),
            api_base_url=slack.api_url,
        )
        channel, ready = build(settings, context(tmp_path)), asyncio.Event()
        assert isinstance(channel, SlackChannel)
        serving = asyncio.create_task(channel.run(KeepingInbox(), ready))
        try:
            async with asyncio.timeout(30):
                await ready.wait()
            slack.faults.drop_before(OPEN, times=3)  # every try with the first
            app.rotate(slack.app.rotate_app_token())
            await until(lambda: sum(slack.faults.armed().values()) < 3)
            app.rotate(slack.app.rotate_app_token())
            await until(lambda: channel.health().facts["sockets_replaced"] and channel.health().facts["sockets"] == 1)
            assert channel.health().ok
        finally:
            serving.cancel()
            await asyncio.wait((serving,))
            await channel.aclose()
