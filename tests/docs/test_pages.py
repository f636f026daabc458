"""What the pages say exists: generated pages are fresh, links lead somewhere, names in them are names in the code."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer

from phantom.cli.app import app
from phantom.metrics import METRICS
from scripts import links, reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = links.pages(ROOT)
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
RUNBOOKS = [
    ROOT / "docs/how-to" / f"{name}.md"
    for name in ("slack-http", "slack-socket-mode", "discord", "discord-interactions")
]
OUTSIDE_SETTINGS = {"PHANTOM_CONFIG_DIR", "PHANTOM_BRIDGE_URL", "PHANTOM_BRIDGE_SECRET", "PHANTOM_BRIDGE_SECRET_ID"}


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def source() -> str:
    """All string literals and code of the three roots, with adjacent literals joined."""
    texts = [path.read_text() for top in ("phantom", "channels", "config") for path in (ROOT / top).rglob("*.py")]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_generated_pages_are_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == reference.pages()[name], "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert links.broken(page, ROOT) == []


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_variable_named_is_read(page: Path) -> None:
    known = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", (ROOT / "docs/reference/configuration.md").read_text()))
    known |= {f"{name}_FILE" for name in known if name.endswith(("_TOKEN", "_SECRET", "_KEY", "_PASSWORD"))}
    named = set(re.findall(r"\b(?:PHANTOM|SLACK|DISCORD|OWNER)_[A-Z0-9_]*[A-Z0-9]\b", page.read_text()))
    assert named - known - OUTSIDE_SETTINGS == set()


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_command_and_flag_named_exists(page: Path) -> None:
    for line in re.findall(
        r"(?:^|[`/ ])phantom ((?:start|dev|init|doctor|status|config|version|bridge)\b[^`\n#|]*)", page.read_text()
    ):
        words = line.split()
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
        flags = {flag for one in command.params for flag in [*one.opts, *one.secondary_opts]} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= flags, line


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_metric_named_exists(page: Path) -> None:
    metrics = {spec.name for spec in METRICS}
    named = {
        name
        for name in re.findall(r"\bphantom_[a-z_]+\b", page.read_text())
        if name.endswith(("_total", "_seconds", "_stale"))
    }
    assert named <= metrics


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_make_target_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", RUNBOOKS, ids=ids)
def test_the_failure_tables_quote_real_log_lines(page: Path) -> None:
    section = re.split(r"^## (?:Failure modes|When something is wrong)$", page.read_text(), flags=re.MULTILINE)[1]
    quoted = [cell for line in section.splitlines() if line.startswith("| `") for cell in [line.split("|")[1]]]
    assert len(quoted) > 5
    for cell in quoted:
        event, *rest = re.findall(r"`([^`]+)`", cell)
        assert f'"{event}"' in source(), event
        for phrase in rest:
            reason = re.fullmatch(r'"(?:reason":"([a-z_]+)"|([a-z]+)"|status":\d+)', phrase)
            words = (reason.group(1) or reason.group(2) or "") if reason else phrase
            assert words in source(), phrase


def test_every_page_that_the_code_sends_people_to_exists() -> None:
    named = set(re.findall(r"\bdocs/[\w/-]+\.md\b", source()))
    assert {name for name in named if not (ROOT / name).exists()} == set()
