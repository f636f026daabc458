"""The journal's thread breaks under a running daemon: health says so, and the daemon ends to be started anew."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from phantom.clock import SystemClock
from phantom.daemon import load_config, make_channels
from phantom.errors import StorageError
from phantom.redaction import Redactor
from phantom.service import Service
from phantom.testing.fake_slack import FakeSlack


async def test_a_daemon_without_its_journal_does_not_live_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda about: None)
    async with FakeSlack() as slack:
        environ = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_BASE_URL": slack.api_url,
            "PHANTOM_DATA_DIR": str(tmp_path / "data"),
            "PORT": "0",
        }
        loaded = load_config(None, environ, tmp_path, SystemClock())
        service = Service(loaded, channels=make_channels, redactor=Redactor(), environ=environ)
        await service.start()
        try:
            journal = service._journal
            assert journal is not None

            def breaks(_: object) -> None:
                raise MemoryError

            async with asyncio.timeout(60):
                with pytest.raises(StorageError):
                    await journal.write(breaks)
                report = await service.report()
                assert (report.ok, report.ready) == (False, False)
                assert "broke" in report.journal_fault
                assert "journal watch" in str(await service.failed)
        finally:
            async with asyncio.timeout(60):
                await service.stop()
