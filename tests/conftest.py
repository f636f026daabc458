"""What every test gets. In continuous integration hypothesis draws the same examples every time, so that a red run can
be repeated; at home it keeps looking for new ones.
"""

from __future__ import annotations

import atexit
import os
import shutil
import ssl
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from tests import preloaded

HUNT = os.environ.get("PHANTOM_LEAK_HUNT")
"""Where a hunted run (`make leak-hunt`) leaves what its tests printed."""

settings.register_profile("untimed", deadline=None)
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable" if os.environ.get("CI") else "untimed")


def _trust_one_authority() -> None:
    """Set SSL_CERT_FILE to a file that holds the first of this machine's authorities. No test speaks TLS to the world,
    yet every process with an HTTP client reads the whole list at its start, which costs it 80 ms of computing.
    """
    known = ssl.get_default_verify_paths().cafile
    if known is None or "SSL_CERT_FILE" in os.environ:
        return
    end = "-----END CERTIFICATE-----\n"
    folder = tempfile.mkdtemp(prefix="phantom-authority-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    one = Path(folder) / "one.pem"
    one.write_text(Path(known).read_text(encoding="utf-8", errors="replace").partition(end)[0] + end)
    os.environ["SSL_CERT_FILE"] = str(one)


_trust_one_authority()
if not os.environ.get("PHANTOM_PROVE") and os.environ.get("PHANTOM_PRELOAD") != "0":
    preloaded.install()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test printed and how it failed, for the search afterwards."""
    if HUNT is None or "PYTEST_XDIST_WORKER" in os.environ:
        return
    said = "\n".join((*(text for _, text in report.sections), report.longreprtext))
    if said.strip():
        with (Path(HUNT) / "printed.txt").open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"--- {report.nodeid} {report.when}\n{said}\n")
