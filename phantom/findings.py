"""What a channel's doctor finds, as values. What does *not* live here: the checks, and printing (`phantom/cli/`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a diagnosis. `cure` is empty where there is nothing to do."""

    level: Level
    what: str
    cure: str = ""


def ok(what: str) -> Finding:
    """All is well."""
    return Finding(level=Level.OK, what=what)


def warn(what: str, cure: str) -> Finding:
    """Works, but not as most people want it."""
    return Finding(level=Level.WARN, what=what, cure=cure)


def fail(what: str, cure: str) -> Finding:
    """Does not work."""
    return Finding(level=Level.FAIL, what=what, cure=cure)
