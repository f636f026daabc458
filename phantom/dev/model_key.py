"""A model without its key is told at once here too, where secrets come from the (local) metadata service.

That service might hold a model's key, so the daemon asks it only when the key is needed. The local one holds none.
"""

from __future__ import annotations

from config.loader import LoadedConfig
from phantom.agent import AgentContext
from phantom.clock import Clock
from phantom.errors import MetadataError, SecretError


async def check(loaded: LoadedConfig, clock: Clock) -> None:
    """Raises `ConfigError` when the chosen model needs a key that nothing has."""
    core = loaded.core
    if core.agent or not core.model:
        return
    from phantom.agents import model_choice

    provider = model_choice.PROVIDERS.get(core.model.partition(":")[0].strip().lower())
    names = [provider.secret if provider else "", model_choice.ANY_PROVIDER_SECRET]
    found = {name for name in names if name and await _is_there(loaded, name)}
    context = AgentContext(
        phantom_name=core.name,
        model=core.model,
        base_url=core.base_url,
        instructions=core.instructions,
        secret=lambda name: loaded.secrets.find(name) if name in found else None,
        now=clock.now,
    )
    model_choice.choose(context)


async def _is_there(loaded: LoadedConfig, name: str) -> bool:
    secret = loaded.secrets.find(name)
    if secret is None:
        return False
    try:
        await secret.refresh()
    except (MetadataError, SecretError):
        return False
    return True
