"""`phantom init`, through the real command: what it writes loads, is private, and never costs what was there.

What does *not* live here: every combination of its answers (`unit/phantom/test_init_choices.py`).
"""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.scenario.cli_kit import phantom


@pytest.mark.parametrize(("transport", "style"), [("socket", "yaml"), ("direct", "env")])
def test_what_init_writes_is_private_and_loads(tmp_path: Path, transport: str, style: str) -> None:
    said = phantom("init", "--yes", "--transport", transport, "--style", style, "--name", "Ada Nova", cwd=tmp_path)
    assert "next:" in said.stdout
    assert "phantom doctor" in said.stdout
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    explained = phantom("config", "explain", cwd=tmp_path)
    assert "Ada Nova" in explained.stdout
    rows = {line.split()[0]: line for line in explained.stdout.splitlines() if line.startswith("slack.")}
    assert ("socket" if transport == "socket" else "http") in rows["slack.transport"]
    if transport == "direct":
        assert "direct" in rows["slack.http_profile"]


@pytest.mark.parametrize(
    ("slack", "discord", "style"), [(None, "http", "env"), (None, "gateway", "yaml"), ("socket", "gateway", "env")]
)
def test_discord_alone_and_beside_slack(tmp_path: Path, slack: str | None, discord: str, style: str) -> None:
    more = ("--slack", slack) if slack else ()
    phantom("init", "--yes", "--discord", discord, *more, "--style", style, cwd=tmp_path)
    env = tmp_path / ".env"
    assert "\nDISCORD_BOT_TOKEN=\n" in env.read_text()
    assert ("#DISCORD_PUBLIC_KEY=" in env.read_text()) == (discord == "http")
    explained = phantom("config", "explain", cwd=tmp_path)
    rows = {line.split()[0]: line for line in explained.stdout.splitlines() if "." in line}
    assert discord in rows["discord.transport"]
    assert ("slack.transport" in rows) == (slack is not None)
    # Filled in, it is what the daemon starts with.
    env.write_text(env.read_text().replace("DISCORD_BOT_TOKEN=", f"DISCORD_BOT_TOKEN={'x' * 70}"))
    assert "set (.env DISCORD_BOT_TOKEN)" in phantom("config", "explain", "discord", cwd=tmp_path).stdout


def test_the_default_is_socket_mode_without_questions_when_nobody_can_answer(tmp_path: Path) -> None:
    phantom("init", cwd=tmp_path)
    written = (tmp_path / ".env").read_text()
    assert "SLACK_TRANSPORT=socket" in written
    assert "\n#DISCORD_BOT_TOKEN=\n" in written
    assert "discord" not in phantom("config", "explain", cwd=tmp_path).stdout
    phantom("init", "elsewhere", "--slack", "none", cwd=tmp_path)
    assert "\nDISCORD_TRANSPORT=gateway\n" in (tmp_path / "elsewhere" / ".env").read_text()


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PRECIOUS=1\n")
    said = phantom("init", "--yes", "--style", "yaml", cwd=tmp_path, status=78)
    assert "--force" in said.stderr
    assert (tmp_path / ".env").read_text() == "PRECIOUS=1\n"
    assert not (tmp_path / "phantom.yaml").exists()
    phantom("init", "--yes", "--force", cwd=tmp_path)
    assert "PRECIOUS" not in (tmp_path / ".env").read_text()


def test_a_folder_is_made_and_named_in_the_next_step(tmp_path: Path) -> None:
    said = phantom("init", "conf", "--yes", "--style", "yaml", cwd=tmp_path)
    assert (tmp_path / "conf" / "channels.yaml").exists()
    assert "next: cd conf, fill" in said.stdout
    phantom("config", "explain", cwd=tmp_path / "conf")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--slack", "pigeon"),
        ("--discord", "pigeon"),
        ("--style", "toml"),
        ("--name", "it's"),
        ("--name", ""),
        ("--name", "a\nb"),
    ],
)
def test_a_wrong_answer_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = phantom("init", "--yes", *arguments, cwd=tmp_path, status=78)
    assert said.stderr.startswith(f"phantom: {arguments[0]}: ")
    assert len(said.stderr.splitlines()) == 1
    assert not (tmp_path / ".env").exists()


def test_nothing_to_connect_to_is_refused(tmp_path: Path) -> None:
    said = phantom("init", "--slack", "none", "--discord", "none", cwd=tmp_path, status=78)
    assert "add `--discord gateway`" in said.stderr


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = phantom("init", "file/conf", "--yes", cwd=tmp_path, status=78)
    assert "cannot be written" in said.stderr
