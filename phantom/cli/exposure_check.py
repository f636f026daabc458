"""Asks whoever would accept an exposed value whether it still does, and takes it back where there is an API for that.

The value is a `Secret` handle all the way and appears in no text. What does *not* live here: what the operator is told
to do (`exposure_playbook.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from phantom.channel import Meter
from phantom.cli.daemon_signal import is_running
from phantom.cli.exposure_playbook import BRIDGE, Family
from phantom.clock import Clock
from phantom.errors import ConfigError, PhantomError
from phantom.metrics import PrometheusMeter
from phantom.plugins import descriptors, resolve
from phantom.secrets import Secret, fingerprint

if TYPE_CHECKING:
    from config import LoadedConfig

SECONDS = 20.0
_PAUSE = 0.25
_DAEMON_NOTICES = 12
"""Looks at the bridge, with pauses, until a running daemon has seen that a secret was revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`accepted` is None when nobody could say; `said` is a sentence for people."""

    accepted: bool | None
    said: str


class _Platform(TypedDict):
    base_url: str
    clock: Clock
    meter: Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a question needs: the exposed value, the secret's name, the configuration."""

    value: Secret
    name: str
    family: Family
    loaded: LoadedConfig
    clock: Clock


async def check(asking: Asking) -> Answer:
    """Whether the value is still accepted. Never raises a `PhantomError`."""
    try:
        async with asyncio.timeout(SECONDS):
            return await _check(asking)
    except TimeoutError:
        return Answer(accepted=None, said=f"no answer within {SECONDS:.0f} seconds")
    except PhantomError as error:
        return Answer(accepted=None, said=f"could not be asked: {error.message}")


async def _check(asking: Asking) -> Answer:
    family = asking.family
    if family in (Family.SLACK_TOKEN, Family.SLACK_APP_TOKEN):
        from channels.slack.exposure import is_accepted

        accepted = await is_accepted(asking.value, **_platform(asking, "slack"))
        return _answer(accepted, "Slack")
    if family is Family.DISCORD_TOKEN:
        from channels.discord.exposure import is_accepted as discord_accepts

        accepted = await discord_accepts(asking.value, **_platform(asking, "discord"))
        return _answer(accepted, "Discord")
    if family in (Family.BRIDGE_MADE, Family.BRIDGE_CONFIGURED):
        return await _at_the_bridge(asking)
    if family is Family.MODEL:
        from phantom.cli.exposure_model import is_accepted as provider_accepts

        taken = await provider_accepts(asking.value, asking.name, asking.loaded.core)
        return _nobody("no provider is known for this key") if taken is None else _answer(taken, "the provider")
    if family is Family.DATABASE:
        from phantom.cli.exposure_database import is_accepted as server_accepts

        taken = await server_accepts(asking.value, asking.loaded.core)
        return _nobody("turns are not in PostgreSQL") if taken is None else _answer(taken, "PostgreSQL")
    if family is Family.SHARED:
        return Answer(
            accepted=False, said="the configuration does not hold it any more, so no signature with it counts"
        )
    return _nobody("nobody can be asked about this kind of secret: try the old value where it was accepted")


async def revoke(asking: Asking) -> str:
    """Take the value back. The result says what was done. Raises a `PhantomError` when it was not."""
    if asking.family is Family.SLACK_TOKEN:
        from channels.slack.exposure import revoke as give_back

        given_back = await give_back(asking.value, **_platform(asking, "slack"))
        return "Slack revoked the token (auth.revoke)" if given_back else "Slack refused the token already"
    if asking.family is Family.BRIDGE_MADE:
        from phantom.bridge.secret_file import SecretFile
        from phantom.bridge.setup import FOLDER
        from phantom.cli.bridge_secret import forget

        forget(SecretFile(asking.loaded.core.data_dir / FOLDER), asking.name.removeprefix(BRIDGE))
        return "the bridge secret is out of the file; a running daemon cuts its apps within a second"
    raise ConfigError("has no API that revokes it", where=asking.name, hint="the step says where people do it")


def holders(value: Secret, loaded: LoadedConfig) -> tuple[str, ...]:
    """Names of the configured secrets that still hold the value, the value before a rotation included."""
    text = value.peek()
    found = []
    for secret in loaded.secrets.known():
        try:
            if text in secret.candidates():
                found.append(secret.name)
        except PhantomError:
            continue  # one without a value holds none
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class InDaemon:
    """What the running daemon has of a value: the names under which it still holds it, and until when (epoch seconds)
    it may accept it as the one before the last change. Nothing when no daemon runs here.
    """

    names: tuple[str, ...] = ()
    until: float | None = None


def in_daemon(asking: Asking) -> InDaemon:
    """By the fingerprints that the daemon writes down, which need no question to it."""
    from config.inventory_file import InventoryFile

    loaded = asking.loaded
    if not is_running(loaded.core.data_dir):
        return InDaemon()
    file = InventoryFile(loaded.core.data_dir.expanduser().resolve())
    try:
        key, seen = file.key(), file.load().secrets
    except ConfigError:
        return InDaemon()  # `secrets list` and health say that the file is unfit
    if key is None:
        return InDaemon()
    own = fingerprint(asking.value, key)
    names = tuple(name for name, one in seen.items() if one.fingerprint == own and not one.gone)
    one = seen.get(asking.name)
    end = None if one is None or not one.changes else one.changed_at + loaded.secret_rules.overlap
    return InDaemon(names=names, until=end if end is not None and end > asking.clock.now() else None)


async def _at_the_bridge(asking: Asking) -> Answer:
    """By the file of digests, and by a login where a daemon runs."""
    from phantom.bridge.secret_file import SecretFile
    from phantom.bridge.secret_value import digest
    from phantom.bridge.setup import FOLDER

    told, now = digest(asking.value.peek()), asking.clock.now()
    stored = SecretFile(asking.loaded.core.data_dir / FOLDER).load().secrets
    owners = [
        name
        for name, one in stored.items()
        if any(value.hash == told and (value.retires_at is None or value.retires_at > now) for value in one.values)
    ]
    owners += [one.id for one in asking.loaded.bridge.secrets if one.hash == told]
    if owners:
        return Answer(accepted=True, said=f"the bridge still accepts it, as {', '.join(owners)}")
    login = await _login(asking)
    if login is None:
        return Answer(accepted=False, said="no bridge secret has this value any more (no daemon answered a login)")
    return _answer(login, "the running bridge")


async def _login(asking: Asking) -> bool | None:
    """Whether the running daemon lets the value in; None when no daemon answers. It may need a second."""
    from phantom.cli.bridge_ask import login

    core, bridge = asking.loaded.core, asking.loaded.bridge
    if bridge.port or bridge.host:  # an address of its own, maybe with TLS under another name
        return None
    host = core.host if core.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - compared, not bound
    if host not in ("127.0.0.1", "localhost", "::1"):
        return None
    url = f"ws://{f'[{host}]' if ':' in host else host}:{core.port}/bridge"
    accepted = await login(url, asking.value)
    for _ in range(_DAEMON_NOTICES):
        if not accepted:
            break
        await asking.clock.sleep(_PAUSE)
        accepted = await login(url, asking.value)
    return accepted


def _platform(asking: Asking, kind: str) -> _Platform:
    """Where the platform's API is, by the channel's settings, else by their default."""
    found = (one.settings for one in asking.loaded.channels.values() if one.kind == kind and one.settings is not None)
    settings: Any = next(found, None)
    if settings is None:
        descriptor = descriptors()[kind]
        settings = resolve(descriptor.settings, descriptor.extra)()
    return {"base_url": str(settings.api_base_url), "clock": asking.clock, "meter": PrometheusMeter()}


def _answer(accepted: bool, who: str) -> Answer:
    return Answer(accepted=accepted, said=f"{who} {'STILL ACCEPTS' if accepted else 'refuses'} the old value")


def _nobody(why: str) -> Answer:
    return Answer(accepted=None, said=why)
