"""The loop is never blocked by our own code while the daemon serves: every blocking call on it raises here."""

from __future__ import annotations

from pathlib import Path

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from config.inventory_keeper import InventoryKeeper
from phantom.clock import SystemClock
from phantom.daemon import declared_secrets, load_config, make_channels
from phantom.redaction import Redactor
from phantom.service import Service
from phantom.testing.fake_slack import FakeSlack


async def test_nothing_blocks_while_messages_are_answered(tmp_path: Path) -> None:
    async with FakeSlack() as slack:
        environ = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_BASE_URL": slack.api_url,
            "PHANTOM_DATA_DIR": str(tmp_path / "data"),
            "PORT": "0",
            "SECRET_SOURCE": "file",
            "PHANTOM_SECRET_DIR": str(tmp_path),
        }
        (tmp_path / "provider_token").write_text("provider-value-1")
        loaded = load_config(None, environ, tmp_path, SystemClock())
        loaded.secrets.secret("provider_token")
        service = Service(
            loaded,
            channels=make_channels,
            redactor=Redactor(),
            environ=environ,
            inventory=InventoryKeeper(loaded, declared_secrets(loaded), SystemClock()),
        )
        await service.start()
        try:
            first = await slack.post(slack.owner, slack.general, f"{slack.mention} hello")
            await slack.wait_for(lambda: slack.replies(first))  # everything lazy is loaded by now
            with blockbuster_ctx(["phantom", "channels", "config"]):
                with pytest.raises(BlockingError):  # the detector is awake
                    service.folder.folder("made while the loop runs")
                for text in ("2 * 21", "remember my cat is called Mia", "what is my cat called?", "long", "slow 2"):
                    asked = await slack.post(slack.owner, slack.general, f"{slack.mention} {text}")
                    await slack.wait_for(lambda asked=asked: slack.replies(asked))  # type: ignore[misc]
                assert (await slack.command(slack.owner, slack.general, "/phantom", "status")).acked
        finally:
            await service.stop()
