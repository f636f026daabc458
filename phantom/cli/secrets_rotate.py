"""`phantom secrets rotate|retire webhook`: the plan, and with `--write` the deed. No value is ever printed.

Rotating makes the default the backup and writes a fresh default; retiring clears the backup. What does *not* live here:
the rules (`rotate_rules.py`), and how a file is replaced (`config/whole_file.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from channels.webhook import usage
from config.inventory_file import InventoryFile, State
from config.inventory_keeper import days
from config.secrets_settings import seconds
from config.whole_file import Step, folder_lock, no_step, not_replaced
from phantom.cli.daemon_signal import hang_up
from phantom.cli.git_tracked import why_unsafe, would_be_added
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json
from phantom.cli.rotate_places import Pair, Place, writable
from phantom.cli.rotate_rules import Evidence, Obstacle, against_retiring, against_rotating, fresh_like
from phantom.cli.rotate_target import Target, find
from phantom.cli.secrets_list import quiet
from phantom.clock import SystemClock
from phantom.errors import ConfigError
from phantom.secrets import fingerprint, held

if TYPE_CHECKING:
    from config import LoadedConfig

REFUSED = 1
WINDOW = "24h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for. `window` is a time such as 24h, `file` None for what the configuration says."""

    action: Literal["rotate", "retire"]
    endpoint: str = "default"
    file: Path | None = None
    window: str = WINDOW
    write: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What daemons left in the data folder: the key of fingerprints (None: there is none), and times."""

    data_dir: Path
    key: bytes | None
    state: State

    def print_of(self, name: str, text: str) -> str:
        """The fingerprint of a value, "" when there is none to tell."""
        return fingerprint(held(name, text), self.key) if text and self.key else ""

    def since(self, name: str, text: str) -> float | None:
        """When a daemon first saw the secret have this value."""
        seen = self.state.secrets.get(name)
        return seen.changed_at if seen and seen.fingerprint and seen.fingerprint == self.print_of(name, text) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would happen, and what speaks against it."""

    wanted: Wanted
    target: Target
    pair: Pair
    evidence: Evidence
    memory: Memory
    obstacles: tuple[Obstacle, ...]
    now: float

    @property
    def refused(self) -> bool:
        """Whether anything stands in the way that `--force` does not move, or was not told to."""
        return any(not (one.forceable and self.wanted.force) for one in self.obstacles)


def main(
    wanted: Wanted, *, config_dir: Path | None, environ: Mapping[str, str], as_json: bool, step: Step = no_step
) -> int:
    """0: the plan can be done, or was; 1: refused, and nothing was changed. Raises `ConfigError` for what is wrong with
    the configuration as a whole. `step` is told each step of writing before it is taken.
    """
    window = _window(wanted.window)
    loaded = load_config(config_dir, environ)
    quiet()
    try:
        return _turn(wanted, loaded, window, as_json=as_json, step=step)
    except ConfigError as error:
        return _refuse(error, as_json=as_json)


def _turn(wanted: Wanted, loaded: LoadedConfig, window: float, *, as_json: bool, step: Step) -> int:
    target = find(loaded, wanted.endpoint, wanted.file)
    memory = _remembered(loaded)
    if not wanted.write:
        return _show(_plan(wanted, target, memory, window), as_json=as_json)
    place = target.place
    with folder_lock(place.folder):
        plan = _plan(wanted, target, memory, window)
        if plan.refused:
            return _show(plan, as_json=as_json)
        try:
            _do(wanted, place, plan.pair, step)
        except OSError as error:
            raise not_replaced(error, place.paths[-1]) from error
        after = place.read()
    told = not place.watched and hang_up(memory.data_dir)
    return _show(plan, as_json=as_json, after=after, told=told)


def _do(wanted: Wanted, place: Place, pair: Pair, step: Step) -> None:
    if wanted.action == "rotate":
        place.rotate(fresh_like(pair.default), step)
    else:
        place.retire(step)


def _window(text: str) -> float:
    try:
        window = seconds(text)
    except ValueError as error:
        raise ConfigError(str(error), where="--window", hint="such as 24h or 7d") from None
    if not window:
        raise ConfigError("must be a time", where="--window", hint="such as 24h; --force does without")
    return window


def _remembered(loaded: LoadedConfig) -> Memory:
    data_dir = loaded.core.data_dir.expanduser().resolve()
    file = InventoryFile(data_dir)
    return Memory(data_dir=data_dir, key=file.key(), state=file.load())


def _plan(wanted: Wanted, target: Target, memory: Memory, window: float) -> Plan:
    now = SystemClock().now()
    place = target.place
    pair = place.read()
    evidence = _evidence(target, pair, memory)
    obstacles = []
    for path in place.paths:
        unsafe, cure = why_unsafe(path)
        if unsafe:
            obstacles.append(Obstacle(f"{path}: {unsafe}", cure))
    closed = writable(place)
    if closed:
        obstacles.append(Obstacle(closed, "run it as the file's owner, or change the secret where it is managed"))
    rules = against_rotating if wanted.action == "rotate" else against_retiring
    obstacles += rules(pair, place, evidence, now=now, window=window)
    if wanted.action == "retire" and not target.may_be_unset:
        what = f"the endpoint {wanted.endpoint} does not start without its secret_backup"
        obstacles.append(Obstacle(what, "remove secret_backup from channels.yaml and restart the daemon"))
    return Plan(
        wanted=wanted,
        target=target,
        pair=pair,
        evidence=evidence,
        memory=memory,
        obstacles=tuple(obstacles),
        now=now,
    )


def _evidence(target: Target, pair: Pair, memory: Memory) -> Evidence:
    used = usage.read(memory.data_dir / target.channel).get(target.endpoint)
    since = memory.since(target.secrets[1], pair.backup)
    return Evidence(
        counted=used is not None,
        last_used=None if used is None else used["backup"].last_used,
        since=pair.written_at if since is None else since,
    )


def _show(plan: Plan, *, as_json: bool, after: Pair | None = None, told: bool = False) -> int:
    status = REFUSED if plan.refused else 0
    if as_json:
        print_json(_as_json(plan, after, told))
        return status
    for line in _lines(plan, after, told):
        print(plain(line))
    return status


def _refuse(error: ConfigError, *, as_json: bool) -> int:
    """There is no plan: the secrets cannot be found, read or written."""
    what = f"{error.where}: {error.message}" if error.where else error.message
    if as_json:
        print_json({"refused": True, "against": [{"what": what, "cure": error.hint, "forceable": False}]})
    else:
        print(plain(f"refused: {what}{f' — {error.hint}' if error.hint else ''}"))
    return REFUSED


def _lines(plan: Plan, after: Pair | None, told: bool) -> list[str]:
    place, action = plan.target.place, plan.wanted.action
    default, backup = place.names
    lines = [f"{action} the webhook secret of /webhook/{plan.target.endpoint}"]
    lines += [f"  file      {path}" for path in place.paths]
    for slot, (name, print_, age) in {"default": _slot(plan, 0), "backup": _slot(plan, 1)}.items():
        lines.append(f"  {slot:<9} {name}: {print_ or 'not set'}{f', {age}' if age else ''}")
    lines += [f"  against   {one.what}{f' — {one.cure}' if one.cure else ''}" for one in plan.obstacles]
    lines += [f"  note      {path} is not ignored by git: add it to .gitignore" for path in _addable(plan)]
    if after is None:
        steps = f"{backup} becomes what {default} is, and {default} a fresh 32-byte secret"
        steps = steps if action == "rotate" else f"{backup} is cleared"
        lines.append("refused: nothing is changed" if plan.refused else f"--write would do this: {steps}")
        return lines
    lines.append(f"done: {default} {_print(plan, 0, after.default)}, {backup} {_print(plan, 1, after.backup)}")
    if action == "rotate":
        lines.append(f"give senders the new {default}; it is in {place.paths[-1]}, and the old one is good until")
        until = "you run `phantom secrets retire webhook --write`" if plan.target.may_be_unset else "the next rotation"
        lines.append(until)
    lines.append(_taken(place, told))
    return lines


def _taken(place: Place, told: bool) -> str:
    if place.watched:
        return "a running daemon notices it within seconds"
    if told:
        return "the daemon was told to read it again (SIGHUP)"
    return "no daemon was found on this data folder; if one runs elsewhere, send it a SIGHUP"


def _print(plan: Plan, slot: int, text: str) -> str:
    if not text:
        return "not set"
    return plan.memory.print_of(plan.target.secrets[slot], text) or "set (fingerprints begin with a daemon's start)"


def _slot(plan: Plan, slot: int) -> tuple[str, str, str]:
    """Its name, its fingerprint ("" when unset) and its age in words."""
    text = plan.pair.backup if slot else plan.pair.default
    if not text:
        return plan.target.place.names[slot], "", ""
    since = plan.evidence.since if slot else plan.memory.since(plan.target.secrets[slot], text)
    age = "age unknown" if since is None else f"{days(plan.now - since)} old"
    if slot and plan.evidence.counted:
        last = plan.evidence.last_used
        age += ", never used" if last is None else f", last used {days(plan.now - last)} ago"
    return plan.target.place.names[slot], _print(plan, slot, text), age


def _addable(plan: Plan) -> list[Path]:
    return [path for path in plan.target.place.paths if would_be_added(path)]


def _as_json(plan: Plan, after: Pair | None, told: bool) -> Mapping[str, object]:
    names = plan.target.place.names
    shown = after or plan.pair
    return {
        "action": plan.wanted.action,
        "endpoint": plan.target.endpoint,
        "files": [str(path) for path in plan.target.place.paths],
        "default": {"name": names[0], "fingerprint": plan.memory.print_of(plan.target.secrets[0], shown.default)},
        "backup": {
            "name": names[1],
            "fingerprint": plan.memory.print_of(plan.target.secrets[1], shown.backup),
            "set": bool(shown.backup),
            "last_used": plan.evidence.last_used,
            "since": plan.evidence.since or None,
        },
        "against": [{"what": one.what, "cure": one.cure, "forceable": one.forceable} for one in plan.obstacles],
        "refused": plan.refused,
        "written": after is not None,
        "daemon_told": told,
    }
