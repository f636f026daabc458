"""`phantom start` goes without the parser of flags where there are none, and only there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from phantom.cli.start import plainly


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["status"],
        ["start", "--help"],
        ["start", "--config"],
        ["start", "--config", "--port"],
        ["start", "--config", "a", "--port", "1"],
        ["start", "--port", "1"],
        ["--version"],
        ["start", "here"],
    ],
    ids=" ".join,
)
def test_flags_go_to_the_parser(arguments: list[str]) -> None:
    assert plainly(arguments) is None


def test_a_plain_start_does_not_load_the_parser(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("empty")
    code = (
        "import sys\n"
        "from phantom.cli.frame import framed\n"
        "from phantom.cli import _run\n"
        f"print(framed(_run, ['start', '--config', {str(folder)!r}]), 'typer' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, env={}, check=False)
    assert ran.stdout.splitlines()[-1] == "78 False", ran.stdout + ran.stderr
    assert "no channel is configured" in ran.stdout + ran.stderr
