"""Signals before the event loop takes them (`service.py`), and after it has let go of them again.

    heed()                  at the very start, and once everything is closed
    hang_up_was_asked()     whether a SIGHUP came that nobody could obey; asking forgets it
    ignore()                for the last few milliseconds, in which Python takes itself apart

Left to themselves, SIGHUP would end a daemon that a rotation asks to read its secrets again, and SIGTERM would be
ignored where the daemon is process 1 of a container. Imports nothing that takes time.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)
_hang_ups: list[int] = []


def heed() -> None:
    """SIGTERM and SIGINT end the process with status 0, now: nothing is open yet, or any more. SIGHUP is noted."""
    for number in STOP:
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, _note)


def hang_up_was_asked() -> bool:
    """Whether a SIGHUP has come since the last time that this was asked."""
    asked = bool(_hang_ups)
    _hang_ups.clear()
    return asked


def ignore() -> None:
    """Take no more notice. Python forgets handlers before it has ended, and the process would seem to be killed."""
    for number in (*STOP, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> None:
    # Not by an exception, which would come out of whatever import or destructor runs just now.
    os._exit(0)


def _note(number: int, frame: FrameType | None) -> None:
    _hang_ups.append(number)
