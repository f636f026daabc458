"""Plugins that cannot be loaded are refused by name, channels and secret sources alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHANNEL = "from channels.webhook import DESCRIPTOR\nfrom dataclasses import replace\nFOUND = replace(DESCRIPTOR, {})\n"
SOURCE = "from config.source_registry import ENV\nfrom dataclasses import replace\nFOUND = replace(ENV, {})\n"


@pytest.mark.parametrize(
    ("group", "code", "says"),
    [
        ("phantom.channels", "FOUND = 7\n", "does not name a phantom.channel.Descriptor"),
        ("phantom.channels", CHANNEL.format("kind='lamp', api_version=99"), "wants channel API 99"),
        ("phantom.channels", CHANNEL.format("extra='lamp'"), "two plugins call their channel webhook"),
        ("phantom.channels", CHANNEL.format("kind='lamp'"), "loaded lamp"),
        ("phantom.secret_sources", "FOUND = 7\n", "does not name a phantom.secret_sources.SourceDescriptor"),
        ("phantom.secret_sources", SOURCE.format("kind='lamp', api_version=99"), "wants secret source API 99"),
        ("phantom.secret_sources", SOURCE.format("extra='lamp'"), "two plugins call their secret source env"),
        ("phantom.secret_sources", SOURCE.format("kind='lamp'"), "loaded lamp"),
    ],
)
def test_what_is_made_of_a_plugin(group: str, code: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "lamp_plugin.py").write_text(code)
    about = tmp_path / "lamp_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\nlamp = lamp_plugin:FOUND\n")
    find = "descriptors" if group == "phantom.channels" else "secret_sources"
    script = f"from phantom.plugins import {find}\nprint('loaded', *{find}())"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    told = ran.stdout if ran.returncode == 0 else ran.stderr
    assert all(word in told for word in says.split()), told
    assert says in told or says == "loaded lamp"
    assert (ran.returncode == 0) is (says == "loaded lamp")
