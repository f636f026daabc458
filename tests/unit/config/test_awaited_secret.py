"""A secret that is set while the daemon runs: its field holds a handle from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict

import config
from config.rereading import reread
from phantom.errors import SecretError
from phantom.secrets import Secret
from phantom.settings import Env, SecretField
from phantom.testing.manual_clock import ManualClock


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    backup: Annotated[Secret | None, SecretField("webhook_secret_backup", awaited=True), Env("THE_BACKUP")] = None
    on: Annotated[str, Env("THE_SWITCH")] = ""


async def test_it_has_a_value_once_it_is_written_and_read_again(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("THE_SWITCH=1\n")
    dotenv.chmod(0o600)
    loaded = config.load(
        config_dir=None,
        environ={},
        cwd=tmp_path,
        channel_models={"thing": Model},
        clock=ManualClock(),
        enabled_by={"thing": ("THE_SWITCH",)},
    )
    settings = loaded.channels["thing"].settings
    assert isinstance(settings, Model)
    assert settings.backup is not None
    with pytest.raises(SecretError):
        settings.backup.reveal()
    dotenv.write_text("THE_SWITCH=1\nTHE_BACKUP=a-secret-that-came-later-0001\n")
    await reread(loaded)
    assert settings.backup.reveal() == "a-secret-that-came-later-0001"
    await loaded.secrets.aclose()
