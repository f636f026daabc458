"""`phantom bridge apps`: who is connected to the running daemon's bridge, with what, and how far behind."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from phantom.cli.frame import FAILED, NO_DAEMON
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json, print_rows
from phantom.cli.probe import ask


def main(*, config_dir: Path | None, environ: Mapping[str, str], timeout: float, as_json: bool) -> int:
    """0: it serves; 1: there is no bridge, or it does not serve; 3: no daemon answers."""
    core = load_config(config_dir, environ).core
    answer = ask(core.host, core.port, timeout)
    if answer.health is None:
        why = answer.trouble or "nothing listens there"
        print(plain(f"phantom: no daemon answers on {answer.address}: {why}"), file=sys.stderr)
        return NO_DAEMON
    bridge = answer.health.get("bridge")
    if not isinstance(bridge, Mapping):
        print("phantom: this daemon has no bridge; `phantom bridge secret new` makes the first secret", file=sys.stderr)
        return FAILED
    if as_json:
        print_json(bridge)
    else:
        _print(bridge)
    return 0 if bridge.get("state") == "serving" else FAILED


def _print(bridge: Mapping[str, object]) -> None:
    state, detail, cure = (str(bridge.get(key) or "") for key in ("state", "detail", "cure"))
    print(plain(f"bridge: {state}{': ' + detail if detail else ''}{' → ' + cure if cure else ''}"))
    apps = bridge.get("apps")
    if not isinstance(apps, list) or not apps:
        print("no app is connected")
        return
    print()
    print_rows(
        ("secret", "app", "version", "connected", "events", "granted", "behind"),
        [_row(app) for app in apps if isinstance(app, Mapping)],
    )


def _row(app: Mapping[str, object]) -> tuple[str, ...]:
    events, actions = app.get("events"), app.get("actions")
    granted = (
        f"{len(events) if isinstance(events, list) else 0} ev, {len(actions) if isinstance(actions, list) else 0} act"
    )
    return (
        str(app.get("secret")),
        str(app.get("app") or ""),
        str(app.get("version")),
        f"{app.get('connected_seconds')} s",
        str(app.get("events_out")),
        granted,
        f"{app.get('behind_bytes')} B",
    )
