"""What every test gets. In continuous integration hypothesis draws the same examples every time, so that a red run can
be repeated; at home it keeps looking for new ones.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("repeatable")
