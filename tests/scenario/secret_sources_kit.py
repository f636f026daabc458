"""A channel that holds two secrets, and a fake secret manager's command, for the tests of sources."""

from __future__ import annotations

import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

import config
from config import LoadedConfig
from phantom.clock import Clock
from phantom.secret_sources import SourceDescriptor
from phantom.secrets import Secret
from phantom.settings import Env, SecretField

MANAGER = """\
#!{python} -SEI
import os, sys, time
from pathlib import Path
vault = Path(__file__).parent / "vault"
name = sys.argv[2]
with (vault / "asked").open("a") as log:
    log.write(name + " " + " ".join(sorted(os.environ)) + chr(10))
sys.stderr.write("SAID-ON-STDERR")
how = vault / (name + ".how")
if how.exists():
    exec(how.read_text())
value = vault / name
if not value.exists():
    sys.exit(44)
sys.stdout.write(value.read_text())
"""


class LineSettings(BaseModel):
    """A channel's settings as a plugin would write them."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    mode: Annotated[str, Env("LINE_MODE")] = "on"
    token: Annotated[Secret | None, SecretField("test_line_token"), Env("LINE_TOKEN")] = None
    key: Annotated[Secret | None, SecretField("test_line_key"), Env("LINE_KEY")] = None


def load(
    folder: Path,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    core: str = "",
    channels: str = "",
    sources: Mapping[str, SourceDescriptor] | None = None,
) -> LoadedConfig:
    """The configuration in `folder`, with `core` as phantom.yaml and `channels` as channels.yaml where given."""
    for name, text in (("phantom.yaml", core), ("channels.yaml", channels)):
        if text:
            (folder / name).write_text(text)
    return config.load(
        config_dir=None,
        environ={"LINE_MODE": "on", **environ},
        cwd=folder,
        channel_models={"line": LineSettings},
        clock=clock,
        enabled_by={"line": ("LINE_MODE",)},
        secret_sources=sources or {},
    )


def token(loaded: LoadedConfig) -> Secret:
    """The channel's token. Raises what keeps the channel off."""
    section = loaded.channels["line"]
    if section.error is not None:
        raise section.error
    settings: Any = section.settings
    assert settings.token is not None
    found: Secret = settings.token
    return found


class Manager:
    """A secret manager's command. `put` stores a value, `how` runs Python before it answers, `asked` is what ran."""

    def __init__(self, folder: Path) -> None:
        self.vault = folder / "vault"
        self.vault.mkdir(parents=True)
        self.command = folder / "manager"
        self.command.write_text(MANAGER.replace("{python}", sys.executable))
        self.command.chmod(self.command.stat().st_mode | stat.S_IXUSR)

    def put(self, name: str, value: str) -> None:
        """What it prints for the secret."""
        fresh = self.vault / f"{name}.fresh"
        fresh.write_text(value)
        fresh.replace(self.vault / name)

    def how(self, name: str, code: str) -> None:
        """Run this before answering; "" answers normally again."""
        (self.vault / f"{name}.how").write_text(code or "pass")

    @property
    def asked(self) -> list[str]:
        """A line for each run: the secret's name and the names of the variables that the command saw."""
        log = self.vault / "asked"
        return log.read_text().splitlines() if log.exists() else []

    def yaml(self, **more: object) -> str:
        """The `secrets:` section that uses it."""
        rest = "".join(f"  {name}: {value}\n" for name, value in more.items())
        return f"secrets:\n  exec_command: [{self.command}, get, '{{name}}']\n  exec_missing: [44]\n{rest}"
