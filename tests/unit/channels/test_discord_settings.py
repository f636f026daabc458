"""The Discord channel's settings, what the policy gets of them, and what is built of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from channels.discord import CAPABILITIES, DESCRIPTOR
from channels.discord.settings import DiscordSettings
from phantom.access import AccessRules
from phantom.capabilities import Capability


def test_lists_come_from_variables_and_from_yaml() -> None:
    settings = DiscordSettings(
        allowed_users="1, 2 3",  # type: ignore[arg-type]
        allowed_roles=[4, "5"],  # type: ignore[arg-type]
        owner=6,  # type: ignore[arg-type]
        transport=" HTTP ",  # type: ignore[arg-type]
    )
    assert settings.allowed_users == ("1", "2", "3")
    assert settings.allowed_roles == ("4", "5")
    assert (settings.owner, settings.transport) == ("6", "http")


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner": "olivia"},
        {"allowed_guilds": "Acme"},
        {"transport": "carrier pigeon"},
        {"bots": "some"},
        {"api_base_url": "http://discord.com/api"},
        {"api_base_url": "https://u:p@discord.com/api"},
        {"shard_ids": (0,)},
        {"shard_ids": (2,), "shard_count": 2},
        {"colour": "blue"},
    ],
)
def test_what_is_wrong_is_refused_without_repeating_it(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        DiscordSettings(**wrong)
    value = next(iter(wrong.values()))
    assert not isinstance(value, str) or value not in str(raised.value)


def test_the_policy_understands_the_options() -> None:
    settings = DiscordSettings(owner="1", allowed_roles=("2",), direct_messages=False, bots="all", bot_budget=2)
    rules = AccessRules.from_options(settings.policy_options())
    assert rules.allowed_roles == frozenset({"2"})
    assert (rules.owner, rules.direct_messages, rules.bots, rules.bot_budget) == ("1", False, "all", 2)


def test_the_record_names_what_is_there() -> None:
    assert DESCRIPTOR.kind == "discord"
    assert set(DESCRIPTOR.enabled_by) == {"DISCORD_BOT_TOKEN", "DISCORD_TRANSPORT"}
    assert Capability.SILENT_EDIT in CAPABILITIES


@pytest.mark.parametrize("module", ["channels.discord", "channels.discord.settings", "channels.discord.factory"])
def test_discord_py_and_cryptography_are_imported_late(module: str) -> None:
    code = f"import sys, {module}; sys.exit('discord' in sys.modules or 'cryptography' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
