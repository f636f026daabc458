"""The start-up guard, proved in fresh interpreters: what counts is what `import config` would really take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import phantom
from phantom._roots import SIBLINGS, check_roots, found_at
from phantom.errors import ConfigError

HOME = Path(phantom.__file__).parent.parent
GUARD = "from phantom._roots import check_roots; check_roots()"


def guard(pythonpath: Path, code: str = GUARD) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(pythonpath)}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)


def a_package(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("raise SystemExit('a foreign package was imported')\n")
    return folder


def test_the_installation_under_test_is_sound() -> None:
    check_roots()
    assert {found_at(name) for name in SIBLINGS} == {HOME / "channels", HOME / "config"}


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_foreign_package_is_named_with_its_place_and_cure_and_never_imported(tmp_path: Path, name: str) -> None:
    result = guard(a_package(tmp_path, name))
    assert result.returncode == 1
    assert "a foreign package was imported" not in result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert str(tmp_path / name) in last
    assert "virtual environment" in last
    assert "PYTHONPATH" in last


def test_a_foreign_single_file_module_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("")
    result = guard(tmp_path)
    assert result.returncode == 1
    assert str(tmp_path / "config.py") in result.stderr


def test_a_foreign_module_that_is_loaded_already_is_found(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("")
    result = guard(tmp_path, f"import config, sys; sys.path.remove({str(tmp_path)!r}); {GUARD}")
    assert result.returncode == 1
    assert "config.py" in result.stderr


def test_a_folder_without_init_does_not_shadow_ours(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    assert guard(tmp_path).returncode == 0


def test_a_damaged_installation_says_reinstall(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reinstall") as caught:
        check_roots(tmp_path)
    assert caught.value.where == "installation"
