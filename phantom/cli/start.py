"""`phantom start` without the parser of flags, whose import takes 30 of the 500 ms until `/ready`.

What service managers run, `start` alone or with `--config DIR`, comes here at once; with other flags it comes through
the parser (`app.py`), and is the same from there on.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from phantom.cli import PYTHONS_OWN


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import much at once without the garbage collector, which would look through all of it again and again and find
    nothing. What is loaded then stays for good, so it is never looked at later either.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*PYTHONS_OWN)
        gc.enable()


def plainly(arguments: list[str]) -> int | None:
    """The exit status of a daemon that was started with no more than its configuration; None: the parser must look."""
    match arguments:
        case ["start"]:
            return start(None, dict(os.environ))
        case ["start", "--config", folder] if not folder.startswith("-"):
            return start(Path(folder), dict(os.environ))
    return None


def start(config_dir: Path | None, environ: Mapping[str, str]) -> int:
    """Run the daemon to its end; the result is its exit status."""
    with quick_imports():
        import phantom.logs  # first, so that structlog comes without rich
        import phantom.service  # noqa: F401 - the daemon would load it a moment later
        from phantom import daemon
        from phantom.cli.frame import redactor

    return daemon.run(config_dir=config_dir, environ=environ, redactor=redactor)
