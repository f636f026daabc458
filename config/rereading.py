"""What SIGHUP does: look again at every secret, wherever it comes from, and hand what changed to whoever holds it.

`.env` and the YAML files are read as at a start; secrets that they hold are taken over, other settings are not (they
need a restart, and it is said which). Live sources are asked again. The environment of a process cannot change. What
does *not* live here: the signal itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from config.loader import LoadedConfig
from phantom.errors import ConfigError, PhantomError
from phantom.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What came of it, by name only. `failed` are warnings of sources; `gone` are places whose written secret is no
    longer there and stays in use; `need_restart` are settings that say something else now; `error` is why the files
    could not be taken over.
    """

    changed: tuple[str, ...]
    failed: tuple[str, ...]
    gone: tuple[str, ...] = ()
    need_restart: tuple[str, ...] = ()
    error: ConfigError | None = None


async def reread(loaded: LoadedConfig) -> Reread:
    """Do it. Raises nothing: what fails is in the result, and what was in use stays in use."""
    store = loaded.secrets
    before = {id(secret): _text(secret) for secret in store.known()}
    fresh, error = loaded, None
    try:
        fresh = await asyncio.to_thread(loaded.again)
    except ConfigError as found:
        error = found
    gone = await store.reread(fresh.secrets)
    if fresh is not loaded:
        await fresh.secrets.aclose()
    changed = {secret.name for secret in store.known() if before.get(id(secret), "") != _text(secret)}
    return Reread(
        changed=tuple(sorted(changed)),
        failed=store.warnings(),
        gone=gone,
        need_restart=_other_settings(loaded, fresh),
        error=error,
    )


def _text(secret: Secret) -> str:
    """What the secret is now, "" when it is nothing."""
    try:
        return secret.peek()
    except PhantomError:
        return ""


def _other_settings(loaded: LoadedConfig, fresh: LoadedConfig) -> tuple[str, ...]:
    """Settings, secrets apart, that read differently than at the start."""
    was = {origin.path: origin.shown for origin in loaded.origins if not origin.secret}
    now = {origin.path: origin.shown for origin in fresh.origins if not origin.secret}
    names = {path for path in was.keys() | now.keys() if was.get(path) != now.get(path)}
    names |= loaded.channels.keys() ^ fresh.channels.keys()
    return tuple(sorted(names))
