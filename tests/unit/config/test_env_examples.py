"""The generated `.env` examples name every setting and every secret, nothing else, and no secret's value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from config import PhantomSettings, SecretsSettings, load, render_env_example, render_env_production
from config.bridge_settings import BridgeSettings
from config.dotenv import parse_dotenv
from config.env_example import NOT_IN_A_FILE
from config.env_production import CHOICES
from config.fields import fields_of
from config.secret_names import BUILT_IN
from phantom.plugins import descriptors, resolve
from phantom.testing.manual_clock import ManualClock

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = {".env.example": render_env_example, ".env.production.example": render_env_production}
MODELS: dict[str, type[BaseModel]] = {kind: resolve(one.settings) for kind, one in sorted(descriptors().items())}
DECLARED = {name for one in descriptors().values() for name in one.secrets}
ALL_MODELS: tuple[type[BaseModel], ...] = (PhantomSettings, SecretsSettings, BridgeSettings, *MODELS.values())
LINE = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def wanted() -> set[str]:
    """The preferred variable of every setting, and of every secret that no setting sets."""
    fields = [one for model in ALL_MODELS for one in fields_of(model)]
    by_setting = {one.secret.name for one in fields if one.secret}
    return {one.variables[0] for one in fields if one.variables} | {
        name.upper() for name in (BUILT_IN | DECLARED) - by_setting
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_current_and_names_each_setting_and_secret_once_and_nothing_else(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == EXAMPLES[name](MODELS, DECLARED), f"{name} is out of date; run `make docs`"
    found = [variable for variable, _ in LINE.findall(text)]
    assert len(found) == len(set(found))
    own = set(NOT_IN_A_FILE) if name == ".env.production.example" else set()
    assert set(found) == (wanted() - set(NOT_IN_A_FILE)) | own


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_holds_no_value_of_a_secret(name: str) -> None:
    secrets = {one.variables[0] for model in ALL_MODELS for one in fields_of(model) if one.holds_secret}
    secrets |= {one.upper() for one in BUILT_IN | DECLARED}
    held = dict(LINE.findall((ROOT / name).read_text(encoding="utf-8")))
    assert {variable for variable in secrets & held.keys() if held[variable]} == set()


def test_the_example_with_every_line_in_force_can_be_read() -> None:
    text = re.sub(r"^#([A-Z])", r"\1", render_env_example(MODELS), flags=re.MULTILINE)
    assert parse_dotenv(text, Path(".env"))["PORT"] == "3100"


def test_the_production_example_as_it_stands_is_a_valid_configuration(tmp_path: Path) -> None:
    text = (ROOT / ".env.production.example").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    environ = {**dict(line.split("=", 1) for line in lines), "PHANTOM_CONFIG_DIR": str(tmp_path)}
    assert set(environ) == {*CHOICES, *NOT_IN_A_FILE}
    loaded = load(
        config_dir=None, environ=environ, cwd=tmp_path, channel_models=MODELS, clock=ManualClock(), enabled_by={}
    )
    assert loaded.core.env == "production"
    assert loaded.core.secret_source == ("file",)
    assert loaded.core.host == "127.0.0.1"
    assert not loaded.notices
