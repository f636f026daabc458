"""A model behind the Anthropic Messages API, Anthropic's own or a compatible one, through the official SDK."""

from __future__ import annotations

import anthropic
import httpx2
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from phantom.agents.live_key import PLACEHOLDER
from phantom.agents.model_choice import ModelChoice
from phantom.agents.providers import Served


def serve(choice: ModelChoice, http: httpx2.AsyncClient, retries: int) -> Served:
    """The model of `choice`, asked through `http`."""
    client = anthropic.AsyncAnthropic(
        api_key=PLACEHOLDER, base_url=choice.base_url, http_client=http, max_retries=retries, timeout=http.timeout
    )

    async def probe() -> int:
        try:
            await client.models.retrieve(choice.model)
        except anthropic.APIStatusError as error:
            return error.status_code
        except anthropic.APIError:
            return 0
        return 200

    return Served(model=AnthropicModel(choice.model, provider=AnthropicProvider(anthropic_client=client)), probe=probe)
