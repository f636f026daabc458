"""The how-to about secrets tells the truth: its YAML loads, its commands are accepted, and its plugin is found."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.secrets_settings import SecretsSettings
from tests.scenario.cli_kit import phantom

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "secrets.md").read_text()
SECTIONS = re.findall(r"^```yaml\n(secrets:\n(?:  .*\n)*)```$", PAGE, re.MULTILINE)
COMMANDS = re.findall(r"^\| (\w+) \| `(\[.*\])` \| (.*) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("text", SECTIONS)
def test_sections_are_accepted(text: str) -> None:
    assert len(SECTIONS) == 3
    SecretsSettings.model_validate(yaml.safe_load(text)["secrets"])


def test_commands_are_lists_that_name_the_secret() -> None:
    assert len(COMMANDS) == 5
    for manager, text, variables in COMMANDS:
        given = {"exec_command": yaml.safe_load(text), "exec_environment": re.findall(r"`(.*?)`", variables)}
        command = SecretsSettings.model_validate(given).exec_command
        assert sum("{name}" in part or "{NAME}" in part for part in command) == 1, manager


def test_the_plugin_is_found_and_asked(tmp_path: Path) -> None:
    (module,) = re.findall(r"^```python\n# acme_vault.py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (entry,) = re.findall(r'^acme = "(.+)"$', PAGE, re.MULTILINE)
    (tmp_path / "acme_vault.py").write_text(module)
    info = tmp_path / "acme_vault-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-vault\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[phantom.secret_sources]\nacme = {entry}\n")
    (tmp_path / "phantom.yaml").write_text(
        "secret_source: acme\nsecrets: {options: {acme: {shelf: {slack_bot_token: xoxb-0123456789-abc}}}}\n"
    )
    paths = ":".join(dict.fromkeys([str(tmp_path), *(part for part in sys.path if part)]))
    listed = phantom("secrets", "list", "--json", "--set", cwd=tmp_path, PYTHONPATH=paths)
    rows: list[dict[str, Any]] = json.loads(listed.stdout)["secrets"]
    assert [(row["name"], row["source"]) for row in rows] == [("slack_bot_token", "acme")]
    assert "xoxb-" not in listed.stdout
    wrong = phantom("secrets", "list", cwd=tmp_path, status=78, PYTHONPATH=paths, SECRET_SOURCE="acne")
    assert "must be 'env', 'metadata', 'file', 'exec' or 'acme'" in wrong.stderr
