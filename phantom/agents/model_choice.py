"""What `PHANTOM_MODEL` means: `provider:model`, which key it needs and where it is served. Imports no SDK.

Every mistake an operator can make in these settings is a `ConfigError` here, before the first message.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from phantom.agent import AgentContext
from phantom.agents.model_key import ModelKey
from phantom.errors import ConfigError

ANY_PROVIDER_SECRET = "provider_token"  # noqa: S105 - a secret's name, not its value
"""The secret a metadata service hands out whatever the provider is; the provider's own name wins over it."""


class Wire(Enum):
    """The protocol a provider's server speaks."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    OPENAI_RESPONSES = "openai-responses"
    OPENROUTER = "openrouter"
    OLLAMA = "ollama"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChoice:
    """One accepted prefix. `base_url` is where its own service is; `variable` and `secret` name its key."""

    prefix: str
    wire: Wire
    base_url: str
    variable: str = ""
    secret: str = ""
    example: str = ""


_OPENAI = "https://api.openai.com/v1"

PROVIDERS = {
    choice.prefix: choice
    for choice in (
        ProviderChoice(
            prefix="anthropic",
            wire=Wire.ANTHROPIC,
            base_url="https://api.anthropic.com",
            variable="ANTHROPIC_API_KEY",
            secret="anthropic_api_key",  # noqa: S106
            example="anthropic:claude-sonnet-4-5",
        ),
        ProviderChoice(
            prefix="openai",
            wire=Wire.OPENAI,
            base_url=_OPENAI,
            variable="OPENAI_API_KEY",
            secret="openai_api_key",  # noqa: S106
            example="openai:gpt-5.2",
        ),
        ProviderChoice(
            prefix="openai-responses",
            wire=Wire.OPENAI_RESPONSES,
            base_url=_OPENAI,
            variable="OPENAI_API_KEY",
            secret="openai_api_key",  # noqa: S106
            example="openai-responses:gpt-5.2",
        ),
        ProviderChoice(
            prefix="openrouter",
            wire=Wire.OPENROUTER,
            base_url="https://openrouter.ai/api/v1",
            variable="OPENROUTER_API_KEY",
            secret="openrouter_api_key",  # noqa: S106
            example="openrouter:anthropic/claude-sonnet-4.5",
        ),
        ProviderChoice(
            prefix="ollama",
            wire=Wire.OLLAMA,
            base_url="http://127.0.0.1:11434/v1",
            example="ollama:llama3.2",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A checked choice: everything needed to build a client. `key` is a live handle, None where none is needed."""

    provider: ProviderChoice
    model: str
    base_url: str
    key: ModelKey | None

    @property
    def name(self) -> str:
        """`provider:model`, as the operator wrote it."""
        return f"{self.provider.prefix}:{self.model}"

    @property
    def own_service(self) -> bool:
        """Whether the provider's own service is asked, not a compatible server elsewhere."""
        return self.base_url == self.provider.base_url

    @property
    def host(self) -> str:
        """Where requests go, for people: host and port without path or credentials."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def choose(context: AgentContext) -> ModelChoice:
    """The choice that `context.model` and `context.base_url` make. Raises `ConfigError` with the cure."""
    prefix, _, model = context.model.strip().partition(":")
    provider = PROVIDERS.get(prefix.strip().lower())
    if provider is None or not model.strip():
        raise _unknown(context.model)
    base_url = _checked_url(context.base_url) or provider.base_url
    key = _key(context, provider)
    if key is None and provider.variable and base_url == provider.base_url:
        raise ConfigError(
            f"models of {provider.prefix} need a key and none is set",
            where=provider.variable,
            hint=f"set {provider.variable}, or unset PHANTOM_MODEL to use the built-in offline agent",
            code="model_key_missing",
        )
    return ModelChoice(provider=provider, model=model.strip(), base_url=base_url, key=key)


def _key(context: AgentContext, provider: ProviderChoice) -> ModelKey | None:
    names = [provider.secret] if provider.secret else []
    if provider.secret or context.base_url.strip():
        names.append(ANY_PROVIDER_SECRET)
    return ModelKey(names, context.secret) if any(context.secret(name) is not None for name in names) else None


def _checked_url(value: str) -> str:
    url = value.strip().rstrip("/")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        credentials = "@" in parts.netloc
        _ = parts.port
    except ValueError:
        usable, credentials = False, False
    if not usable or credentials:
        what = "holds a user name or password" if credentials else "is not an http:// or https:// address"
        raise ConfigError(
            f"the model's base URL {what}",
            where="PHANTOM_MODEL_BASE_URL",
            hint="give scheme, host and path only, e.g. http://127.0.0.1:8000/v1; the key goes into its own variable",
        )
    return url


def _unknown(value: str) -> ConfigError:
    """The error for a value without a usable `provider:model`. It never repeats the value: it could be a key."""
    accepted = ", ".join(f"{name}:…" for name in PROVIDERS)
    prefix, _, _ = value.strip().lower().partition(":")
    if prefix in PROVIDERS:
        message = f"names the provider {prefix} but no model"
        hint = f"write provider:model, e.g. {PROVIDERS[prefix].example}"
    else:
        near = difflib.get_close_matches(prefix, list(PROVIDERS), n=1, cutoff=0.6)
        guess = near[0] if near else _provider_of(prefix)
        did_you_mean = f"did you mean {guess}:…, as in {PROVIDERS[guess].example}? " if guess else ""
        message = "does not start with a known provider"
        hint = f"{did_you_mean}accepted: {accepted}"
    return ConfigError(message, where="PHANTOM_MODEL", hint=hint, code="model_unknown")


def _provider_of(model: str) -> str | None:
    """The provider a bare model name most likely belongs to."""
    if model.startswith("claude"):
        return "anthropic"
    if model.startswith(("gpt", "o1", "o3", "o4", "chatgpt")):
        return "openai"
    if model.startswith(("llama", "qwen", "mistral", "gemma", "phi")):
        return "ollama"
    return "openrouter" if "/" in model else None
