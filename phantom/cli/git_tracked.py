"""Whether git keeps a file: a real secret is never written into one that it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from phantom.child_environment import lean_environment

PATIENCE = 10.0


def why_unsafe(path: Path) -> str:
    """Why no secret may be written to `path`, as far as git is concerned; "" when one may."""
    if not any((folder / ".git").exists() for folder in path.parents):
        return ""
    status = _git(path, "ls-files", "--error-unmatch", "--", path.name)
    if status == 0:
        return "git tracks it"
    return "" if status == 1 else "it is inside a git repository that cannot be asked whether it is tracked"


def would_be_added(path: Path) -> bool:
    """Whether `git add` would take it: it is inside a repository, and nothing ignores it."""
    inside = any((folder / ".git").exists() for folder in path.parents)
    return inside and _git(path, "check-ignore", "--quiet", "--", path.name) != 0


def _git(path: Path, *arguments: str) -> int | None:
    """The exit status of git in the file's folder, None when it cannot be run."""
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the name comes after `--`
            [program, "--literal-pathspecs", "-C", str(path.parent), *arguments],
            env=lean_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode
