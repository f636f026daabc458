"""The `phantom` command. Importing this costs nothing; each command imports what it needs when it runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script; ends the process with the command's exit status."""
    from phantom.cli.frame import framed

    sys.exit(framed(_run, sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    # Before any import of a sibling package: a foreign one would fail later and with a riddle.
    from phantom._roots import check_roots

    check_roots()
    from phantom.cli.app import run

    return run(arguments)
