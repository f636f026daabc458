"""Commands whose output people paste: settings, bug reports and errors show names of secrets only."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from scripts.leak_hunt import Hunt, encoded, planted
from tests.scenario.cli_kit import phantom

MADE = planted(11)
NAMES = ("SLACK_BOT_TOKEN", "ANTHROPIC_API_KEY", "DATABASE_PASSWORD", "PROVIDER_TOKEN", "SLACK_SIGNING_SECRET")
SECRETS = dict(zip(NAMES, (MADE[f"PLANTED_{n:02}_TOKEN"] for n in (0, 2, 4, 9, 1)), strict=True)) | {
    "SLACK_APP_TOKEN": "xapp-1-A0PLANTED01-1234567890123-" + MADE["PLANTED_01_TOKEN"] * 2
}


def run(*arguments: str, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    environ: dict[str, Any] = {"PORT": "1", **SECRETS}
    return phantom(*arguments, cwd=cwd, status=status, **environ)


def test_settings_and_bug_report_are_safe_to_paste(tmp_path: Path) -> None:
    log = tmp_path / "phantom.log"
    log.write_text("".join(f"line {text}\n" for secret in SECRETS.values() for text in encoded(secret).values()))
    (tmp_path / "phantom.yaml").write_text("instructions: the password is ${DATABASE_PASSWORD}\n")
    hunt = Hunt(SECRETS)
    for arguments, status in (
        (("config", "show", "--json"), 0),
        (("config", "explain", "--json"), 0),
        (("bug-report", "--log", str(log)), 0),
        (("status",), 3),
        (("bug-report", "--log", f"{SECRETS['PROVIDER_TOKEN']}.log"), 78),
        ((SECRETS["PROVIDER_TOKEN"],), 2),
    ):
        said = run(*arguments, cwd=tmp_path, status=status)
        hits = list(hunt.text(" ".join(arguments[:2]), said.stdout + said.stderr))
        assert not hits, "\n".join(map(str, hits))
    report = json.loads(run("bug-report", "--json", cwd=tmp_path).stdout)
    assert report["versions"]["phantom"]
    assert set(NAMES) - {"DATABASE_PASSWORD"} <= set(report["variables"])
    assert "no daemon answers" in report["health"]
    assert "slack.bot_token" in report["settings"]


def test_a_broken_configuration_is_part_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "phantom.yaml").write_text("prot: 3\n")
    said = phantom("bug-report", cwd=tmp_path).stdout
    assert "prot" in said
    assert "## versions" in said
    shown = phantom("config", "show", cwd=tmp_path, status=78)
    assert "prot" in shown.stderr
