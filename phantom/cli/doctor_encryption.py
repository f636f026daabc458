"""What `phantom doctor` says of the encryption of the data folder: whether the daemon would start with this key."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from phantom.cli.output import Finding
from phantom.errors import ConfigError, PhantomError
from phantom.findings import Level
from phantom.secret_sources import ABSENT
from phantom.storage.key_ring import RESTORE, WHERE, Ring, parse_ring
from phantom.storage.seal_scan import keys_noted

if TYPE_CHECKING:
    from config import LoadedConfig

CHECK = "encryption at rest"
SECRET = "encryption_key"  # noqa: S105 - a name


async def check_encryption(loaded: LoadedConfig) -> list[Finding]:
    """One finding; none for a deployment that has nothing to do with it. Asks the key's source."""
    try:
        needed = keys_noted(loaded.core.data_dir.expanduser().resolve())
        if loaded.core.encryption == "auto" and not needed and not loaded.secrets.at_hand(SECRET):
            return await _not_asked(loaded)
        ring = await _ring(loaded)
    except sqlite3.Error as error:
        return [_failed(f"the data folder cannot be read: {error}", "check its owner")]
    except PhantomError as error:
        where = f"{error.where}: " if isinstance(error, ConfigError) and error.where else f"{WHERE}: "
        return [_failed(f"{where}{error.message}", error.hint or RESTORE)]
    lacking = sorted(needed.difference(ring.ids if ring else ()))
    if lacking:
        named = ", ".join(lacking)
        return [_failed(f"rows are sealed with {named}, which {WHERE} does not hold", f"put it back; {RESTORE}")]
    if ring is None:
        if loaded.core.encryption == "required":
            return [_failed(f"{WHERE} is not set, and PHANTOM_ENCRYPTION=required", "set it")]
        return []
    sealing = "nothing new (plain)" if ring.sealing is None else ring.sealing.id
    return [Finding(check=CHECK, level=Level.OK, seen=f"sealing: {sealing}; keys: {', '.join(ring.ids) or 'none'}")]


async def _not_asked(loaded: LoadedConfig) -> list[Finding]:
    """The daemon would not ask a live source for a first key, so one that is there should be told of."""
    try:
        ring = await _ring(loaded)
    except PhantomError:
        return []
    if ring is None or ring.sealing is None:
        return []
    cure = "set PHANTOM_ENCRYPTION=required and restart the daemon: it asks no live source for a key that may not exist"
    seen = f"the key {ring.sealing.id} is there, and nothing is sealed yet"
    return [Finding(check=CHECK, level=Level.WARN, seen=seen, cure=cure)]


async def _ring(loaded: LoadedConfig) -> Ring | None:
    if loaded.core.encryption == "off":
        return None
    secret = loaded.secrets.find(SECRET)
    if secret is None:
        return None
    try:
        return parse_ring(secret.peek())
    except PhantomError as error:
        if isinstance(error, ConfigError):
            raise
    try:
        await secret.refresh()
        return parse_ring(secret.peek())
    except PhantomError as error:
        if error.code == ABSENT:
            return None
        raise


def _failed(seen: str, cure: str) -> Finding:
    return Finding(check=CHECK, level=Level.FAIL, seen=seen, cure=cure)
