"""The same as `phantom secrets rotate webhook`, for those who know this name: `rotate_webhook_secret.py [--write]`.

Every option of that command works here. What does *not* live here: anything else.
"""

from __future__ import annotations

import sys

from phantom.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["secrets", "rotate", "webhook"]
    main()
