"""`phantom egress`: the hosts of a configuration, in forms that the firewalls themselves accept."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from phantom.plugins import descriptors, resolve
from tests.scenario.cli_kit import phantom

CHANNELS = """\
slack:
  transport: socket
  bot_token: xoxb-1-2
  app_token: xapp-1-2
discord:
  bot_token: not-asked-for-here
webhook:
  secret_default: a-fake-secret-of-thirty-two-letters
  callback_hosts: [hooks.example.com]
"""
EXEC = {"SECRET_SOURCE": "metadata,exec", "PHANTOM_SECRET_EXEC_COMMAND": "not-run-here {name}"}
PLACES = {"PHANTOM_MODEL": "openai:any", "PHANTOM_MODEL_BASE_URL": "http://10.1.2.3:8000/v1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    return tmp_path


def egress(folder: Path, environ: dict[str, str], *flags: str, status: int = 0) -> str:
    return phantom("egress", *flags, cwd=folder, status=status, **environ).stdout


def accepts(command: list[str], text: str, file: Path) -> subprocess.CompletedProcess[str]:
    file.write_text(text)
    return subprocess.run([*command, str(file)], capture_output=True, text=True, check=False, timeout=100)


def test_the_list_names_what_the_configuration_reaches_and_nothing_else(folder: Path) -> None:
    said = json.loads(egress(folder, EXEC | PLACES, "--json"))
    reached = {(one["host"], one["port"]) for one in said["destinations"]}
    assert reached == {
        ("169.254.169.254", 80),
        *((f"{name}slack.com", 443) for name in ("", "files.", "hooks.", "wss-primary.", "wss-backup.", "*.")),
        *((name, 443) for name in ("discord.com", "cdn.discordapp.com", "media.discordapp.net")),
        *((name, 443) for name in ("gateway.discord.gg", "*.discord.gg", "hooks.example.com")),
        ("10.1.2.3", 8000),
    }
    assert {one["host"]: one["addresses"] for one in said["destinations"]}["10.1.2.3"] == ["10.1.2.3"]
    assert any("SECRET_SOURCE=exec" in note for note in said["notes"])
    assert not any("does not say" in note for note in said["notes"])


def test_nothing_is_reached_by_a_configuration_without_channels_and_own_code_is_not_guessed_at(tmp_path: Path) -> None:
    bare = json.loads(egress(tmp_path, {"PHANTOM_AGENT": "mine.agent:make"}, "--json"))
    assert bare["destinations"] == []
    assert any("mine.agent:make" in note for note in bare["notes"])


def test_nftables_takes_the_snippet(folder: Path) -> None:
    (folder / "channels.yaml").write_text(CHANNELS.replace("callback_hosts: [hooks.example.com]", "deadline: 3"))
    text = egress(folder, PLACES, "--format", "nftables", "--user", "65534")
    assert text.count("{") == text.count("}")
    assert "meta skuid != 65534 accept" in text
    assert 'elements = { 10.1.2.3 comment "10.1.2.3" }' in text
    assert "every public host" in text
    egress(folder, {}, "--format", "nftables", "--user", 'x" accept', status=78)
    # In a network of its own, so that nothing here is touched even by mistake.
    command = ["unshare", "-rn", "nft", "-c", "-f"]
    if shutil.which("nft") is None or accepts(command, "table inet probe {}\n", folder / "probe.nft").returncode:
        pytest.skip("nft is not installed or may not be used here")
    checked = accepts(command, text, folder / "egress.nft")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_systemd_takes_the_drop_in_and_names_are_resolved_when_asked(folder: Path) -> None:
    closed = egress(folder, PLACES, "--format", "systemd")
    assert "IPAddressAllow=10.1.2.3\n" in closed
    assert "IPAddressDeny=10.0.0.0/8 " in closed
    (folder / "channels.yaml").unlink()
    here = {"PHANTOM_MODEL": "ollama:any", "PHANTOM_MODEL_BASE_URL": "http://localhost:11434/v1"}
    resolved = egress(folder, here, "--format", "systemd", "--resolve")
    assert "IPAddressDeny=any" in resolved
    assert "IPAddressAllow=127.0.0.1\n" in resolved
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit, drop_in = folder / "phantom.service", folder / "phantom.service.d"
    unit.write_text("[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n")
    drop_in.mkdir()
    for text in (closed, resolved):
        (drop_in / "egress.conf").write_text(text)
        command = ["systemd-analyze", "verify", "--man=no"]
        checked = accepts(command, unit.read_text(), unit)
        assert "egress.conf" not in checked.stderr


def test_every_channel_that_comes_with_phantom_says_what_it_reaches() -> None:
    assert all(callable(resolve(one.egress, one.extra)) for one in descriptors().values())
