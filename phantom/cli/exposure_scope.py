"""How far an exposed secret reaches: who uses it, since when, what was done with it. Facts only, and no value.

From the inventory (what the daemon remembers), the configuration and the bridge's audit. What does *not* live here:
what the platforms' own logs know, which nobody but their owner can ask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantom.bridge.audit import rows
from phantom.bridge.setup import FOLDER
from phantom.cli.exposure_playbook import BRIDGE

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import SecretRow

_MOST = 12
"""Of addresses, apps or actions that are named; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line: what it is about, and what is known."""

    what: str
    seen: str


def scope_of(name: str, row: SecretRow | None, loaded: LoadedConfig) -> tuple[Fact, ...]:
    """Everything that is known here of the secret `name`."""
    facts = [] if row is None else list(_of_inventory(row))
    facts += _of_people(row, loaded)
    since = None if row is None else (row.changed_at or row.first_seen)
    facts += _of_audit(name, since, loaded.core.data_dir / FOLDER)
    return tuple(facts)


def moment(at: float) -> str:
    """A time as everybody reads it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _of_inventory(row: SecretRow) -> Iterable[Fact]:
    yield Fact(what="category", seen=row.category)
    yield Fact(what="source", seen=row.source if row.set else "not set any more")
    yield Fact(what="used by", seen=", ".join(row.users) or "nobody that the configuration knows")
    if row.fingerprint:
        yield Fact(what="fingerprint of the value now", seen=row.fingerprint)
    if row.first_seen is not None:
        yield Fact(what="first seen", seen=moment(row.first_seen))
    if row.changed_at is not None:
        yield Fact(what="this value in use since", seen=moment(row.changed_at))
    if row.changes:
        yield Fact(what="changes since first seen", seen=str(row.changes))
    if row.rotation_id:
        yield Fact(what="rotation", seen=row.rotation_id)
    if row.last_used is not None:
        yield Fact(what="last used by the daemon", seen=moment(row.last_used))
    if row.looked_at:
        yield Fact(what="places where it may lie", seen=", ".join(row.looked_at))


def _of_people(row: SecretRow | None, loaded: LoadedConfig) -> Iterable[Fact]:
    """Who may talk to the channels that use it: what they wrote is what its holder may have read."""
    for name in () if row is None else row.users:
        channel = loaded.channels.get(name)
        options = getattr(channel.settings, "policy_options", None) if channel is not None else None
        if options is None:
            continue
        policy: Mapping[str, Any] = options()
        limits = [
            f"{len(policy[key])} {key.replace('_', ' ')}"
            for key in policy
            if key.startswith("allowed_") and policy[key]
        ]
        if not policy:
            continue
        owner = ["an owner"] if policy.get("owner") else []
        yield Fact(what=f"who may talk to {name}", seen=", ".join([*owner, *limits]) or "every member")


def _of_audit(name: str, since: float | None, folder: Path) -> Iterable[Fact]:
    """For a bridge secret its own rows; for another, what apps did since its value is in use."""
    own = name.removeprefix(BRIDGE) if name.startswith(BRIDGE) else None
    found = [row for row in rows(folder) if _counts(row, own, since)]
    if not found:
        if own is not None:
            yield Fact(what="bridge audit", seen="no row names it")
        return
    logins = Counter(str(row.get("outcome", "")) for row in found if row.get("kind") == "auth")
    actions = Counter(str(row.get("action", "")) for row in found if row.get("kind") == "action")
    whose = "" if own is not None else " by apps, over the bot"
    yield Fact(what="bridge audit: from, to", seen=f"{moment(found[0]['ts'])} to {moment(found[-1]['ts'])}")
    if logins and own is not None:
        yield Fact(what="bridge audit: logins", seen=_counted(logins))
    if actions:
        yield Fact(what=f"bridge audit: actions{whose}", seen=_counted(actions))
    yield Fact(what="bridge audit: apps", seen=_named(row.get("app") for row in found))
    if own is not None:
        yield Fact(what="bridge audit: addresses", seen=_named(row.get("address") for row in found))


def _counts(row: Mapping[str, Any], own: str | None, since: float | None) -> bool:
    if not isinstance(row.get("ts"), int | float):
        return False
    if own is not None:
        return row.get("secretId") == own
    return row.get("kind") == "action" and (since is None or row["ts"] >= since)


def _counted(counter: Counter[str]) -> str:
    most = [f"{name} {count}" for name, count in counter.most_common(_MOST)]
    return ", ".join(most) + _more(len(counter))


def _named(texts: Iterable[object]) -> str:
    listed: Sequence[str] = [str(text) for text in dict.fromkeys(texts) if text]
    return (", ".join(listed[:_MOST]) + _more(len(listed))) or "none named"


def _more(count: int) -> str:
    return f" and {count - _MOST} more" if count > _MOST else ""
