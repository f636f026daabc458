"""What a check of the doctor's finds, as values. What does *not* live here: the checks, and printing."""

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
