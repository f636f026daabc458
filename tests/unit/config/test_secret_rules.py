"""What a secret's text must look like, which category its name belongs to, and how old it may get."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.secret_catalogue import CATEGORIES, category_of
from config.secret_formats import why_malformed
from config.secrets_settings import SecretsSettings, seconds
from config.source_registry import BUILT_IN

ROOT = Path(__file__).parents[3]
DISCORD = "MTE5OTg3NjU0MzIxMDEyMzQ1Ng.GhIjKl." + "a1B2c3D4e5" * 3 + "x"

WHSEC = "whsec_"


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("slack_bot_token", "xoxb-1234567890-abcdef", ""),
        ("slack_bot_token", "xoxe.xoxb-1-abcdefghijk", ""),
        ("slack_bot_token", "xapp-1-A-1234567890", "is an app-level token; a bot token begins with xoxb-"),
        ("slack_bot_token", "xoxb-your-token", "looks like a placeholder"),
        ("slack_app_token", "xoxb-1234567890-abc", "is a bot token; an app-level token begins with xapp-"),
        ("slack_signing_secret", "0123456789abcdef" * 2, ""),
        ("slack_signing_secret_previous", "0123456789abcdef", "is not 32 hex digits"),
        ("discord_bot_token", DISCORD, ""),
        (
            "discord_bot_token",
            "not-a-token-at-all",
            "is not of the three parts, separated by dots, that a bot token has",
        ),
        ("webhook_secret_backup", "backup-" * 5, "is not random: it repeats a few characters"),
        ("webhook_orders", "too-short-a-secret", "is shorter than 24 characters: it can be guessed"),
        ("webhook_secret_default", WHSEC + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""),
        ("webhook_secret_default", WHSEC + "C2FVsBQIhrscChlQIMV+b5sSYspob7oDOWl5c5kCVqU", ""),
        ("discord_public_key", "ab" * 32, ""),
        ("discord_public_key", "ab" * 31, "is not 64 hex digits"),
        ("anthropic_api_key", "sk-ant-api03-abcdefgh", ""),
        ("openai_api_key", "sk-proj-abcdefgh", ""),
        ("openai_api_key", "sk-ant-api03-abcdefgh", "does not look like a key of this provider (sk-…)"),
        ("webhook_secret_default", "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", ""),
        ("webhook_secret_default", "whsec_!!", "begins with whsec_, and what follows is not base64"),
        ("webhook_secret_backup", "short-secret", "is shorter than 24 characters: it can be guessed"),
        ("any_plugin_key", "k" * 12, ""),
        ("any_plugin_key", "", "is empty"),
        ("any_plugin_key", " \t\n", "is empty"),
        ("any_plugin_key", "abcdefghijk\n", "has spaces or line ends at its edges"),
        ("any_plugin_key", "abcdefgh\nijk", "has more than one line"),
        ("any_plugin_key", "abcdefgh\x07ijk", "holds control characters"),
        ("any_plugin_key", '"abcdefghijk"', "is in quotes, which are part of it now"),
        ("any_plugin_key", "abcdefgh ijk", "holds spaces"),
        ("any_plugin_key", "schlüsselchen", "holds characters that no token has (not ASCII)"),
        ("any_plugin_key", "abc", "is shorter than 8 characters"),
        ("any_plugin_key", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", ""),
    ],
)
def test_shapes(name: str, text: str, wrong: str) -> None:
    assert why_malformed(name, text) == wrong


@given(st.sampled_from(["slack_bot_token", "webhook_secret_default", "discord_bot_token", "x"]), st.text(min_size=6))
def test_what_is_wrong_never_quotes_the_value(name: str, text: str) -> None:
    assert text not in why_malformed(name, text)


def test_categories() -> None:
    found = {
        name: category_of(name)
        for name in ("openai_api_key", "slack_bot_token", "pinecone_key", "archive_token", "redis_password", "acme_key")
    }
    assert list(found.values()) == [CATEGORIES[at] for at in (0, 1, 3, 4, 6, 9)]
    assert category_of("acme_key", {"acme_key": "Vector Database"}) == "vector database"
    assert category_of("acme_key", {"acme_key": "payments"}) == "payments"


def test_times() -> None:
    assert [seconds(text) for text in ("90d", "12h", "15m", "30s", "2w", "never")] == [
        7_776_000, 43_200, 900, 30, 1_209_600, 0
    ]  # fmt: skip
    for wrong in ("", "90", "0d", "-1d", "d", "1y", "1d2h", "\u0663d"):
        with pytest.raises(ValueError, match="must be a time"):
            seconds(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": {"slack_bot_token": "soon"}},
        {"policy": {"Not A Name": "30d"}},
        {"declare": {"x": ""}},
        {"exec_command": ["", "x"]},
        {"exec_timeout": 0},
        {"exec_environment": ["A=B"]},
        {"nonsense": 1},
    ],
)
def test_rules_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SecretsSettings.model_validate(wrong)


def test_sources_are_registered_like_a_plugins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = project["entry-points"]["phantom.secret_sources"]
    assert {kind: f"config.source_registry:{kind.upper()}" for kind in BUILT_IN} == found
