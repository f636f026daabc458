"""The files around the code agree with one another: locks, linter contracts, deployment, ignored files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from config import PhantomSettings
from phantom.plugins import descriptors

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("build", "run", "models", "dev")


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_lock_pins_with_hashes_and_names_no_place(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    entries = re.findall(r"^[\w.-]+==(?:.*\\\n)*.*$", text, re.MULTILINE)
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?:|file:|--index|--find-links|^#", text, re.MULTILINE)


def test_the_locks_agree_on_every_version() -> None:
    for lock in ("models", "dev"):
        mine = pins(lock)
        for name, version in pins("run").items():
            assert mine[name] == version, f"{name} differs between run and {lock}; run `make lock`"


def test_every_dependency_is_locked() -> None:
    named = [re.split(r"[\[<>=~;! ]", line)[0].lower() for line in PROJECT["project"]["dependencies"]]
    wanted = {re.sub(r"[-_.]+", "-", name) for name in named}  # PEP 503: how locks spell a name
    assert wanted <= set(pins("run"))


def test_every_channel_has_its_line_in_the_contracts() -> None:
    contracts = {contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    listed = set(contracts["Transports are independent of one another"]["modules"])
    assert {found.settings.rsplit(".", 1)[0] for found in descriptors().values()} <= listed


def test_the_unit_file_outlives_the_drain_and_does_not_restart_wrong_settings() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/phantom.service").read_text(), re.MULTILINE))
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) > 0
    assert int(unit["TimeoutStopSec"]) > float(PhantomSettings().drain_seconds)
    assert unit["RestartPreventExitStatus"] == "78"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_understands_the_unit_file(tmp_path: Path) -> None:
    copy = tmp_path / "phantom.service"
    copy.write_text((ROOT / "deploy/phantom.service").read_text().replace("/opt/phantom/bin/phantom", "/bin/true"))
    said = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=100, check=False)
    assert "phantom.service" not in said.stderr, said.stderr


def test_the_container_files_are_sound() -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    service = compose["services"]["phantom"]
    assert int(service["stop_grace_period"].removesuffix("s")) > float(PhantomSettings().drain_seconds)
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (ROOT / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]).resolve().exists()
    copied = re.findall(r"^COPY (?!--from)([\w. /]+) \S+$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for line in copied for name in line.split()} <= let_in


def test_secret_files_are_ignored() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {".env", "/data/", "deploy/secrets/"} <= set(ignored)
