"""The `phantom` command. Importing this costs nothing; each command imports what it needs when it runs."""

from __future__ import annotations

import gc
import sys

from phantom import early_signals

PYTHONS_OWN = gc.get_threshold()
_COLLECT_AFTER = 50_000
"""New objects. Most of a short command is imports, which hold no garbage; `start` and `dev` go back to Python's own
number as soon as they have begun (`start.quick_imports`).
"""


def main() -> None:
    """Entry point of the console script; ends the process with the command's exit status."""
    daemon = sys.argv[1:2] == ["start"]
    if daemon:
        early_signals.heed()
    gc.set_threshold(_COLLECT_AFTER)
    from phantom.cli.frame import framed

    status = framed(_run, sys.argv[1:])
    # All memory goes back with the process: looking through it once more for cycles only keeps the caller waiting.
    gc.freeze()
    if daemon:
        early_signals.ignore()
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    # Before any import of a sibling package: a foreign one would fail later and with a riddle.
    from phantom._roots import check_roots

    check_roots()
    from phantom.cli.start import plainly

    status = plainly(arguments)
    if status is not None:
        return status
    from phantom.cli.app import run

    return run(arguments)
