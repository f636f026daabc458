"""Every combination of `phantom init`'s answers loads as what was asked for."""

from __future__ import annotations

import stat
from itertools import product
from pathlib import Path

import pytest

from config import explain
from phantom.cli.init import main
from phantom.cli.templates import DISCORD, NONE, SLACK
from phantom.clock import SystemClock
from phantom.daemon import load_config

CHOICES = [(slack, discord) for slack, discord in product(SLACK, DISCORD) if (slack, discord) != (NONE, NONE)]


@pytest.mark.parametrize("style", ["env", "yaml"])
@pytest.mark.parametrize(("slack", "discord"), CHOICES)
def test_it_loads(tmp_path: Path, slack: str, discord: str, style: str) -> None:
    assert main(folder=tmp_path, slack=slack, discord=discord, style=style, name="Ada Nova", yes=True, force=False) == 0
    env = tmp_path / ".env"
    written = env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert ("\nDISCORD_BOT_TOKEN=\n" in written) == (discord != NONE)
    assert ("#DISCORD_PUBLIC_KEY=" in written) == (discord == "http")
    # Filled in, it is what the daemon starts with.
    env.write_text(written.replace("\nDISCORD_BOT_TOKEN=", f"\nDISCORD_BOT_TOKEN={'x' * 70}"))
    loaded = load_config(None, {}, tmp_path, SystemClock())
    assert loaded.core.name == "Ada Nova"
    rows = {row.setting: row for row in explain(loaded)}
    assert ("slack.transport" in rows) == (slack != NONE)
    assert ("discord.transport" in rows) == (discord != NONE)
    if slack != NONE:
        assert rows["slack.transport"].value == ("socket" if slack == "socket" else "http")
        assert ("slack.http_profile" in rows and rows["slack.http_profile"].value == "direct") == (slack == "direct")
    if discord != NONE:
        assert rows["discord.transport"].value == discord
        assert explain(loaded, every_secret=True)
        assert rows["discord.bot_token"].source == ".env DISCORD_BOT_TOKEN"
