"""The end of a daemon that has closed everything: nothing that is left may keep its process from ending.

Python waits for every task that it cancels and for every thread. An agent that takes no notice of being cancelled, or a
library that waits in a system call, would hold a stopped daemon for ever, and with it the start of the next one. What
does *not* live here: closing things (`service.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading

import structlog

log = structlog.get_logger("phantom.daemon")

LAST_SECONDS = 3.0


def limit(status: int, loop: asyncio.AbstractEventLoop, seconds: float = LAST_SECONDS) -> None:
    """End the process with `status` when it still lives after so many seconds. Everything durable is written by now."""
    timer = threading.Timer(seconds, _end, (status, loop))
    timer.daemon = True
    timer.start()


def _end(status: int, loop: asyncio.AbstractEventLoop) -> None:
    tasks = [] if loop.is_closed() else [task.get_name() for task in asyncio.all_tasks(loop)]
    threads = [one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
    cure = "nothing is lost; look at the agent or the tool that takes no notice of being cancelled"
    log.warning("ended_by_force", tasks=sorted(tasks), threads=sorted(threads), cure=cure)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(status)
