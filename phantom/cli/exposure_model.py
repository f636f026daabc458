"""Asks a model provider whether it still takes a key: one cheap GET that costs nothing and starts no model.

What does *not* live here: which providers there are (`phantom/agents/model_choice.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp

from phantom.agents.model_choice import PROVIDERS, ProviderChoice, Wire
from phantom.errors import ConnectError
from phantom.secrets import Secret

if TYPE_CHECKING:
    from config import PhantomSettings

_SECONDS = 10.0
_REFUSED = (401, 403)


async def is_accepted(key: Secret, name: str, core: PhantomSettings) -> bool | None:
    """Whether the provider takes the key; None when it is not known whose key it is. Raises `ConnectError`."""
    prefix, _, model = core.model.strip().partition(":")
    chosen = PROVIDERS.get(prefix.strip().lower())
    own = next((one for one in PROVIDERS.values() if one.secret == name), None)
    provider = chosen if chosen is not None and (own is None or chosen.secret == name) else own
    if provider is None:
        return None
    base = core.base_url if provider is chosen and core.base_url else provider.base_url
    wanted = quote(model.strip(), safe="") if provider is chosen and model.strip() else "none"
    try:
        return await _asked(provider, base.rstrip("/"), wanted, key)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ConnectError(f"{provider.prefix} did not answer ({type(error).__name__})") from None


async def _asked(provider: ProviderChoice, base: str, model: str, key: Secret) -> bool:
    headers = {"Authorization": f"Bearer {key.peek()}"}
    path = f"/models/{model}"
    if provider.wire is Wire.ANTHROPIC:
        headers = {"x-api-key": key.peek(), "anthropic-version": "2023-06-01"}
        path = f"/v1/models/{model}"
    elif provider.wire is Wire.OPENROUTER:
        path = "/key"  # its list of models is open to everybody
    limit = aiohttp.ClientTimeout(total=_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(base + path, headers=headers, allow_redirects=False) as answer,
    ):
        if answer.status in _REFUSED:
            return False
        if answer.status >= 500:
            raise ConnectError(f"{provider.prefix} answered HTTP {answer.status}")
    return True
