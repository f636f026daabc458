"""A model behind an OpenAI-shaped API: OpenAI, OpenRouter, Ollama or a compatible server, through the official SDK."""

from __future__ import annotations

import httpx2
import openai
from pydantic_ai.models import Model
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider

from phantom.agents.live_key import PLACEHOLDER
from phantom.agents.model_choice import ModelChoice, Wire
from phantom.agents.providers import Served


def serve(choice: ModelChoice, http: httpx2.AsyncClient, retries: int) -> Served:
    """The model of `choice`, asked through `http`."""
    client = openai.AsyncOpenAI(
        api_key=PLACEHOLDER, base_url=choice.base_url, http_client=http, max_retries=retries, timeout=http.timeout
    )

    async def probe() -> int:
        try:
            # OpenRouter shows its models to anybody; only this tells whether the key is good.
            if choice.provider.wire is Wire.OPENROUTER and choice.own_service:
                await client.get("/key", cast_to=object)
            else:
                await client.models.retrieve(choice.model)
        except openai.APIStatusError as error:
            return error.status_code
        except openai.APIError:
            return 0
        return 200

    return Served(model=_model(choice, client), probe=probe)


def _model(choice: ModelChoice, client: openai.AsyncOpenAI) -> Model:
    match choice.provider.wire:
        case Wire.OPENROUTER:
            return OpenRouterModel(choice.model, provider=OpenRouterProvider(openai_client=client))
        case Wire.OLLAMA:
            return OllamaModel(choice.model, provider=OllamaProvider(openai_client=client))
        case Wire.OPENAI if not choice.own_service:
            # Whoever is compatible with OpenAI is so with Chat Completions; few speak Responses.
            compatible = OpenAICompatibleProvider("openai-compatible", openai_client=client)
            return OpenAIChatModel(choice.model, provider=compatible)
        case Wire.OPENAI | Wire.OPENAI_RESPONSES:
            # Our own store keeps the conversation; the service need not.
            settings = OpenAIResponsesModelSettings(openai_store=False)
            return OpenAIResponsesModel(choice.model, provider=OpenAIProvider(openai_client=client), settings=settings)
        case _:
            raise ValueError(f"{choice.provider.prefix} is not served over an OpenAI-shaped API")
