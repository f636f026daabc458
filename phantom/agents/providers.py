"""From a checked choice to something that can be asked: the HTTP client with the live key, and which SDK to load.

Each SDK takes a second or two to import, so only the one that is needed is. Nothing is read from the environment:
address and key come from the choice, so a variable that happens to be set cannot send a conversation elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2
from pydantic_ai.models import Model

from phantom.agents.live_key import LiveKey
from phantom.agents.model_choice import ModelChoice, Wire

CONNECT_TIMEOUT = 10.0
"""Seconds to open a connection."""

READ_TIMEOUT = 300.0
"""Seconds a model may stay silent, also in the middle of a stream."""

RETRIES = 2
"""How often an SDK tries again what surely did not run: refused connections, 408, 409, 429 and 5xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that can be asked. `probe` asks for the model's entry, free of charge: the HTTP status, 0 if unreachable.

    `probe` is not retried on anything but a lost connection.
    """

    model: Model
    probe: Callable[[], Awaitable[int]]


def serve(choice: ModelChoice, *, read_timeout: float = READ_TIMEOUT, retries: int = RETRIES) -> Served:
    """The model of `choice`; no request is made. Its client asks the live key for every request."""
    http = httpx2.AsyncClient(
        auth=LiveKey(choice.key),
        timeout=httpx2.Timeout(read_timeout, connect=min(CONNECT_TIMEOUT, read_timeout)),
        # A redirect could carry the key to another host.
        follow_redirects=False,
    )
    if choice.provider.wire is Wire.ANTHROPIC:
        from phantom.agents import anthropic_service

        return anthropic_service.serve(choice, http, retries)
    from phantom.agents import openai_service

    return openai_service.serve(choice, http, retries)
