"""Commands that need no daemon, through the real command: output, exit statuses, errors of one clear line."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import phantom as package
from tests.scenario.cli_kit import CLEAN, COMMAND, phantom

TOKEN = "xoxb-0123456789-" + "abcdefghij"


@pytest.fixture
def port() -> Iterator[str]:
    """A port where nobody listens: it is held, so that nobody else begins to meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield str(held.getsockname()[1])


def test_the_console_script_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("phantom")
    said = subprocess.run([script, "version"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == phantom("version", cwd=tmp_path).stdout


def test_version_names_phantom_python_and_the_libraries(tmp_path: Path) -> None:
    facts = json.loads(phantom("version", "--json", cwd=tmp_path).stdout)
    assert facts["phantom"] == package.__version__
    assert facts["python"].startswith("CPython 3.")
    assert "slack-sdk" in facts
    assert package.__version__ in phantom("version", cwd=tmp_path).stdout


def test_help_lists_every_command(tmp_path: Path) -> None:
    listed = phantom("--help", cwd=tmp_path).stdout
    assert all(f"  {name} " in listed for name in ("start", "dev", "init", "doctor", "status", "config", "version"))


@pytest.mark.parametrize("arguments", [("bogus",), ("start", "--port", "many"), ("start", "--port", "70000"), ()])
def test_wrong_usage_is_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    phantom(*arguments, cwd=tmp_path, status=2)


def test_explain_shows_sources_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "phantom.yaml").write_text("name: from file\n")
    said = phantom("config", "explain", cwd=tmp_path, SLACK_BOT_TOKEN=TOKEN, PORT="3999")
    rows = {line.split()[0]: line for line in said.stdout.splitlines() if line.split()}
    assert "from file" in rows["name"]
    assert "phantom.yaml" in rows["name"]
    assert "3999" in rows["port"]
    assert "PORT" in rows["port"]
    assert "SLACK_BOT_TOKEN" in rows["slack.bot_token"]
    assert TOKEN not in said.stdout + said.stderr


def test_explain_takes_a_path_and_json(tmp_path: Path) -> None:
    said = phantom("config", "explain", "slack", "--json", cwd=tmp_path, SLACK_BOT_TOKEN=TOKEN)
    settings = json.loads(said.stdout)["settings"]
    assert {row["setting"].split(".")[0] for row in settings} == {"slack"}
    assert TOKEN not in said.stdout
    assert "no such setting" in phantom("config", "explain", "nowhere", cwd=tmp_path, status=78).stderr


def test_explain_reads_the_folder_that_config_names(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "phantom.yaml").write_text("name: elsewhere\n")
    assert "elsewhere" in phantom("config", "explain", "name", "--config", "elsewhere", cwd=tmp_path).stdout
    missing = phantom("config", "explain", "--config", "nowhere", cwd=tmp_path, status=78)
    assert "nowhere" in missing.stderr


def test_explain_ends_with_78_when_a_channel_is_off_because_of_an_error(tmp_path: Path) -> None:
    (tmp_path / "channels.yaml").write_text("slack:\n  colour: red\n")
    assert "slack" in phantom("config", "explain", cwd=tmp_path, status=78).stdout


@pytest.mark.parametrize("command", [("start",), ("config", "explain"), ("doctor",)])
def test_each_mistake_in_the_settings_is_one_line_with_its_cure_and_status_78(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "phantom.yaml").write_text("nmae: x\nport: many\n")
    said = phantom(*command, cwd=tmp_path, status=78)
    lines = [line for line in (said.stderr + said.stdout).splitlines() if "phantom.yaml" in line]
    assert len(lines) == 2
    assert any("nmae" in line for line in lines)
    assert "did you mean name?" in said.stderr + said.stdout
    assert "many" not in said.stderr + said.stdout


def test_debug_adds_a_masked_traceback(tmp_path: Path) -> None:
    (tmp_path / "phantom.yaml").write_text(f"{TOKEN}: 1\n")
    quiet = phantom("config", "explain", cwd=tmp_path, status=78)
    loud = phantom("--debug", "config", "explain", cwd=tmp_path, status=78, SLACK_BOT_TOKEN=TOKEN)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert TOKEN not in loud.stderr + quiet.stderr


def test_a_foreign_config_package_is_refused_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("raise SystemExit('the wrong package was imported')\n")
    said = phantom("version", cwd=tmp_path, status=78, PYTHONPATH=str(tmp_path))
    assert said.stderr.startswith("phantom: installation: ")
    assert "the wrong package" not in said.stderr


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    line = f"{' '.join(COMMAND)} --help | true; {' '.join(COMMAND)} version | true"
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""


def test_status_without_a_daemon_says_how_to_start_one(tmp_path: Path, port: str) -> None:
    said = phantom("status", "--port", port, cwd=tmp_path, status=3)
    assert f"127.0.0.1:{port}" in said.stderr
    assert "phantom start" in said.stderr
    assert json.loads(phantom("status", "--json", "--port", port, cwd=tmp_path, status=3).stdout)["status"] == "down"


def test_status_still_asks_when_the_configuration_is_broken(tmp_path: Path, port: str) -> None:
    (tmp_path / "phantom.yaml").write_text("nmae: x\n")
    said = phantom("status", "--port", port, cwd=tmp_path, status=3)
    assert "the configuration has an error" in said.stderr


def test_status_is_not_fooled_or_held_up_by_something_else_on_the_port(tmp_path: Path) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = str(mute.getsockname()[1])
        said = phantom("status", "--port", port, "--timeout", "0.2", "--host", "0.0.0.0", cwd=tmp_path, status=3)
    assert "no answer within 0.2 s" in said.stderr


def test_doctor_without_configuration_names_the_cure(tmp_path: Path) -> None:
    said = phantom("doctor", "--port", "0", cwd=tmp_path, status=78)
    assert "phantom init" in said.stdout
    assert "offline" in said.stdout


def test_doctor_reports_json(tmp_path: Path) -> None:
    said = phantom("doctor", "--json", "--port", "0", cwd=tmp_path, status=78)
    findings = {finding["check"]: finding for finding in json.loads(said.stdout)}
    assert findings["python"]["level"] == "ok"
    assert findings["channels"]["level"] == "fail"
    assert findings["data folder"]["seen"].startswith(str(tmp_path / "data"))


def test_doctor_sees_a_taken_port_a_bad_folder_and_a_missing_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        said = phantom(
            *("doctor", "--json"),
            cwd=tmp_path,
            status=1,
            PORT=str(other.getsockname()[1]),
            PHANTOM_DATA_DIR="file/data",
            PHANTOM_MODEL="anthropic:some-model",
            SLACK_BOT_TOKEN=TOKEN,
        )
    failed = {finding["check"]: finding for finding in json.loads(said.stdout) if finding["level"] == "fail"}
    assert set(failed) == {"port", "data folder", "agent", "channel slack"}
    assert "ANTHROPIC_API_KEY" in failed["agent"]["cure"]
    assert "SLACK_APP_TOKEN" in failed["channel slack"]["seen"]
    assert all(finding["cure"] for finding in failed.values())
    assert TOKEN not in said.stdout + said.stderr


def test_doctor_sees_a_data_folder_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    with closing(sqlite3.connect(tmp_path / "data/phantom.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    said = phantom("doctor", "--port", "0", cwd=tmp_path, status=78)
    assert "written by a newer Phantom (schema 99" in said.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may bind every port")
def test_doctor_explains_a_privileged_port(tmp_path: Path) -> None:
    assert "1024" in phantom("doctor", "--port", "80", cwd=tmp_path, status=78).stdout


def test_start_without_a_channel_refuses_with_the_cure(tmp_path: Path) -> None:
    said = phantom("start", "--port", "0", cwd=tmp_path, status=78)
    assert "no channel is configured" in said.stderr
    assert "phantom dev" in said.stderr


@pytest.mark.parametrize("flag", [("--log-level", "loud"), ("--log-format", "xml"), ("--host", "")])
def test_a_flag_is_checked_like_its_variable(tmp_path: Path, flag: tuple[str, str]) -> None:
    said = phantom("start", *flag, cwd=tmp_path, status=78, SLACK_BOT_TOKEN=TOKEN)
    assert said.stderr


def test_dev_refuses_an_unknown_transport(tmp_path: Path) -> None:
    assert "SLACK_TRANSPORT" in phantom("dev", "--transport", "pigeon", cwd=tmp_path, status=78).stderr
