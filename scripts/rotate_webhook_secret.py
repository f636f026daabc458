"""The same as `phantom secrets rotate webhook`, for those who know this name: `rotate_webhook_secret.py [--write]`.

Every option of that command works here. What does *not* live here: anything else.
"""

from __future__ import annotations

import sys

try:
    from phantom.cli import main
except ModuleNotFoundError:
    sys.exit(f"phantom is not installed for {sys.executable} — run this with the Python that has it: .venv/bin/python")

if __name__ == "__main__":
    sys.argv[1:1] = ["secrets", "rotate", "webhook"]
    main()
