"""`phantom secrets rotate|retire encryption`: the plan, and with `--write` the deed. No key is ever printed.

Rotating puts a fresh key in front of the ring, or makes the first; retiring drops keys that nothing is sealed with.
What does *not* live here: where the ring stands (`encryption_place.py`), its text (`phantom/storage/key_ring.py`).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config.whole_file import Step, folder_lock, no_step, not_replaced
from phantom.cli.daemon_signal import hang_up
from phantom.cli.encryption_place import KeyPlace, find
from phantom.cli.git_tracked import why_unsafe, would_be_added
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json
from phantom.cli.rotate_rules import Obstacle
from phantom.cli.secrets_list import quiet
from phantom.errors import ConfigError, PhantomError
from phantom.storage.key_ring import MAX_KEYS, RESTORE, WHERE, Key, Ring, fresh_key, parse_ring
from phantom.storage.seal_scan import keys_noted, sealed_under

REFUSED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for. `file` None: what the configuration says."""

    action: Literal["rotate", "retire"]
    file: Path | None = None
    write: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would happen, and what speaks against it. `rows` are values by key id, `noted` what a daemon still needs."""

    wanted: Wanted
    place: KeyPlace
    before: Ring | None
    after: Ring | None
    rows: Counter[str]
    noted: frozenset[str]
    obstacles: tuple[Obstacle, ...]

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
    loaded = load_config(config_dir, environ)
    quiet()
    data_dir = loaded.core.data_dir.expanduser().resolve()
    try:
        place = find(loaded, environ, wanted.file)
        if not wanted.write:
            return _show(_plan(wanted, place, data_dir), as_json=as_json)
        with folder_lock(place.path.parent):
            plan = _plan(wanted, place, data_dir)
            if plan.refused or plan.after is None:
                return _show(plan, as_json=as_json)
            place.write(plan.after.text, step)
        return _show(plan, as_json=as_json, told=not place.watched and hang_up(data_dir), done=True)
    except OSError as error:
        return _refuse(not_replaced(error, Path(error.filename or ".")), as_json=as_json)
    except PhantomError as error:
        return _refuse(error, as_json=as_json)


def _plan(wanted: Wanted, place: KeyPlace, data_dir: Path) -> Plan:
    text = place.read()
    try:
        rows, noted = (
            (sealed_under(data_dir), keys_noted(data_dir)) if data_dir.exists() else (Counter[str](), set[str]())
        )
    except sqlite3.Error as error:
        raise ConfigError(f"cannot be searched: {error}", where=str(data_dir), hint="check the data folder") from error
    before = parse_ring(text) if text else None
    lost = sorted((set(rows) | noted) - set(before.ids if before else ()))
    obstacles = []
    unsafe, cure = why_unsafe(place.path)
    if unsafe:
        obstacles.append(Obstacle(f"{place.path}: {unsafe}", cure))
    if lost:
        what = f"the data folder has rows sealed with {', '.join(lost)}, which {WHERE} does not hold"
        obstacles.append(Obstacle(what, RESTORE, forceable=bool(before) and wanted.action == "retire"))
    after, against = _rotated(before) if wanted.action == "rotate" else _retired(before, rows, noted, wanted.force)
    return Plan(
        wanted=wanted,
        place=place,
        before=before,
        after=after,
        rows=rows,
        noted=frozenset(noted),
        obstacles=(*obstacles, *against),
    )


def _rotated(before: Ring | None) -> tuple[Ring | None, list[Obstacle]]:
    old = () if before is None else before.keys
    if len(old) >= MAX_KEYS:
        return None, [Obstacle(f"the ring holds {len(old)} keys", "phantom secrets retire encryption --write")]
    return Ring(keys=(fresh_key(), *old)), []


def _retired(
    before: Ring | None, rows: Counter[str], noted: set[str], force: bool
) -> tuple[Ring | None, list[Obstacle]]:
    if before is None:
        return None, [Obstacle(f"{WHERE} is not set: there is nothing to retire", "")]
    old = [key for key in before.keys if key is not before.sealing]
    if not old:
        return None, [Obstacle("the ring holds one key: there is nothing to retire", "")]
    needed = [key for key in old if rows[key.id] or key.id in noted]
    against = [_still_needed(key, rows[key.id]) for key in needed]
    kept = [key for key in before.keys if key is before.sealing or (key in needed and not force)]
    # Some may go although others must stay.
    may_go = len(kept) < len(before.keys)
    return Ring(keys=tuple(kept), plain=before.plain), [] if may_go and not force else against


def _still_needed(key: Key, rows: int) -> Obstacle:
    what = f"{rows} stored value(s) are" if rows else "a daemon has not yet confirmed that nothing is"
    cure = "let the daemon run until its /health says done; --force loses for good what is under the key"
    return Obstacle(f"{what} sealed with the key {key.id}", cure, forceable=True)


def _show(plan: Plan, *, as_json: bool, told: bool = False, done: bool = False) -> int:
    status = REFUSED if plan.refused else 0
    if as_json:
        print_json(_as_json(plan, done))
        return status
    for line in _lines(plan, told, done):
        print(plain(line))
    return status


def _lines(plan: Plan, told: bool, done: bool) -> list[str]:
    before, after = plan.before, plan.after
    lines = [f"{plan.wanted.action} the encryption key", f"  file      {plan.place.path}"]
    if before is None:
        lines.append("  ring      not set")
    else:
        lines += ["  ring      plain: nothing new is sealed"] * before.plain
        for key in before.keys:
            role = "seals" if key is before.sealing else "opens"
            lines.append(f"  {role:<9} {key.id}: {plan.rows[key.id]} stored value(s)")
    lines += [f"  against   {one.what}{f' — {one.cure}' if one.cure else ''}" for one in plan.obstacles]
    if would_be_added(plan.place.path):
        lines.append(f"  note      {plan.place.path} is not ignored by git: add it to .gitignore")
    if plan.refused or after is None:
        return [*lines, "refused: nothing is changed"]
    lines.append(f"{'done' if done else '--write would do this'}: {_change(plan)}")
    if not done:
        return lines
    if plan.wanted.action == "rotate":
        lines.append("back the file up before anything depends on it: without its key, what is sealed is lost")
    if before is None:
        lines.append("a daemon that runs without a key takes this one at its next start")
    elif plan.place.watched:
        lines.append("a running daemon notices it within seconds")
    else:
        lines.append("the daemon was told to read it again (SIGHUP)" if told else "no daemon was told: restart it")
    return lines


def _change(plan: Plan) -> str:
    before, after = plan.before, plan.after
    if after is None:
        return ""
    if plan.wanted.action == "rotate":
        return "a fresh key seals, " + (
            f"{', '.join(before.ids)} still open" if before and before.ids else "the first one"
        )
    gone = [key for key in (before.ids if before else ()) if key not in after.ids]
    return f"{', '.join(gone)} dropped, {', '.join(after.ids) or 'no key'} kept"


def _as_json(plan: Plan, done: bool) -> dict[str, object]:
    before, after = plan.before, plan.after
    return {
        "action": plan.wanted.action,
        "file": str(plan.place.path),
        "refused": plan.refused,
        "done": done,
        "plain": bool(before and before.plain),
        "before": [{"id": one, "values": plan.rows[one]} for one in (before.ids if before else ())],
        "after": list(after.ids) if done and after is not None else None,
        "against": [{"what": one.what, "cure": one.cure, "forceable": one.forceable} for one in plan.obstacles],
    }


def _refuse(error: PhantomError, *, as_json: bool) -> int:
    where = error.where if isinstance(error, ConfigError) else ""
    what = f"{where}: {error.message}" if where else error.message
    if as_json:
        print_json({"refused": True, "against": [{"what": what, "cure": error.hint, "forceable": False}]})
    else:
        print(plain(f"refused: {what}{f' — {error.hint}' if error.hint else ''}"))
    return REFUSED
