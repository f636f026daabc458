"""Puts the model provider's key on each request at the moment it leaves, from the live secret.

The SDK clients are built with a placeholder and never hold the key, so a rotation reaches the very next request and
no client, header dump or error of an SDK can show it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx2
import structlog

from phantom.agents.model_key import ModelKey
from phantom.errors import MetadataError, SecretError

PLACEHOLDER = "held-by-phantom"
"""What an SDK believes the key is; every header that holds it gets the real one."""

_log = structlog.get_logger(__name__)


class LiveKey(httpx2.Auth):
    """httpx authentication that replaces the placeholder. On 401 it asks the secret's origin once and tries again."""

    def __init__(self, key: ModelKey | None) -> None:
        self._key = key

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """One request, or two when the key turned out to have been rotated."""
        held = [name for name, value in request.headers.items() if PLACEHOLDER in value]
        templates = {name: request.headers[name] for name in held}
        if self._key is None:
            for name in held:
                del request.headers[name]
            yield request
            return
        used = self._put(request, templates, self._key)
        response = yield request
        if response.status_code == 401 and await self._rotated(self._key, used):
            self._put(request, templates, self._key)
            yield request

    @staticmethod
    def _put(request: httpx2.Request, templates: dict[str, str], key: ModelKey) -> str:
        text = key.reveal()
        for name, template in templates.items():
            request.headers[name] = template.replace(PLACEHOLDER, text)
        return text

    @staticmethod
    async def _rotated(key: ModelKey, used: str) -> bool:
        """Whether the key is another one than was refused. Requests that run at once all find the old one refused, and
        only the first of them sees the refetch change anything.
        """
        try:
            if key.peek() == used:
                await key.refresh()
            return key.peek() != used
        except (SecretError, MetadataError) as error:
            _log.warning("model_key_refresh_failed", secret=key.name, error=error.code)
            return False
