"""The how-to's channel works: it passes the conformance suite as printed, and the daemon runs it as a plugin."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from phantom.testing.daemon_process import DaemonProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-a-channel.md").read_text()
BLOCKS = re.findall(r"^```python\n# ([\w.]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ENTRY = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]


def write(folder: Path) -> None:
    """The page's modules, and the metadata that an installer would leave beside them."""
    for name, text in BLOCKS:
        (folder / name).write_text(text)
    info = folder / "drop_channel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drop-channel\nVersion: 1.0\n")
    name, value = re.search(r'^(\w+) = "(.+)"$', ENTRY, re.MULTILINE).groups()  # type: ignore[union-attr]
    (info / "entry_points.txt").write_text(f"[phantom.channels]\n{name} = {value}\n")


def test_the_channel_conforms(tmp_path: Path) -> None:
    write(tmp_path)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "test_drop.py",
    ]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "passed" in run.stdout


async def test_the_daemon_runs_it_as_a_plugin(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    env = {"DROP_FOLDER": str(tmp_path)}
    async with DaemonProcess(env=env, data_dir=tmp_path / "data", python_path=[tmp_path]) as daemon:
        health = await daemon.health()
        assert health["channels"]["drop"]["state"] == "ready"
        note = tmp_path / "in" / "note1.part"
        note.write_text('{"from": "ann", "text": "echo hello"}')
        note.rename(note.with_suffix(".json"))  # whole or not at all: the daemon looks 20 times a second
        async with asyncio.timeout(30):
            while not any(one.stat().st_size for one in (tmp_path / "out").glob("*.txt")):
                await asyncio.sleep(0.05)
        (answer,) = (tmp_path / "out").glob("*.txt")
        assert "hello" in answer.read_text()
        assert await daemon.stop() == 0
