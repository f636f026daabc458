"""Whether the webhook secret may be rotated or its backup retired now: the rules, and nothing that writes.

What does *not* live here: where the secrets are kept (`rotate_places.py`) and the commands (`secrets_rotate.py`).
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from channels.webhook.secret_format import CURE, PREFIX, why_unfit
from config.inventory_keeper import days
from phantom.cli.rotate_places import Pair, Place, SecretFiles

FRESH_BYTES = 32
_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of the backup. Times are epoch seconds. `counted`: a daemon counts the endpoint's uses;
    `last_used` is the backup's last one, `since` when the backup got its present value.
    """

    counted: bool
    last_used: float | None
    since: float


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why not, what helps, and whether `--force` does."""

    what: str
    cure: str
    forceable: bool = False


def against_rotating(pair: Pair, place: Place, evidence: Evidence, *, now: float, window: float) -> list[Obstacle]:
    """Everything that speaks against moving the default to the backup."""
    default, backup = place.names
    unfit = why_unfit(pair.default)
    if unfit:
        return [Obstacle(f"{default} {unfit}", CURE)]
    if not pair.backup:
        return []
    if pair.backup == pair.default:
        # Of two files, one is written before the other: this is what an interrupted rotation leaves.
        if isinstance(place, SecretFiles):
            return []
        cure = "clear the backup first: phantom secrets retire webhook --write"
        return [Obstacle(f"{backup} is the same secret as {default}", cure)]
    unfit = why_unfit(pair.backup)
    if unfit:
        return [Obstacle(f"{backup} {unfit}", "clear it first: phantom secrets retire webhook --write")]
    return list(_still_needed(backup, evidence, now, window))


def against_retiring(pair: Pair, place: Place, evidence: Evidence, *, now: float, window: float) -> list[Obstacle]:
    """Everything that speaks against clearing the backup."""
    default, backup = place.names
    if not pair.backup:
        return [Obstacle(f"{backup} is not set: there is nothing to retire", "")]
    unfit = why_unfit(pair.default)
    if unfit:
        return [Obstacle(f"{default} {unfit}, so the backup is all there is", CURE)]
    if pair.backup == pair.default or why_unfit(pair.backup):
        return []  # it lets nobody in whom the default does not
    return list(_still_needed(backup, evidence, now, window))


def _still_needed(backup: str, evidence: Evidence, now: float, window: float) -> Iterator[Obstacle]:
    span = days(window)
    force = "wait, or use --force: senders that still hold it are refused then"
    # A time in the future counts as just now: a clock that went back proves nothing.
    if now - evidence.since < window:
        yield Obstacle(f"{backup} is only {days(now - evidence.since)} old; senders get {span}", force, forceable=True)
    if not evidence.counted:
        what = f"no daemon has counted who uses {backup} (no usage.json in the channel's data folder)"
        yield Obstacle(what, "name the daemon's folder with --data-dir, or use --force", forceable=True)
    elif evidence.last_used is not None and now - evidence.last_used < window:
        ago = days(now - evidence.last_used)
        yield Obstacle(f"{backup} is in use: it verified a post {ago} ago, within {span}", force, forceable=True)


def fresh_like(text: str) -> str:
    """A fresh secret of 32 random bytes: hex when `text` is, else `whsec_` and base64."""
    if _HEX.fullmatch(text):
        return secrets.token_hex(FRESH_BYTES)
    return PREFIX + base64.b64encode(secrets.token_bytes(FRESH_BYTES)).decode()
