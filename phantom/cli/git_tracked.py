"""Whether git keeps a file: a real secret is never written into one that it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from phantom.child_environment import lean_environment

PATIENCE = 10.0
_TAKE_OUT = "take it out of git (git rm --cached), and rotate what it ever held; --force does not help"
_ASK = "run it where git is installed and may read the repository, or keep the file elsewhere; --force does not help"


def why_unsafe(path: Path) -> tuple[str, str]:
    """Why no secret may be written to `path`, as far as git is concerned, and the cure; "" twice when one may."""
    if not _inside(path):
        return "", ""
    status = _tracked(path)
    if status == 0:
        return (
            "git tracks it",
            "take it out of git (git rm --cached), and rotate what it ever held; --force does not help",
        )
    if status == 1:
        return "", ""
    cure = (
        "run it where git is installed and may read the repository, or keep the file elsewhere; --force does not help"
    )
    return "it is inside a git repository that cannot be asked whether it is tracked", cure


def would_be_added(path: Path) -> bool:
    """Whether `git add` would take it anew: it is inside a repository that neither has it nor ignores it."""
    return _inside(path) and _tracked(path) == 1 and _git(path, "check-ignore", "--quiet", "--", path.name) == 1


def _inside(path: Path) -> bool:
    return any((folder / ".git").exists() for folder in path.parents)


def _tracked(path: Path) -> int | None:
    """0: it is, 1: it is not; another status when git cannot tell."""
    return _git(path, "ls-files", "--error-unmatch", "--", path.name)


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
