"""One secret of each kind, made at run time and planted in a repository, is caught by each scanner; ours is clean."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from phantom.bridge.secret_value import new_secret
from phantom.storage.key_ring import fresh_key
from scripts import scan, scan_baseline, scan_rules

UPPER = string.ascii_uppercase + string.digits
ALPHABET = string.ascii_letters + string.digits
CHECKED = ("our rules", "gitleaks", "detect-secrets")


def mixed(count: int, alphabet: str = ALPHABET) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def b64(count: int) -> str:
    return base64.b64encode(secrets.token_bytes(count)).decode()


def discord_token() -> str:
    who = base64.b64encode(str(10**17 + secrets.randbelow(9 * 10**17)).encode()).decode()
    return f"{who}.G{mixed(5)}.{mixed(27)}"


def planted() -> dict[str, str]:
    """A line for each kind, as somebody would leave it behind."""
    digits = string.digits
    return {
        "bridge.py": f'connect("ws://localhost:3100", secret="{new_secret()}")',
        "encryption.py": f"RING = '{fresh_key().text}'",
        "webhook.py": f"SIGNER = Webhook('whsec_{b64(32)}')",
        "webhook.env": f"WEBHOOK_SECRET_DEFAULT={secrets.token_hex(32)}",
        "signing.yaml": f"signing_secret: {secrets.token_hex(16)}{secrets.token_hex(16)}",
        "slack_bot.md": f"Use xoxb-{mixed(12, digits)}-{mixed(13, digits)}-{mixed(24)} for now",
        "slack_app.env": f"SLACK_APP_TOKEN=xapp-1-A{mixed(10, string.ascii_uppercase)}-{mixed(13, digits)}-"
        + secrets.token_hex(32),
        "discord.json": json.dumps({"token": discord_token()}),
        "anthropic.env": f"ANTHROPIC_API_KEY=sk-ant-api03-{mixed(93)}AA",
        "openai.env": f"OPENAI_API_KEY=sk-proj-{mixed(20)}T3Blbk" + f"FJ{mixed(20)}",
        "openrouter.env": f"OPENROUTER_API_KEY=sk-or-v1-{secrets.token_hex(32)}",
        "database.yaml": f"url: postgresql://phantom:{mixed(20)}@db.internal/phantom",
        "database.env": f"DATABASE_PASSWORD={mixed(24)}",
        "base64.env": f"export WEBHOOK_SECRET_BACKUP={b64(32)}",
        "slack_hook.md": f"https://hooks.slack.com/services/T{mixed(10, UPPER)}/B{mixed(10, UPPER)}/{mixed(24)}",
        "discord_hook.md": f"https://discord.com/api/webhooks/{10**18 + secrets.randbelow(10**18)}/{mixed(68)}",
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with our rules and an empty baseline, in a folder that is no part of it."""
    tmp_path = tmp_path / "tests"
    tmp_path.mkdir()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(scan.ROOT / scan_rules.FILE, tmp_path)
    baseline = {**scan_baseline.load(scan.ROOT), "results": {}}
    (tmp_path / scan_baseline.FILE).write_text(json.dumps(baseline))
    return tmp_path


def commit(repository: Path) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.test"]
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    subprocess.run(["git", *who, "commit", "-q", "--no-verify", "-m", "x"], cwd=repository, check=True)


def found_in(errors: str, scanner: str) -> set[str]:
    """The files that one scanner named."""
    lines = [line.removeprefix(f"{scanner}: ") for line in errors.splitlines() if line.startswith(f"{scanner}: ")]
    return {line.split(":", 1)[0] for line in lines}


def test_one_of_each_kind_is_caught_by_every_scanner(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = planted()
    for name, line in lines.items():
        (repository / name).write_text(line + "\n")
    assert scan.main(["--root", str(repository)]) == 1
    told = capsys.readouterr().err
    installed = CHECKED if scan.gitleaks() else ("our rules", "detect-secrets")
    for scanner in installed:
        # detect-secrets knows no addresses of Discord's; a random one it sees by chance only.
        unknown = {"discord_hook.md"} if scanner == "detect-secrets" else set()
        assert found_in(told, scanner) - unknown == set(lines) - unknown, scanner
    struck = {line.rpartition(" ")[2] for line in told.splitlines() if line.startswith("our rules: ")}
    assert struck == {rule.id for rule in scan_rules.load(scan.ROOT).rules}, "a rule that no plant proves"
    for line in lines.values():
        assert line.split("=", 1)[-1] not in told, "a finding is told by place, never by text"


def test_a_secret_is_caught_before_it_is_committed_and_after_it_was_taken_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leak = repository / "leak.py"
    leak.write_text(f"KEY = '{new_secret()}'\n")
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    leak.write_text("KEY = None\n")  # what is staged counts, not what the folder holds by now
    assert scan.main(["--root", str(repository), "--staged"]) == 1
    assert "leak.py:1: phantom-bridge-secret" in capsys.readouterr().err
    subprocess.run(["git", "checkout", "-q", "leak.py"], cwd=repository, check=True)
    commit(repository)
    leak.write_text("KEY = None\n")
    commit(repository)
    status = scan.main(["--root", str(repository)])
    if scan.gitleaks() is None:
        pytest.skip("gitleaks is not installed: histories are looked through by it alone")
    assert status == 1
    assert "phantom-bridge-secret in commit" in capsys.readouterr().err


def test_a_bridge_secret_is_known_by_its_checksum_to_detect_secrets(repository: Path) -> None:
    real = new_secret()
    cut = real[:-1] + ("a" if real[-1] != "a" else "b")
    (repository / "notes.md").write_text(f"{cut}\n{real}\n")
    baseline = scan_baseline.load(repository)
    found = scan_baseline.find(repository, ("notes.md",), baseline)
    assert [(one.line, one.kind) for one in found] == [(2, "Phantom bridge secret")]


def test_a_verdict_needs_a_reason_and_ends_with_what_it_allowed(repository: Path) -> None:
    page = repository / "page.md"
    page.write_text(f"WEBHOOK_SECRET_DEFAULT={secrets.token_hex(32)}\n")
    scan_baseline.update(
        repository,
        scan_baseline.find(repository, ("page.md",), scan_baseline.load(repository)),
        load := scan_baseline.load(repository),
    )
    written = scan_baseline.load(repository)
    assert load["results"] == {}
    entries = [one for _, one in scan_baseline.entries(written)]
    assert entries
    assert all("is_secret: false" in line for line in scan_baseline.unaudited(written))
    for one in entries:
        one["is_secret"] = False
    assert all("no `reason`" in line for line in scan_baseline.unaudited(written))
    for one in entries:
        one["reason"] = "the page of a test"
    assert not list(scan_baseline.unaudited(written))
    found = scan_baseline.find(repository, ("page.md",), written)
    assert not scan_baseline.new(found, written)
    assert not list(scan_baseline.gone(found, written))
    page.write_text("nothing\n")
    assert len(list(scan_baseline.gone((), written))) == len(entries)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[allowlists]]\nregexes = ['a']\n", "without a description"),
        ("[[allowlists]]\ndescription = 'd'\npaths = ['a']\nregexes = ['b']\n", "whole files"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nfancy = 1\n", "does not know fancy"),
    ],
)
def test_a_rule_file_that_would_let_more_through_than_it_says_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / scan_rules.FILE).write_text(text)
    with pytest.raises(ValueError, match=why):
        scan_rules.load(tmp_path)


def test_the_checkout_holds_nothing_that_our_rules_find_and_every_verdict_has_its_reason() -> None:
    if not (scan.ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert list(scan.by_our_rules(scan.ROOT, scan.tracked(scan.ROOT))) == []
    assert list(scan_baseline.unaudited(scan_baseline.load(scan.ROOT))) == []
