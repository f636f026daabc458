"""Writes `.env.example` from the settings models: every variable, commented out, with its meaning and default."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from pydantic import BaseModel

from config.bridge_settings import BridgeSettings
from config.fields import SettingField, fields_of
from config.reference import default_of
from config.settings import PhantomSettings

_INTRODUCTION = """\
# Copy this file to .env and take away the # in front of what you set. `phantom config explain` shows what counts.
# .env is read in development only; in production set real environment variables, files or the metadata service.
# Every line here is generated from the settings; none is needed for `phantom dev`.
"""


def render_env_example(models: Mapping[str, type[BaseModel]]) -> str:
    """The file's text: the daemon's variables, then those of each channel kind in `models`."""
    parts = [_INTRODUCTION, _part("The daemon", PhantomSettings, ("PHANTOM_ENV",)), _KEYS]
    parts.append(_part("The bridge for other programs", BridgeSettings, ()))
    parts += [_part(f"Channel kind {kind}", model, ()) for kind, model in models.items()]
    return "\n".join(parts)


_KEYS = """\
# --- Model keys ---

# The key of the provider that PHANTOM_MODEL names.
#ANTHROPIC_API_KEY=
#OPENAI_API_KEY=
#OPENROUTER_API_KEY=
"""


def _part(title: str, model: type[BaseModel], without: tuple[str, ...]) -> str:
    entries = [_entry(one) for one in fields_of(model) if one.env is not None and one.env.name not in without]
    return f"# --- {title} ---\n\n" + "\n".join(entries)


def _entry(one: SettingField) -> str:
    default = default_of(one).strip("`")
    value = "" if default in {"not set", "required"} else default
    meaning = textwrap.wrap(one.info.description or "", width=110, break_on_hyphens=False)
    lines = [f"# {line}" for line in meaning] + [f"#{one.variables[0]}={value}"]
    return "\n".join(lines) + "\n"
