"""Writes `.env.example` from the settings models: every variable, commented out, with its meaning and default.

What does *not* live here: the file for production (`env_production.py`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from config.bridge_settings import BridgeSettings
from config.fields import SettingField, fields_of
from config.reference import default_of
from config.secret_catalogue import ENCRYPTION_KEY, MODEL_KEYS, TURNS_PASSWORD
from config.secret_names import BUILT_IN
from config.secrets_settings import SecretsSettings
from config.settings import PhantomSettings

NOT_IN_A_FILE = ("PHANTOM_ENV", "PHANTOM_CONFIG_DIR")
"""They say whether and where files are read, so the process environment alone can hold them."""
_INTRODUCTION = """\
# Copy this file to .env and take away the # in front of what you set. `phantom config explain` shows what counts.
# .env is read in development only; in production set real environment variables, files or the metadata service:
# .env.production.example begins one. Keep it to yourself: chmod 600 .env. Git ignores it; leave it so.
# A secret's variable with _FILE behind it names a file that holds it: SLACK_BOT_TOKEN_FILE=/run/secrets/bot_token.
# Every line here is generated from the settings; none is needed for `phantom dev`.
"""


def render_env_example(models: Mapping[str, type[BaseModel]], declared: Iterable[str] = ()) -> str:
    """The file's text: the daemon's variables, then those of each channel kind in `models`, then secrets that no
    setting sets. `declared` are the names of secrets that plugins declare.
    """
    parts = [_INTRODUCTION, part("The daemon", PhantomSettings), encryption_key(), turns_password(), model_keys()]
    parts.append(part("Secrets in general", SecretsSettings))
    parts.append(part("The bridge for other programs", BridgeSettings))
    parts += [part(f"Channel kind {kind}", model) for kind, model in models.items()]
    return "\n".join([*parts, *other_secrets(models, declared)])


def part(title: str, model: type[BaseModel], set_to: Mapping[str, str] | None = None) -> str:
    """One model's variables under a heading. Those in `set_to` are in force, with that value."""
    entries = [
        entry(one, set_to or {})
        for one in fields_of(model)
        if one.env is not None and one.env.name not in NOT_IN_A_FILE
    ]
    return f"# --- {title} ---\n\n" + "\n".join(entries)


def entry(one: SettingField, set_to: Mapping[str, str]) -> str:
    """A variable with its meaning and, unless it is a secret, its default."""
    variable = one.variables[0]
    default = default_of(one).strip("`")
    value = "" if default in {"not set", "required"} else default
    line = f"{variable}={set_to[variable]}" if variable in set_to else f"#{variable}={value}"
    return told(one.info.description or "") + line + "\n"


def told(text: str) -> str:
    """A comment of as many lines as it takes."""
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, width=110, break_on_hyphens=False))


def model_keys() -> str:
    """The keys of model providers, which no setting names."""
    lines = [f"#{name.upper()}=\n" for name, provider in MODEL_KEYS.items() if provider]
    anyone = [f"#{name.upper()}=\n" for name, provider in MODEL_KEYS.items() if not provider]
    return (
        "# --- Model keys ---\n\n"
        + told("The key of the provider that PHANTOM_MODEL names.")
        + "".join(lines)
        + "\n"
        + told("A key for whatever provider it is; the provider's own wins over it.")
        + "".join(anyone)
    )


def encryption_key() -> str:
    """What goes with PHANTOM_ENCRYPTION."""
    meaning = (
        "The key that the data folder is encrypted with, or several with commas between them: the first seals, all "
        "open. `phantom secrets rotate encryption --write` makes it. Without it, what is sealed is lost: back it up."
    )
    return f"# --- Encryption of the data folder ---\n\n{told(meaning)}#{ENCRYPTION_KEY.upper()}=\n"


def turns_password() -> str:
    """What goes with PHANTOM_TURNS_DATABASE."""
    meaning = "The password of the user that PHANTOM_TURNS_DATABASE names. It rotates while the daemon runs."
    return f"# --- The database of turns ---\n\n{told(meaning)}#{TURNS_PASSWORD.upper()}=\n"


def other_secrets(models: Mapping[str, type[BaseModel]], declared: Iterable[str]) -> list[str]:
    """The part about secrets that are known by name and set by no setting, if there are any."""
    settings = {one.secret.name for model in models.values() for one in fields_of(model) if one.secret}
    names = sorted((BUILT_IN | set(declared)) - settings - MODEL_KEYS.keys() - {TURNS_PASSWORD, ENCRYPTION_KEY})
    if not names:
        return []
    entries = [told(f"For a `${{secret:{name}}}` in a file.") + f"#{name.upper()}=\n" for name in names]
    return ["# --- Secrets that no setting sets by itself ---\n\n" + "\n".join(entries)]
