"""The wheel: what it holds, what it does not, and that an installation from it alone runs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in this very environment, so without the network."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [entry for entry in archive.namelist() if entry.endswith(f".dist-info/{name}")]
        return archive.read(path).decode()


def test_the_top_level_names_are_the_three_roots(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"phantom", "channels", "config"}


def test_every_root_is_typed(names: list[str]) -> None:
    assert {"phantom/py.typed", "channels/py.typed", "config/py.typed"} <= set(names)


def test_no_test_cache_or_local_file_is_inside(names: list[str]) -> None:
    assert not [name for name in names if "test_" in name or "__pycache__" in name or name.endswith((".pyc", ".env"))]


def test_every_module_of_the_checkout_is_inside(names: list[str]) -> None:
    missing = set(modules()) - set(names)
    assert not missing


def modules() -> Iterator[str]:
    for top in ("phantom", "channels", "config"):
        yield from (str(path.relative_to(ROOT)) for path in (ROOT / top).rglob("*.py"))


def test_the_entry_points_are_the_command_and_the_channels(wheel: Path) -> None:
    declared = metadata(wheel, "entry_points.txt")
    assert "[console_scripts]\nphantom = phantom.cli:main" in declared
    assert "[phantom.channels]\n" in declared
    assert "slack = channels.slack:DESCRIPTOR" in declared


def test_the_licence_travels_along(wheel: Path) -> None:
    assert "Apache License" in metadata(wheel, "licenses/LICENSE")
    assert "License-Expression: Apache-2.0" in metadata(wheel, "METADATA")


def test_an_unpacked_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from phantom.cli import main; import sys; sys.argv = ['phantom', 'version']; main()"
    said = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert said.stdout.startswith("phantom")
