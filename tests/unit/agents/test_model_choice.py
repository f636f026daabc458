"""PHANTOM_MODEL, its key and its base URL: every mistake is one clear error that never repeats a value."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom.agent import AgentContext
from phantom.agents.model_choice import PROVIDERS, choose
from phantom.errors import ConfigError
from phantom.secrets import held


def context(model: str, base_url: str = "", secrets: Mapping[str, str] | None = None) -> AgentContext:
    known = {name: held(name, value) for name, value in (secrets or {}).items()}
    return AgentContext(
        phantom_name="Phantom", model=model, base_url=base_url, instructions="", secret=known.get, now=time.time
    )


@pytest.mark.parametrize(
    ("prefix", "secret"),
    [
        ("anthropic", "anthropic_api_key"),
        ("openai", "openai_api_key"),
        ("openai-responses", "openai_api_key"),
        ("openrouter", "openrouter_api_key"),
    ],
)
def test_each_provider_takes_its_own_key_or_the_provider_token(prefix: str, secret: str) -> None:
    both = choose(context(f"{prefix}:m", secrets={secret: "own", "provider_token": "general"}))
    assert both.key is not None
    assert both.key.reveal() == "own"
    general = choose(context(f"{prefix}:m", secrets={"provider_token": "general"}))
    assert general.key is not None
    assert general.key.reveal() == "general"
    assert general.own_service


@pytest.mark.parametrize("prefix", ["anthropic", "openai", "openrouter"])
def test_a_missing_key_is_named_with_its_variable(prefix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(context(f"{prefix}:m"))
    assert caught.value.where == PROVIDERS[prefix].variable
    assert caught.value.where in caught.value.hint
    assert caught.value.code == "model_key_missing"


def test_local_and_compatible_servers_need_no_key() -> None:
    assert choose(context("ollama:llama3.2:1b")).model == "llama3.2:1b"
    assert choose(context("ollama:llama3.2:1b")).key is None
    choice = choose(context("openai:qwen", base_url="http://127.0.0.1:8000/v1/"))
    assert choice.key is None
    assert choice.base_url == "http://127.0.0.1:8000/v1"
    assert choice.host == "127.0.0.1:8000"
    assert not choice.own_service


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("antropic:claude-x", "anthropic:…"),
        ("open-ai:gpt-x", "openai:…"),
        ("claude-sonnet-4-5", "anthropic:…"),
        ("gpt-5", "openai:…"),
        ("llama3.2:1b", "ollama:…"),
        ("meta/llama-3", "openrouter:…"),
        ("OLAMA:x", "ollama:…"),
    ],
)
def test_an_unknown_prefix_gets_the_list_and_a_guess(model: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(context(model))
    assert f"did you mean {meant}" in caught.value.hint
    for prefix in PROVIDERS:
        assert f"{prefix}:…" in caught.value.hint
    assert caught.value.where == "PHANTOM_MODEL"


def test_a_provider_without_a_model_says_so() -> None:
    for model in ("anthropic:", "anthropic", "anthropic: "):
        with pytest.raises(ConfigError, match="no model"):
            choose(context(model))


@given(st.text(min_size=1, max_size=40))
def test_a_value_is_never_repeated(tail: str) -> None:
    pasted = f"sk-live-{tail}-secret"
    with pytest.raises(ConfigError) as caught:
        choose(context(pasted))
    assert "sk-live" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["ftp://host/v1", "host:8000/v1", "http://", "http://u:hunter2@host/v1", "http://h/v1?key=hunter2", "http://h:x/"],
)
def test_a_bad_base_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(context("openai:m", base_url=url))
    assert "hunter2" not in str(caught.value)
    assert caught.value.where == "PHANTOM_MODEL_BASE_URL"
