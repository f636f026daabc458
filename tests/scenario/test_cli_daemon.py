"""Commands around a running daemon: every flag of `start` has its effect, `status` and `doctor` see what there is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from phantom.testing.fake_slack import FakeSlack
from tests.scenario.cli_kit import command, started

PATIENT = ("--timeout", "30")
"""For `status`: a daemon on a busy machine may take longer than the three seconds that people wait."""


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


def over_socket(slack: FakeSlack) -> Mapping[str, str]:
    return {
        "SLACK_API_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "OWNER_SLACK_USER_ID": slack.owner.id,
    }


async def test_start_status_doctor_and_a_clean_stop(tmp_path: Path, slack: FakeSlack) -> None:
    environ = over_socket(slack)
    async with started("--port", "0", "--log-format", "json", cwd=tmp_path, environ=environ) as daemon:
        port = str(await daemon.port())
        await daemon.line("channel_ready")
        await daemon.line("turns_running")
        said = await command("status", *PATIENT, "--port", port, cwd=tmp_path, environ=environ)
        assert "slack    ready" in said.stdout
        assert "offline" in said.stdout
        told = await command("status", *PATIENT, "--json", "--port", port, cwd=tmp_path, environ=environ)
        facts = json.loads(told.stdout)
        assert facts["status"] == "ok"
        checked = await command("doctor", "--json", "--port", port, cwd=tmp_path, environ=environ)
        findings = {finding["check"]: finding for finding in json.loads(checked.stdout)}
        assert findings["port"]["seen"].startswith("Phantom answers")
        assert f"process {daemon.process.pid}" in findings["lock"]["seen"]
        assert {finding["level"] for finding in findings.values()} <= {"ok", "warn"}
        assert await daemon.stop() == 0
    everything = "".join(daemon.lines) + said.stdout + checked.stdout + json.dumps(facts)
    assert slack.bot_token not in everything
    assert slack.app_token not in everything


async def test_flags_win_over_variables(tmp_path: Path, slack: FakeSlack) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "phantom.yaml").write_text("name: from the folder\n")
    environ = {**over_socket(slack), "PORT": "1", "PHANTOM_HOST": "203.0.113.1", "PHANTOM_DATA_DIR": "/nonexistent"}
    flags = ("--config", "conf", "--host", "127.0.0.1", "--port", "0", "--data-dir", "kept", "--log-format", "json")
    async with started(*flags, "--log-level", "debug", cwd=tmp_path, environ=environ) as daemon:
        port = str(await daemon.port())
        where = ("--config", "conf", "--host", "127.0.0.1", "--port", port)
        said = await command("status", *PATIENT, *where, cwd=tmp_path, environ={})
        assert "from the folder" in said.stdout
        assert (tmp_path / "kept" / "phantom.sqlite").exists()
        assert await daemon.stop() == 0


async def test_the_console_format_is_for_people(tmp_path: Path, slack: FakeSlack) -> None:
    flags = ("--port", "0", "--log-format", "console")
    async with started(*flags, cwd=tmp_path, environ=over_socket(slack)) as daemon:
        line = await daemon.line("listening")
        assert " info     listening  host=127.0.0.1 port=" in line
        assert await daemon.stop() == 0


async def test_a_quiet_level_is_quiet(tmp_path: Path, slack: FakeSlack) -> None:
    flags = ("--port", "0", "--log-level", "error")
    async with started(*flags, cwd=tmp_path, environ=over_socket(slack)) as daemon:
        await slack.connected()
        assert await daemon.stop() == 0
    assert daemon.lines == []


async def test_status_is_1_and_names_the_cure_when_a_channel_is_down(tmp_path: Path, slack: FakeSlack) -> None:
    environ = {**over_socket(slack), "SLACK_BOT_TOKEN": "xoxb-0000-refused"}
    async with started("--port", "0", "--log-format", "json", cwd=tmp_path, environ=environ) as daemon:
        port = str(await daemon.port())
        await daemon.line("channel_credentials_refused")
        said = await command("status", *PATIENT, "--port", port, cwd=tmp_path, status=1, environ=environ)
        assert "auth_failed" in said.stdout
        assert "→ slack: " in said.stdout
        assert "xoxb-0000-refused" not in said.stdout + "".join(daemon.lines)


async def test_doctor_names_a_refused_token_with_status_1(tmp_path: Path, slack: FakeSlack) -> None:
    environ = {**over_socket(slack), "SLACK_BOT_TOKEN": "xoxb-0000-refused"}
    said = await command("doctor", "--port", "0", cwd=tmp_path, status=1, environ=environ)
    assert "fail  channel slack" in said.stdout
    assert "xoxb-0000-refused" not in said.stdout + said.stderr


async def test_doctor_names_the_network_when_slack_cannot_be_reached(tmp_path: Path, slack: FakeSlack) -> None:
    environ = {**over_socket(slack), "SLACK_API_BASE_URL": "http://127.0.0.1:9/api/"}
    said = await command("doctor", "--port", "0", cwd=tmp_path, status=1, environ=environ)
    assert "SLACK_API_BASE_URL" in said.stdout
