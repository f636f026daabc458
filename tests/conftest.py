"""What every test gets. In continuous integration hypothesis draws the same examples every time, so that a red run can
be repeated; at home it keeps looking for new ones.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

HUNT = os.environ.get("PHANTOM_LEAK_HUNT")
"""Where a hunted run (`make leak-hunt`) leaves what its tests printed."""

settings.register_profile("repeatable", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("repeatable")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a test printed and how it failed, for the search afterwards."""
    if HUNT is None or "PYTEST_XDIST_WORKER" in os.environ:
        return
    said = "\n".join((*(text for _, text in report.sections), report.longreprtext))
    if said.strip():
        with (Path(HUNT) / "printed.txt").open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"--- {report.nodeid} {report.when}\n{said}\n")
