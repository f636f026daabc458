"""The npm package `shardwire`, which the interop tests and the benchmark run beside us: where it is, how to get it.

    python -m scripts.shardwire      # into .interop/, which git ignores; exit status 3 when it cannot be had

`SHARDWIRE_PACKAGE` names a folder that holds the package already. Nothing of it is part of Phantom. What does *not*
live here: what is done with it (`tests/interop/`, `bench/bridge/`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "2.2.0"
VARIABLE = "SHARDWIRE_PACKAGE"
ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".interop"
CANNOT = 3
"""Exit status: it is not here and could not be fetched."""


class NotHere(Exception):
    """Why the package cannot be used, in one sentence."""


def find() -> Path:
    """The package's folder. Raises `NotHere`."""
    if shutil.which("node") is None:
        raise NotHere("Node.js is not installed")
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else CACHE / "node_modules" / "shardwire"
    try:
        found = json.loads((folder / "package.json").read_text()).get("version")
    except (OSError, ValueError):
        where = f"{VARIABLE} names no package" if named else "it was not fetched: run `make interop`"
        raise NotHere(where) from None
    if found != VERSION:
        raise NotHere(f"version {found} is there, {VERSION} is wanted")
    return folder


def fetch() -> str:
    """Get it with npm. "" when it is there afterwards, else why not."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    CACHE.mkdir(exist_ok=True)
    (CACHE / "package.json").write_text('{"private": true}\n')
    wanted = [f"shardwire@{VERSION}", "ws@8"]
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(CACHE), *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return "npm did not finish within five minutes"
    if done.returncode == 0:
        return ""
    if "E404" in done.stderr:
        return f"the registry has no shardwire {VERSION}"
    return next((line for line in done.stderr.splitlines() if "code E" in line), "npm failed").removeprefix(
        "npm error "
    )


def main() -> int:
    """Make sure that it is there."""
    try:
        find()
    except NotHere as missing:
        why = str(missing) if os.environ.get(VARIABLE) else fetch()
        if why:
            print(f"shardwire {VERSION} cannot be had ({why}): what needs it is skipped, nothing was checked")
            return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
