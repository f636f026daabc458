"""`phantom status`: what the running daemon says of itself. Its output holds no secret and may be pasted."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from phantom.cli.frame import FAILED, NO_DAEMON
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json, print_rows
from phantom.cli.probe import Answer, ask
from phantom.errors import ConfigError


def main(*, config_dir: Path | None, environ: Mapping[str, str], timeout: float, as_json: bool) -> int:
    """0: healthy; 1: it runs and something is wrong; 3: no Phantom answers."""
    host, port = _address(config_dir, environ)
    answer = ask(host, port, timeout)
    if answer.health is None:
        return _nobody(answer, as_json)
    if as_json:
        print_json(answer.health)
    else:
        _print(answer.health, answer.address)
    return 0 if answer.health.get("status") == "ok" else FAILED


def _address(config_dir: Path | None, environ: Mapping[str, str]) -> tuple[str, int]:
    try:
        core = load_config(config_dir, environ).core
    except ConfigError as error:
        port = environ.get("PORT", "")
        host, number = environ.get("PHANTOM_HOST", "127.0.0.1"), int(port) if port.isdecimal() else 3100
        print(plain(f"phantom: the configuration has an error ({error}); asking {host}:{number}"), file=sys.stderr)
        return host, number
    return core.host, core.port


def _nobody(answer: Answer, as_json: bool) -> int:
    what = answer.trouble or "nothing listens there"
    if as_json:
        print_json({"status": "down", "address": answer.address, "detail": what})
    print(
        plain(
            f"phantom: no daemon answers on {answer.address}: {what} — start one with `phantom start` "
            "(`phantom dev` to try it), or name its port with --port"
        ),
        file=sys.stderr,
    )
    return NO_DAEMON


def _print(health: Mapping[str, object], address: str) -> None:
    journal, turns = _mapping(health.get("journal")), _mapping(health.get("turns"))
    up = _duration(health.get("uptime_seconds"))
    print(plain(f"{health.get('name')}: {health.get('status')}, Phantom {health.get('version')} on {address}, up {up}"))
    print(plain(f"agent:   {health.get('agent') or 'not loaded yet'}"))
    print(plain(f"turns:   {turns.get('state')}, {turns.get('running')} under way"))
    if turns.get("fault"):
        print(plain(f"         {turns.get('fault')}"))
    print(plain(f"journal: {journal.get('fault') or 'writes'}, {journal.get('backlog')} waiting"))
    sealed = _mapping(health.get("encryption"))
    if sealed:
        print(plain(f"sealed:  {_sealed(sealed)}"))
    channels = _mapping(health.get("channels"))
    rows = [_row(name, _mapping(channel)) for name, channel in channels.items()]
    if rows:
        print()
        print_rows(("channel", "state", "last event", "restarts", "detail"), rows)
    cures = [f"{name}: {_mapping(channel).get('cure')}" for name, channel in channels.items()
             if _mapping(channel).get("cure")]  # fmt: skip
    if turns.get("cure"):
        cures.append(f"turns: {turns.get('cure')}")
    warnings = health.get("warnings")
    for line in [*cures, *(map(str, warnings) if isinstance(warnings, list) else ())]:
        print(plain(f"→ {line}"))


def _sealed(found: Mapping[str, object]) -> str:
    """The encryption of the data folder in words."""
    left, state = found.get("values_left"), found.get("state")
    key = f"under the key {found['sealing']}" if found.get("sealing") else "plain from now on"
    going = (
        "everything is"
        if state == "done" and not left
        else f"re-encrypting, {'?' if left is None else left} value(s) left"
    )
    old = found.get("may_be_retired")
    drop = f"; may be retired: {', '.join(map(str, old))}" if isinstance(old, list) and old else ""
    return f"{key}, {going}{drop}"


def _row(name: str, channel: Mapping[str, object]) -> tuple[str, ...]:
    age = channel.get("last_event_age_seconds")
    last = "none yet" if age is None else f"{_duration(age)} ago"
    return name, str(channel.get("state")), last, str(channel.get("restarts", 0)), str(channel.get("detail") or "")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _duration(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return "?"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
