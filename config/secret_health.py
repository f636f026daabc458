"""What can be said of a secret without its value: where it comes from and whether it is fresh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SecretState = Literal["fresh", "stale", "failed", "unread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretHealth:
    """`fresh`: proven lately. `stale`: the last good value is served while its source fails. `failed`: no value.
    `unread`: nobody asked yet. `error` is fit for print.
    """

    name: str
    source: str
    state: SecretState
    error: str = ""
