"""`phantom secrets exposed NAME`: scope, revoke, rotate, verify, record, for one secret that got out.

Asks nothing unless it stands at a terminal; revokes nothing unless told to. The exposed value is read from standard
input or typed unseen, never from the command line. What does *not* live here: the facts (`exposure_scope.py`), what a
kind of secret needs (`exposure_playbook.py`), questions to others (`exposure_check.py`), the record
(`incident_record.py`).
"""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from phantom.cli import exposure_check, incident_record
from phantom.cli.exposure_playbook import BRIDGE, Family, Playbook, playbook
from phantom.cli.exposure_scope import Fact, moment, scope_of
from phantom.cli.exposure_storing import RESTART, hang_up
from phantom.cli.frame import redactor
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json
from phantom.cli.secrets_list import quiet, take
from phantom.clock import Clock, SystemClock
from phantom.errors import ConfigError, PhantomError
from phantom.secrets import Secret, held

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import SecretRow

FAILED = 1
REMAINS = 3
MAX_VALUE = 8192
MAX_LEAKED = 300
_WORDS = re.compile(r"[A-Za-z_:]{1,40}")
"""What may be repeated in an error: hardly any value is of letters alone."""


class State(Enum):
    """How far a step is. What is `REMAINING` is for people."""

    DONE = "done"
    REMAINING = "to do"
    FAILED = "FAILED"


@dataclass(slots=True)
class Step:
    """One step. `lines` are what to do, commands and pages."""

    name: str
    state: State
    text: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command was told. `leaked`: where it got out, in the operator's words."""

    name: str
    leaked: str = ""
    stdin: bool = False
    current: bool = False
    revoke: bool = False
    yes: bool = False


@dataclass(slots=True, kw_only=True)
class Walk:
    """One exposure, from the first look to the record."""

    name: str
    row: SecretRow | None
    loaded: LoadedConfig
    clock: Clock
    play: Playbook
    value: Secret | None = None
    refused: bool = False
    facts: tuple[Fact, ...] = ()
    steps: list[Step] = field(default_factory=list)
    timeline: list[tuple[float, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Something happened now."""
        self.timeline.append((self.clock.now(), what))

    def asking(self, value: Secret) -> exposure_check.Asking:
        """The question about the exposed value."""
        return exposure_check.Asking(
            value=value, name=self.name, family=self.play.family, loaded=self.loaded, clock=self.clock
        )


def main(wanted: Wanted, *, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """0: revoked and seen refused; 1: a step failed, or the value is still accepted; 3: steps remain for people."""
    talks = not (wanted.yes or as_json or wanted.stdin) and sys.stdin.isatty() and sys.stdout.isatty()
    given = _from_stdin() if wanted.stdin else None  # read first, so that no error shows it
    loaded = load_config(config_dir, environ)
    quiet()
    walk = asyncio.run(_begin(wanted, loaded))
    walk.value = given if given is not None else _current(wanted, walk)
    if walk.value is None and talks:
        walk.value = _typed()
    exposed = () if walk.value is None else (walk.value,)
    redactor.watch(lambda: (*loaded.secrets.known(), *exposed))
    if wanted.revoke and walk.play.by_api and walk.value is None and walk.play.family is not Family.BRIDGE_MADE:
        raise ConfigError(
            "needs the value that is to be revoked",
            where="--revoke",
            hint="pipe it in with --stdin, or say --current for the one that the configuration holds now",
        )
    if not as_json:
        _print_scope(walk)
    asyncio.run(_act(walk, revoke=wanted.revoke or (talks and _confirmed(walk))))
    for step in walk.steps:
        if not as_json:
            _print_step(step)
        if talks and step.state is State.REMAINING and step.lines and typer.confirm("  is that done?", default=False):
            step.state = State.DONE
            walk.note(f"{step.name}: done, as the operator says")
    record = incident_record.write(loaded.core.data_dir, _incident(walk, wanted), done=_status(walk) == 0)
    if as_json:
        print_json(_as_json(walk, record))
    else:
        print(plain(f"record: {record} (mode 0600): fill in what only people know"))
    return _status(walk)


async def _begin(wanted: Wanted, loaded: LoadedConfig) -> Walk:
    """The inventory as it is now, and the secret in it. Raises `ConfigError` for a name that is none."""
    listing = await take(loaded, ask=True)
    rows = {row.name: row for row in listing.rows}
    name = _name_of(wanted.name, rows, loaded)
    row = rows.get(name)
    play = playbook(name.partition("@")[0], row, loaded)
    walk = Walk(name=name, row=row, loaded=loaded, clock=SystemClock(), play=play)
    walk.facts = scope_of(name, row, loaded)
    walk.note("`phantom secrets exposed` was begun")
    return walk


async def _act(walk: Walk, *, revoke: bool) -> None:
    """Revoke, rotate, verify: what can be done from here is, the rest is told."""
    revoked = await _revoked(walk, wanted=revoke)
    walk.steps += [revoked, _rotated(walk)]
    walk.steps.append(await _verified(walk))
    if revoked.state is State.REMAINING and walk.refused:
        walk.steps[0] = Step("revoke", State.DONE, "the old value is worth nothing any more, as the check shows")


async def _revoked(walk: Walk, *, wanted: bool) -> Step:
    play = walk.play
    todo = (play.revoke, play.page) if play.page else (play.revoke,)
    if play.family is Family.PUBLIC:
        return Step("revoke", State.DONE, play.revoke)
    if not wanted or not play.by_api:
        why = "nothing here can do it: people must" if not play.by_api else "not asked for: add --revoke"
        return Step("revoke", State.REMAINING, why, todo)
    try:
        value = held(walk.name, None) if walk.value is None else walk.value
        said = await exposure_check.revoke(walk.asking(value))
    except PhantomError as error:
        walk.note("revoking failed")
        return Step("revoke", State.FAILED, f"{error.message} ({error.hint or 'see below'})", todo)
    walk.note(said)
    return Step("revoke", State.DONE, said)


def _rotated(walk: Walk) -> Step:
    """Whether the configuration still holds the exposed value can be seen only with that value."""
    if walk.play.family is Family.PUBLIC:
        return Step("rotate", State.DONE, "nothing to rotate")
    if walk.value is None:
        return Step(
            "rotate",
            State.REMAINING,
            "give the exposed value (--stdin) to see whether it was replaced",
            walk.play.rotate,
        )
    holders = exposure_check.holders(walk.value, walk.loaded)
    if holders:
        only_backup = walk.play.family is Family.SHARED and all(name.endswith("_backup") for name in holders)
        todo = walk.play.rotate[-1:] if only_backup else walk.play.rotate
        return Step("rotate", State.REMAINING, f"the configuration still holds it: {', '.join(holders)}", todo)
    running = exposure_check.in_daemon(walk.asking(walk.value)).names
    if running:
        todo = (hang_up(walk.loaded), RESTART)
        return Step("rotate", State.REMAINING, f"the running daemon still holds it: {', '.join(running)}", todo)
    walk.note("the configuration does not hold the exposed value")
    return Step("rotate", State.DONE, "the configuration does not hold the exposed value")


async def _verified(walk: Walk) -> Step:
    play = walk.play
    if play.family is Family.PUBLIC:
        return Step("verify", State.DONE, play.verify)
    if walk.value is None:
        return Step("verify", State.REMAINING, "give the exposed value to check it", (play.verify, _again(walk)))
    if play.family in (Family.SHARED, Family.OTHER):
        if exposure_check.holders(walk.value, walk.loaded):
            return Step("verify", State.FAILED, "the configuration STILL ACCEPTS the old value", (_again(walk),))
        running = exposure_check.in_daemon(walk.asking(walk.value))
        if running.names:
            return Step("verify", State.FAILED, "the running daemon STILL ACCEPTS the old value", (_again(walk),))
        if running.until is not None:
            wait = f"the running daemon may accept it until {moment(running.until)} (secrets.overlap), or a restart"
            return Step("verify", State.REMAINING, wait, (_again(walk),))
    answer = await exposure_check.check(walk.asking(walk.value))
    walk.note(answer.said)
    walk.refused = answer.accepted is False
    if answer.accepted is None:
        return Step("verify", State.REMAINING, answer.said, (play.verify, _again(walk)))
    return (
        Step("verify", State.FAILED, answer.said, (_again(walk),))
        if answer.accepted
        else Step("verify", State.DONE, answer.said)
    )


def _again(walk: Walk) -> str:
    return f"then once more: phantom secrets exposed {walk.name} --stdin < FILE"


def _name_of(given: str, rows: Mapping[str, SecretRow], loaded: LoadedConfig) -> str:
    """The secret's name in the inventory. What is no name is never repeated: it may be the value."""
    from config.config_errors import did_you_mean
    from config.secret_names import known

    wanted = given.strip()
    names = {*rows, *known()}
    for candidate in (wanted, wanted.lower(), f"{BRIDGE}{wanted}", f"{wanted}_secret_default"):
        if candidate in names:
            return candidate
    for name in known():
        if wanted in loaded.secrets.variables_of(name):
            return name
    shaped = _WORDS.fullmatch(wanted) is not None
    raise ConfigError(
        "is no secret that Phantom knows" if shaped else "a secret's name is needed here, not a value",
        where=wanted if shaped else "NAME",
        hint=did_you_mean(wanted, names, what="secrets")
        if shaped
        else "`phantom secrets list` names them; values go in by --stdin",
    )


def _from_stdin() -> Secret:
    text = sys.stdin.read(MAX_VALUE + 1).strip("\r\n")
    if not text.strip() or len(text) > MAX_VALUE or "\n" in text:
        raise ConfigError("is not one line with the exposed value", where="standard input", hint="< FILE, or a pipe")
    return held("exposed value", text.strip())


def _typed() -> Secret | None:
    text = getpass.getpass("the exposed value (not shown; Enter to go on without): ").strip()
    return held("exposed value", text) if text else None


def _current(wanted: Wanted, walk: Walk) -> Secret | None:
    """A copy of what the configuration holds now, so that it stays what it was."""
    if not wanted.current:
        return None
    if walk.row is None or not walk.row.handles:
        raise ConfigError("is not set here", where=walk.name, hint="pipe the exposed value in with --stdin")
    return held("exposed value", walk.row.handles[0].peek())


def _confirmed(walk: Walk) -> bool:
    return (
        walk.play.by_api
        and walk.value is not None
        and typer.confirm(f"revoke it now? {walk.play.revoke}", default=False)
    )


def _incident(walk: Walk, wanted: Wanted) -> incident_record.Incident:
    leaked = " ".join(plain(wanted.leaked).split())[:MAX_LEAKED]
    return incident_record.Incident(
        name=walk.name,
        opened_at=walk.timeline[0][0],
        leaked=leaked,
        facts=[(fact.what, fact.seen) for fact in walk.facts],
        steps=[(step.name, step.state.value, "; ".join((step.text, *step.lines))) for step in walk.steps],
        timeline=walk.timeline,
    )


def _print_scope(walk: Walk) -> None:
    print(plain(f"{walk.name} ({walk.play.family.value})"))
    for fact in walk.facts:
        print(plain(f"  {fact.what}: {fact.seen}"))
    print(plain(f"  look also into: {walk.play.history}"))


def _print_step(step: Step) -> None:
    print(plain(f"{step.name}: {step.state.value}: {step.text}"))
    for line in step.lines if step.state is not State.DONE else ():
        print(plain(f"    {line}"))


def _as_json(walk: Walk, record: Path) -> dict[str, object]:
    return {
        "secret": walk.name,
        "family": walk.play.family.value,
        "scope": {fact.what: fact.seen for fact in walk.facts},
        "look_also_into": walk.play.history,
        "steps": [
            {"step": step.name, "state": step.state.name.lower(), "what": step.text, "lines": list(step.lines)}
            for step in walk.steps
        ],
        "record": str(record),
    }


def _status(walk: Walk) -> int:
    states = {step.state for step in walk.steps}
    if State.FAILED in states:
        return FAILED
    return REMAINS if State.REMAINING in states else 0
