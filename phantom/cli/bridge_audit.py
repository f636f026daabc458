"""`phantom bridge audit`: who logged in and who did what, from the data folder; the daemon need not run."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phantom.bridge.audit import rows
from phantom.bridge.setup import FOLDER
from phantom.cli.loading import load_config
from phantom.cli.output import print_json, print_rows
from phantom.clock import SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows. `hours`: not older than that."""

    secret: str | None
    action: str | None
    failed: bool
    hours: float | None
    last: int


def main(wanted: Wanted, *, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """The newest rows that fit, oldest first."""
    folder = load_config(config_dir, environ).core.data_dir / FOLDER
    since = None if wanted.hours is None else SystemClock().now() - wanted.hours * 3600
    found = deque((row for row in rows(folder) if _fits(row, wanted, since)), maxlen=wanted.last)
    if as_json:
        print_json(list(found))
    elif not found:
        print("nothing in the audit fits")
    else:
        print_rows(("when", "secret", "app", "what", "target", "outcome", "ms"), [_row(row) for row in found])
    return 0


def _fits(row: Mapping[str, Any], wanted: Wanted, since: float | None) -> bool:
    if wanted.secret is not None and row.get("secretId") != wanted.secret:
        return False
    if wanted.action is not None and row.get("action") != wanted.action:
        return False
    if wanted.failed and row.get("outcome") == "ok":
        return False
    return since is None or float(row.get("ts", 0)) >= since


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    target = row.get("target")
    where = " ".join(f"{name}={value}" for name, value in target.items()) if isinstance(target, Mapping) else ""
    outcome = str(row.get("outcome", ""))
    return (
        datetime.fromtimestamp(float(row.get("ts", 0)), UTC).isoformat(timespec="seconds"),
        str(row.get("secretId", "")),
        str(row.get("app", "")),
        str(row.get("action") or ("login" if row.get("kind") == "auth" else row.get("kind", ""))),
        where,
        f"{outcome} {row['code']}" if row.get("code") else outcome,
        str(row.get("ms", "")),
    )
