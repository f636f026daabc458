"""The composition root: the only place that sees the engine, the channels and the configuration at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from phantom import last_moments, logs, process_guard
from phantom.channel import Channel, ChannelContext
from phantom.clock import Clock, SystemClock
from phantom.errors import EX_CONFIG, ConfigError
from phantom.plugins import descriptors, resolve, secret_sources
from phantom.redaction import Redactor

if TYPE_CHECKING:
    from config import LoadedConfig
    from config.inventory import Declared
    from phantom.channel import Descriptor
    from phantom.service import Service

log = structlog.get_logger("phantom.daemon")

SWITCH_SECONDS = 0.0002
"""A tenth more durable acks a second on one core than with CPython's default, measured."""


class _Models(Mapping[str, Any]):
    """Settings models by channel kind, imported only for the kinds that are asked for."""

    def __init__(self, found: Mapping[str, Descriptor]) -> None:
        self._found = found

    def __getitem__(self, kind: str) -> Any:
        descriptor = self._found[kind]
        return resolve(descriptor.settings, descriptor.extra)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, kind: object) -> bool:
        return kind in self._found


def load_config(config_dir: Path | None, environ: Mapping[str, str], cwd: Path, clock: Clock) -> LoadedConfig:
    """Everything that configuration says, with the settings of every installed channel plugin."""
    import config
    import config.secret_names

    found = descriptors()
    for kind, descriptor in found.items():
        config.secret_names.declare(descriptor.secrets, by=kind)
    return config.load(
        config_dir=config_dir,
        environ=environ,
        cwd=cwd,
        channel_models=_Models(found),
        clock=clock,
        enabled_by={kind: descriptor.enabled_by for kind, descriptor in found.items()},
        secret_sources=secret_sources(),
    )


def make_channels(service: Service) -> dict[str, Channel]:
    """Every configured channel. One whose settings turn out to be wrong is disabled; if it is the only one, the
    error is raised.
    """
    found = descriptors()
    loaded = service.config
    channels: dict[str, Channel] = {}
    for name, section in loaded.channels.items():
        if section.settings is None:
            continue
        descriptor = found[section.kind]
        context = ChannelContext(
            phantom_name=loaded.core.name,
            clock=service.clock,
            meter=service.meter,
            secret=loaded.secrets.secret,
            identity=loaded.identity,
            tenant_status=loaded.tenant_status,
            data_dir=service.folder.folder(name),
            options={},
            at_rest=service.encryption.at_rest,
        )
        try:
            channels[name] = resolve(descriptor.target, descriptor.extra)(section.settings, context)
        except ConfigError as error:
            service.disable(name, error)
    if not channels:
        raise next(iter(service.disabled.values()), None) or _nothing_configured()
    for name, why in service.disabled.items():
        log.error("channel_disabled", channel=name, where=why.where, what=why.message, cure=why.hint)
    return channels


def declared_secrets(loaded: LoadedConfig, uses_of_bridge: Callable[[str], int] = lambda secret_id: 0) -> Declared:
    """What the inventory of secrets needs to know from outside the configuration: plugins' names and the bridge's own
    secrets, whose shape the bridge knows. `uses_of_bridge` tells, in a running daemon, how often one of those was used.
    """
    from config.inventory import Declared, MadeSecret
    from phantom.bridge.secret_file import SecretFile
    from phantom.bridge.secret_value import why_unfit

    file = SecretFile(loaded.core.data_dir / "bridge")

    def made() -> list[MadeSecret]:
        found = [
            MadeSecret(name=f"bridge:{one.id}", user=f"bridge {one.id}", source="configuration (hash)", digest=one.hash)
            for one in loaded.bridge.secrets
            if one.hash is not None
        ]
        try:
            stored = file.load().secrets
        except ConfigError:
            return found  # the bridge itself says so in health
        for name, secret in stored.items():
            newest = max(secret.values, key=lambda value: value.created_at)
            found.append(
                MadeSecret(
                    name=f"bridge:{name}",
                    user=f"bridge {name}",
                    source="phantom bridge secret",
                    digest=newest.hash,
                    created_at=newest.created_at,
                    expires_at=secret.expires_at,
                )
            )
        return found

    def check(name: str, text: str) -> str:
        return why_unfit(text) if name.startswith("bridge_") else ""

    kinds = {kind: descriptor.secrets for kind, descriptor in descriptors().items()}
    return Declared(
        by_kind=kinds,
        made=made,
        uses_of_made=lambda name: uses_of_bridge(name.removeprefix("bridge:")),
        check=check,
    )


def _nothing_configured() -> ConfigError:
    return ConfigError(
        "no channel is configured",
        hint="run `phantom init`, or set SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or DISCORD_BOT_TOKEN, or"
        " WEBHOOK_SECRET_DEFAULT;"
        " to try it out run `phantom dev`",
    )


def run(*, config_dir: Path | None, environ: Mapping[str, str], redactor: Redactor | None = None) -> int:
    """Run the daemon in the foreground until it is told to stop. Returns the exit status: 0, 1, or 78 (EX_CONFIG).
    `redactor` learns every secret, for whoever prints what this raises.
    """
    redactor = redactor or Redactor()
    environ = dict(environ)  # the process's own forgets its secrets, which a SIGHUP looks for again
    redactor.remember_environment(environ)
    process_guard.no_core_dumps()
    process_guard.mask_crashes(redactor)
    with process_guard.masked_output(redactor):
        return _run(config_dir, environ, redactor)


def _run(config_dir: Path | None, environ: Mapping[str, str], redactor: Redactor) -> int:
    logs.configure(redactor=redactor, level=environ.get("PHANTOM_LOG_LEVEL", "info").lower())
    clock = SystemClock()
    loaded = load_config(config_dir, environ, Path.cwd(), clock)
    redactor.watch(loaded.secrets.known)
    process_guard.forget_variables(os.environ, redactor)
    logs.configure(redactor=redactor, level=loaded.core.log_level, log_format=loaded.core.log_format)
    for notice in loaded.notices:
        log.warning("configuration_notice", what=notice)

    # The journal's thread needs the interpreter for microseconds after each commit; by default it may wait 5 ms for it.
    sys.setswitchinterval(SWITCH_SECONDS)

    async def main() -> int:
        from config.inventory_keeper import InventoryKeeper
        from phantom.service import Service

        def uses_of_bridge(secret_id: str) -> int:
            return service.bridge.uses_of(secret_id)

        service = Service(
            loaded,
            channels=make_channels,
            redactor=redactor,
            clock=clock,
            environ=environ,
            inventory=InventoryKeeper(loaded, declared_secrets(loaded, uses_of_bridge), clock),
        )
        status = 1
        try:
            status = await service.serve()
        except ConfigError:
            status = EX_CONFIG
            raise
        finally:
            last_moments.limit(status, asyncio.get_running_loop())
        return status

    try:
        return int(_runner(loaded.core.uvloop)(main()))
    except ConfigError as error:
        log.error("cannot_start", where=error.where, what=error.message, cure=error.hint)
        return EX_CONFIG


def _runner(fast: bool) -> Any:
    """uvloop's runner where it is wanted and installed, asyncio's otherwise."""
    if fast:
        try:
            import uvloop
        except ImportError:
            return asyncio.run
        return uvloop.run
    return asyncio.run
