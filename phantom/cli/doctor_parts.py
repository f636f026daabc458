"""What `phantom doctor` checks by asking: secrets at their source, the agent, and each channel's platform."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantom import findings
from phantom.agent import AgentContext, SupportsCheck
from phantom.agents.loader import describe, load_agent
from phantom.channel import ChannelContext, Descriptor, SupportsSecrets
from phantom.cli.doctor_database import check_database
from phantom.cli.output import Finding
from phantom.clock import SystemClock
from phantom.errors import ConfigError, PhantomError, SecretError
from phantom.findings import Level
from phantom.metrics import PrometheusMeter
from phantom.plugins import descriptors, resolve
from phantom.secret_sources import ABSENT
from phantom.secrets import Secret

if TYPE_CHECKING:
    from config import ChannelConfig, LoadedConfig

PATIENCE = 20.0
"""Seconds for one part's questions."""
EXPLAIN = "`phantom config explain` shows where it is read from"


async def check_parts(loaded: LoadedConfig) -> list[Finding]:
    """Agent, channels and secrets. Closes what it opened."""
    unwanted: list[Secret] = []
    try:
        found = list(await _bounded("agent", _agent(loaded)))
        for name, channel in loaded.channels.items():
            if channel.error is None:
                found += await _bounded(f"channel {name}", _channel(loaded, name, channel, unwanted))
        found += await _bounded("turns database", check_database(loaded))
        for name in loaded.secret_rules.declare:
            with contextlib.suppress(SecretError):  # one that is there and unfit: `doctor_secrets` tells it
                loaded.secrets.find(name)
        # Last: only now is it known which secrets anybody wants.
        wanted = [secret for secret in loaded.secrets.known() if secret not in unwanted]
        return [*await _secrets(loaded, wanted), *found]
    finally:
        await loaded.secrets.aclose()


async def _bounded(check: str, work: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await work
    except TimeoutError:
        return [_failed(check, f"no answer within {PATIENCE:.0f} s", "check the network, proxy and base addresses")]
    except PhantomError as error:
        return [_failed(check, _text(error), error.hint or EXPLAIN)]


def _failed(check: str, seen: str, cure: str) -> Finding:
    return Finding(check=check, level=Level.FAIL, seen=seen, cure=cure)


def _text(error: PhantomError) -> str:
    return f"{error.where}: {error.message}" if isinstance(error, ConfigError) and error.where else error.message


async def _secrets(loaded: LoadedConfig, wanted: Sequence[Secret]) -> list[Finding]:
    present: list[str] = []
    found: list[Finding] = []
    for secret in {secret.name: secret for secret in wanted}.values():
        asked = _ask_for(secret, present, optional=loaded.secrets.optional(secret.name))
        found += await _bounded(f"secret {secret.name}", asked)
    if present:
        found.insert(0, Finding(check="secrets", level=Level.OK, seen=f"present: {', '.join(sorted(present))}"))
    return found


async def _ask_for(secret: Secret, present: list[str], *, optional: bool) -> Sequence[Finding]:
    try:
        await secret.refresh()
        secret.reveal()
    except PhantomError as error:
        if optional and error.code == ABSENT:
            return ()
        raise
    present.append(secret.name)
    return ()


async def _agent(loaded: LoadedConfig) -> Sequence[Finding]:
    core = loaded.core
    context = AgentContext(
        phantom_name=core.name,
        model=core.model,
        base_url=core.base_url,
        instructions=core.instructions,
        secret=loaded.secrets.find,
        now=SystemClock().now,
    )
    agent = await load_agent(agent=core.agent, model=core.model, context=context)
    if isinstance(agent, SupportsCheck):
        await agent.check()
    return [Finding(check="agent", level=Level.OK, seen=describe(agent))]


async def _channel(
    loaded: LoadedConfig, name: str, channel: ChannelConfig, unwanted: list[Secret]
) -> Sequence[Finding]:
    """Adds to `unwanted` the secrets that a live source may have for the channel, but that it does not need."""
    descriptor = descriptors()[channel.kind]
    context = ChannelContext(
        phantom_name=loaded.core.name,
        clock=SystemClock(),
        meter=PrometheusMeter(),
        secret=loaded.secrets.secret,
        identity=loaded.identity,
        tenant_status=loaded.tenant_status,
        data_dir=Path(loaded.core.data_dir) / name,
        options={},
    )
    # Built as the daemon builds it, which does no I/O but refuses what is missing.
    built = resolve(descriptor.target, descriptor.extra)(channel.settings, context)
    if isinstance(built, SupportsSecrets):
        held = [value for value in vars(channel.settings).values() if isinstance(value, Secret)]
        unwanted += [secret for secret in held if secret not in built.secrets]
        # As the channel does when it starts. What fails is told by its own checks, and with the secrets.
        await asyncio.gather(*(secret.refresh() for secret in built.secrets), return_exceptions=True)
    examine = _own_doctor(descriptor)
    if examine is None:
        return [Finding(check=f"channel {name}", level=Level.OK, seen="its settings are complete; it has no doctor")]
    return list(_translated(name, await examine(channel.settings, context)))


def _own_doctor(descriptor: Descriptor) -> Any:
    """`examine(settings, context)` of the module `doctor` beside the channel's settings, None when it has none."""
    package = descriptor.settings.partition(":")[0].rpartition(".")[0]
    name = f"{package}.doctor"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise
    return getattr(module, "examine", None)


def _translated(name: str, found: Iterable[findings.Finding]) -> Iterable[Finding]:
    for one in found:
        yield Finding(check=f"channel {name}", level=one.level, seen=one.what, cure=one.cure)
