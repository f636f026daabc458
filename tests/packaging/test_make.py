"""The commands that everyone learns, as far as they can be tried without installing anything."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("setup", "run", "test", "check", "fix", "docs", "bench")


def make(*arguments: str, cwd: Path = ROOT, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    environ = {"PATH": path, "HOME": str(cwd)}
    command = [shutil.which("make") or "make", *arguments]
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=100, check=False)


def test_make_alone_lists_every_target() -> None:
    listed = make().stdout
    assert all(re.search(rf"^  make {target} +\S", listed, re.MULTILINE) for target in TARGETS)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A clean clone without an environment."""
    for name in ("Makefile", "scripts/install", "pyproject.toml", "requirements/build.txt", "requirements/run.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def tools(folder: Path, python: str) -> str:
    """A PATH with the shell's tools and nothing but `python` as Python."""
    folder.mkdir()
    for name in ("sh", "dirname", "printf", "rm", "touch", "cat", "echo"):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    if python:
        (folder / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (folder / "python3").chmod(0o755)
    return str(folder)


def test_without_a_new_enough_python_the_cure_is_named(bare: Path) -> None:
    said = make("run", cwd=bare, path=tools(bare / "bin", "exit 1"))
    assert said.returncode != 0
    assert "no Python 3.11 or newer found" in said.stderr
    assert "apt install python3" in said.stderr
    assert not (bare / ".venv").exists()


def test_without_ensurepip_the_debian_package_is_named(bare: Path) -> None:
    # Debian's python3 without python3-venv: version questions succeed, `import ensurepip` does not.
    said = make("run", cwd=bare, path=tools(bare / "bin", 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac'))
    assert said.returncode != 0
    assert "apt install python3-venv" in said.stderr
    assert not (bare / ".venv").exists()
