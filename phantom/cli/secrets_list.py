"""`phantom secrets list`: every secret with where it comes from, who uses it, its form, age and due date. No values.

Times and fingerprints are what the daemon wrote down (`config/inventory_file.py`); the rest is the configuration as it
is now. Nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json, print_rows
from phantom.clock import SystemClock
from phantom.daemon import declared_secrets
from phantom.errors import ConfigError, PhantomError
from phantom.identity import SupportsConfigured

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import SecretRow

FAILED = 1
OVERDUE = 3
PATIENCE = 20.0
"""Seconds for all sources to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to list: categories that hold a word ("" for all), whether to ask live sources, only what is set."""

    category: str = ""
    ask: bool = True
    set_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The rows, and what is odd about the inventory itself."""

    rows: Sequence[SecretRow]
    notices: tuple[str, ...]
    looked_at: float | None
    declared: Collection[str] = ()

    def counts(self, row: SecretRow) -> bool:
        """Whether it matters that the row's secret cannot be had: somebody uses it, or it is there and unfit."""
        return bool(row.trouble) and (bool(row.users) or row.unfit or row.name in self.declared)


def main(wanted: Wanted, *, config_dir: Path | None, environ: Mapping[str, str], as_json: bool) -> int:
    """3 when a secret is overdue, 1 when one is malformed or cannot be read, 0 otherwise."""
    loaded = load_config(config_dir, environ)
    quiet()
    listing = asyncio.run(take(loaded, ask=wanted.ask))
    now = SystemClock().now()
    rows = [
        row
        for row in listing.rows
        if wanted.category.lower() in row.category.lower() and (row.set or row.trouble or not wanted.set_only)
    ]
    if as_json:
        print_json(
            {
                "secrets": [row.as_json(now) for row in rows],
                "daemon_looked_at": listing.looked_at,
                "notices": list(listing.notices),
            }
        )
    else:
        _print(rows, listing, now)
    if any(row.overdue(now) for row in rows):
        return OVERDUE
    return FAILED if any(row.malformed or listing.counts(row) for row in rows) else 0


def quiet() -> None:
    """What sources log about themselves is in the rows."""
    from phantom.cli.doctor import quiet_logs

    quiet_logs()


async def take(loaded: LoadedConfig, *, ask: bool) -> Listing:
    """The inventory as of now. With `ask`, live sources are asked for what anything declares or uses."""
    from config.inventory import notices, take_stock, with_memory
    from config.inventory_file import InventoryFile, State
    from config.secret_catalogue import ENCRYPTION_KEY, MODEL_KEYS, TURNS_PASSWORD

    declared = declared_secrets(loaded)
    said: list[str] = []
    key, state = None, State()
    file = InventoryFile(loaded.core.data_dir.expanduser().resolve())
    try:
        try:
            key, state = file.key(), file.load()
        except ConfigError as error:
            said.append(f"{error.where}: {error.message} ({error.hint})")
        if not state.looked_at and not said:
            said.append("no daemon has looked at these secrets yet: ages and fingerprints begin with its first start")
        names = [name for names in declared.by_kind.values() for name in names]
        names += [name for name in MODEL_KEYS if loaded.secrets.at_hand(name)]
        if loaded.core.turns_database:
            names.append(TURNS_PASSWORD)
        if loaded.core.encryption != "off" and loaded.secrets.at_hand(ENCRYPTION_KEY):
            names.append(ENCRYPTION_KEY)
        _want(loaded, names, seen=list(state.secrets))
        if ask:
            await _ask_sources(loaded)
        now = SystemClock().now()
        rows = with_memory(take_stock(loaded, declared, key, declared.made(), places=True), state, now)
        return Listing(
            rows=rows,
            notices=(*said, *notices(loaded, rows)),
            looked_at=state.looked_at or None,
            declared=loaded.secret_rules.declare.keys(),
        )
    finally:
        await loaded.secrets.aclose()


def _want(loaded: LoadedConfig, names: Sequence[str], *, seen: Sequence[str]) -> None:
    """Make handles for everything declared, and for what the daemon has from a service that settings only imply."""
    identity = loaded.identity
    pointed = isinstance(identity, SupportsConfigured) and identity.configured
    channels = {channel.kind for channel in loaded.channels.values()}
    for name in dict.fromkeys((*names, *loaded.secret_rules.declare, *seen)):
        try:
            loaded.secrets.find(name)
            if name in seen or (pointed and name.partition("_")[0] in channels):
                loaded.secrets.secret(name)
        except PhantomError:
            continue  # not to be had: the row says "not set", and a channel that needs it has a word of its own


async def _ask_sources(loaded: LoadedConfig) -> None:
    """Ask for everything that has a handle. What fails shows in the rows."""
    asked = [asyncio.ensure_future(secret.refresh()) for secret in loaded.secrets.known()]
    if asked:
        done, late = await asyncio.wait(asked, timeout=PATIENCE)
        for one in late:
            one.cancel()
        for one in done:
            if (error := one.exception()) is not None and not isinstance(error, PhantomError):
                raise error


def _print(rows: Sequence[SecretRow], listing: Listing, now: float) -> None:
    from config.inventory_keeper import told

    headings = ("secret", "category", "source", "users", "form", "age", "due", "last used", "fingerprint")
    print_rows(headings, [_cells(row, now) for row in rows])
    troubles = [row.trouble for row in rows if listing.counts(row) and not row.unfit]
    for line in (*told(rows, now), *troubles, *listing.notices):
        print(plain(f"note: {line}"))


def _from(row: SecretRow) -> str:
    if row.trouble and not row.set:
        return "unreadable"
    if row.unread:
        return f"{row.source} (not asked)"
    return row.source if row.set else "not set"


def _cells(row: SecretRow, now: float) -> tuple[str, ...]:
    from config.inventory_keeper import days

    due = row.due_at
    if due is None:
        when = "never" if row.set and not row.max_age else "-"
    else:
        when = f"{datetime.fromtimestamp(due, UTC):%Y-%m-%d}{' OVERDUE' if row.overdue(now) else ''}"
    form = "malformed" if row.malformed else "ok"
    return (
        row.name,
        row.category,
        _from(row),
        ", ".join(row.users) or "-",
        form if row.set else "-",
        "-" if row.changed_at is None or not row.set else days(now - row.changed_at),
        when if row.set else "-",
        "-" if row.last_used is None else f"{days(now - row.last_used)} ago",
        row.fingerprint if row.set and row.fingerprint else "-",
    )
