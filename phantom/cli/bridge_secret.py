"""`phantom bridge secret new|list|rotate|revoke`: secrets for apps. A value is shown once and never kept.

A running daemon notices each change within a second. What does *not* live here: the file (`bridge/secret_file.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from phantom.bridge.audit import Audit
from phantom.bridge.catalogue import Catalogue, installed
from phantom.bridge.grants import Allow
from phantom.bridge.manifest import read
from phantom.bridge.scopes import as_written, check_allow, generate_secret_scope
from phantom.bridge.secret_book import Entry
from phantom.bridge.secret_file import (
    SecretFile,
    Stored,
    StoredAllow,
    StoredLimits,
    StoredSecret,
    StoredValue,
    StoredWithin,
)
from phantom.bridge.secret_value import digest, new_secret
from phantom.bridge.setup import FOLDER, entries_of
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json, print_rows
from phantom.clock import SystemClock
from phantom.errors import ConfigError

MAX_DAYS = 36_500
ID_SHAPE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """What `secret new` was told. The scope is that of a manifest, of names, or both."""

    secret_id: str
    manifest: Path | None
    events: Sequence[str]
    actions: Sequence[str]
    guilds: Sequence[str]
    channels: Sequence[str]
    days: float | None
    limits: StoredLimits


def new(wanted: NewSecret, *, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """Make a secret and show it. Raises `ConfigError`; then nothing was made."""
    file, configured = _open(config_dir, environ)
    first = not configured and not file.load().secrets
    catalogue = installed()
    allow = _allow(wanted, catalogue)
    if any(entry.id == wanted.secret_id for entry in configured):
        raise _taken(wanted.secret_id, "the configuration has one of that id")
    if wanted.days is not None and not 0 < wanted.days <= MAX_DAYS:
        raise ConfigError(f"must be more than 0 and at most {MAX_DAYS}", where="--days")
    now = SystemClock().now()
    value = new_secret()
    stored = StoredSecret(
        allow=StoredAllow(events=tuple(sorted(allow.events)), actions=tuple(sorted(allow.actions))),
        within=StoredWithin(guilds=tuple(wanted.guilds) or None, channels=tuple(wanted.channels) or None),
        limits=wanted.limits,
        expires_at=None if wanted.days is None else now + wanted.days * 86_400,
        values=(StoredValue(hash=digest(value), created_at=now),),
    )

    def add(before: Stored) -> Stored:
        if wanted.secret_id in before.secrets:
            raise _taken(wanted.secret_id, "it exists: rotate or revoke it, or take another id")
        return msgspec.structs.replace(before, secrets={**before.secrets, wanted.secret_id: stored})

    _convertible(wanted.secret_id)
    file.change(add)
    _note(file, "secret new", wanted.secret_id)
    _show(wanted.secret_id, value, as_json=as_json, more={"allow": as_written(allow, catalogue)})
    if first:
        print("the first bridge secret: a daemon that runs without a bridge must be started again", file=sys.stderr)
    return 0


def rotate(
    secret_id: str, *, overlap: float, config_dir: Path | None, environ: Mapping[str, str], as_json: bool
) -> int:
    """Give a secret a new value; the old ones stay good for `overlap` seconds."""
    file, configured = _open(config_dir, environ)
    _must_be_ours(secret_id, configured)
    now, value = SystemClock().now(), new_secret()

    def turn(before: Stored) -> Stored:
        secret = _find(before, secret_id)
        kept = tuple(
            msgspec.structs.replace(one, retires_at=min(one.retires_at or now + overlap, now + overlap))
            for one in secret.values
            if one.retires_at is None or one.retires_at > now
        )
        values = (StoredValue(hash=digest(value), created_at=now), *(kept if overlap > 0 else ()))
        return msgspec.structs.replace(
            before, secrets={**before.secrets, secret_id: msgspec.structs.replace(secret, values=values)}
        )

    file.change(turn)
    _note(file, "secret rotate", secret_id)
    until = datetime.fromtimestamp(now, UTC) + timedelta(seconds=overlap)
    _show(secret_id, value, as_json=as_json, more={"old_value_good_until": until.isoformat(timespec="seconds")})
    return 0


def revoke(secret_id: str, *, config_dir: Path | None, environ: Mapping[str, str]) -> int:
    """Forget a secret. A running daemon cuts its apps within a second."""
    file, configured = _open(config_dir, environ)
    _must_be_ours(secret_id, configured)
    forget(file, secret_id)
    print(plain(f"revoked {secret_id}; a running daemon cuts its apps within a second"))
    return 0


def forget(file: SecretFile, secret_id: str) -> None:
    """Take a secret out of the file, and note it in the audit. Raises `ConfigError` when there is none."""

    def drop(before: Stored) -> Stored:
        _find(before, secret_id)
        return msgspec.structs.replace(
            before, secrets={name: one for name, one in before.secrets.items() if name != secret_id}
        )

    file.change(drop)
    _note(file, "secret revoke", secret_id)


def show(*, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """Every secret in force, without values."""
    file, configured = _open(config_dir, environ)
    stored = file.load().secrets
    now = SystemClock().now()
    listed = []
    for entry in (*configured, *file.read()):
        one = stored.get(entry.id) if entry.source != "configuration" else None
        values = () if one is None else tuple(v for v in one.values if v.retires_at is None or v.retires_at > now)
        listed.append(
            {
                "id": entry.id,
                "from": entry.source,
                "events": sorted(entry.allow.events),
                "actions": sorted(entry.allow.actions),
                "guilds": None if entry.within.guilds is None else sorted(entry.within.guilds),
                "channels": None if entry.within.channels is None else sorted(entry.within.channels),
                "expires": _moment(entry.expires_at),
                "expired": entry.expired(now),
                "age_days": round((now - values[0].created_at) / 86_400, 1) if values else None,
                "old_value_good_until": _moment(max((v.retires_at or 0 for v in values[1:]), default=0) or None),
            }
        )
    if as_json:
        print_json(listed)
    elif not listed:
        print("no bridge secret yet: `phantom bridge secret new ID --manifest FILE` makes one")
    else:
        print_rows(("id", "from", "events", "actions", "reaches", "age", "expires"), [_row(one) for one in listed])
    return 0


def _row(one: Mapping[str, object]) -> tuple[str, ...]:
    events, actions = one["events"], one["actions"]
    age = "" if one["age_days"] is None else f"{one['age_days']} d"
    limited = [f"{len(ids)} {axis}" for axis in ("guilds", "channels") if isinstance(ids := one[axis], list)]
    expires = f"{one['expires']} (over)" if one["expired"] else str(one["expires"] or "never")
    return (
        str(one["id"]),
        str(one["from"]),
        _count(events),
        _count(actions),
        ", ".join(limited) or "everywhere",
        age,
        expires,
    )


def _count(names: object) -> str:
    if not isinstance(names, list):
        return "?"
    return "all" if "*" in names else str(len(names))


def _open(config_dir: Path | None, environ: Mapping[str, str]) -> tuple[SecretFile, Sequence[Entry]]:
    loaded = load_config(config_dir, environ)
    return SecretFile(loaded.core.data_dir / FOLDER), entries_of(loaded.bridge.secrets)


def _allow(wanted: NewSecret, catalogue: Catalogue) -> Allow:
    allow = Allow(events=frozenset(wanted.events), actions=frozenset(wanted.actions))
    if wanted.manifest is not None:
        needed = generate_secret_scope(read(wanted.manifest, catalogue))
        allow = replace(allow, events=allow.events | needed.events, actions=allow.actions | needed.actions)
    if not allow.events and not allow.actions:
        raise ConfigError(
            "a secret that allows nothing is of no use",
            where="phantom bridge secret new",
            hint="give --manifest FILE, or --event and --action for each name",
        )
    check_allow(allow, catalogue, where="phantom bridge secret new")
    return allow


def _convertible(secret_id: str) -> None:
    if ID_SHAPE.fullmatch(secret_id) is None:
        raise ConfigError(
            "is not an id", where=secret_id[:64], hint="a lower-case letter or digit, then up to 63 of a-z 0-9 _ . -"
        )


def _must_be_ours(secret_id: str, configured: Sequence[Entry]) -> None:
    if any(entry.id == secret_id for entry in configured):
        raise ConfigError(
            "belongs to the configuration",
            where=secret_id,
            hint="change it where its value comes from: phantom.yaml, its variable or its secret source",
        )


def _find(stored: Stored, secret_id: str) -> StoredSecret:
    found = stored.secrets.get(secret_id)
    if found is None:
        known = ", ".join(sorted(stored.secrets)) or "none"
        raise ConfigError("is no bridge secret", where=secret_id[:64], hint=f"there are: {known}")
    return found


def _taken(secret_id: str, why: str) -> ConfigError:
    return ConfigError(why, where=secret_id)


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _note(file: SecretFile, action: str, secret_id: str) -> None:
    """Changes of secrets are part of the audit, too."""
    audit = Audit(file.path.parent, SystemClock(), max_bytes=0)
    audit.open()
    audit.row("admin", secretId=secret_id, action=action, outcome="ok")
    audit.close()


def _show(secret_id: str, value: str, *, as_json: bool, more: Mapping[str, object]) -> None:
    """The one time that a value is shown: to standard output, so that a pipe can store it; the rest to the terminal."""
    if as_json:
        # Not through the masking printer: this value is what was asked for.
        sys.stdout.write(msgspec.json.encode({"id": secret_id, "value": value, **more}).decode() + "\n")
        return
    sys.stdout.write(value + "\n")
    told = "".join(f"\n  {name}: {text}" for name, text in more.items())
    print(
        plain(f"secret {secret_id} is shown this once; give it to the app, as PHANTOM_BRIDGE_SECRET") + told,
        file=sys.stderr,
    )
