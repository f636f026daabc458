"""Writes the configuration reference from the settings models, so that it cannot say anything else than they do."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from config.bridge_settings import BridgeSettings
from config.fields import SettingField, describe_type, fields_of
from config.files import CHANNELS_FILE, CORE_FILE
from config.fill import show
from config.secrets_settings import SecretsSettings
from config.settings import PhantomSettings

_INTRODUCTION = f"""# Configuration reference

<!-- Generated from the settings models. Change the models, then run `make docs`. -->

Every setting may come from an environment variable or from a file. The environment wins over `.env`, `.env` over the
file, the file over the default; an empty variable counts as unset. `phantom config explain` shows where each value came
from, secrets masked.

- `{CORE_FILE}` holds the settings of the daemon, `{CHANNELS_FILE}` those of the channels, one section a channel. They
  are looked for in `--config DIR`, in `PHANTOM_CONFIG_DIR`, in the working folder and in `/etc/phantom`; the first
  folder that holds one of them counts.
- `.env` in the working folder is read unless `PHANTOM_ENV` is `production`; then one that everyone may read is refused.
- Inside a YAML value `${{NAME}}` is the environment variable NAME and `${{NAME:-default}}` the same with a default;
  `$${{` is a literal `${{`. A value that is wholly `${{secret:NAME}}` is a live secret and follows its rotation.
- Lists in an environment variable are separated by commas or spaces.
- An unknown key, a wrong value or a reference that cannot be resolved stops the daemon with exit status 78. In a
  channel's section it stops that channel only.
"""

_BRIDGE = """An unknown key or a wrong value stops the daemon; what shows only when the bridge opens (an address in use,
no TLS, a name that no channel offers) stops the bridge alone. [Let programs use the bot](../how-to/bridge.md) says what
the entries of `secrets` mean.
"""


_SECRETS = """`secret_source` above says where secrets come from. [Secrets](../how-to/secrets.md) shows each source at
work and what `phantom secrets list` makes of the policy.
"""


def render_reference(models: Mapping[str, type[BaseModel]]) -> str:
    """The reference as Markdown: the daemon's settings, then those of each channel kind in `models`."""
    parts = [_INTRODUCTION, f"## The daemon (`{CORE_FILE}`)\n", _table(PhantomSettings)]
    parts += [f"## Secrets (`secrets:` in `{CORE_FILE}`)\n", _SECRETS, _table(SecretsSettings)]
    parts += [f"## The bridge (`bridge:` in `{CORE_FILE}`)\n", _BRIDGE, _table(BridgeSettings)]
    for kind, model in models.items():
        parts += [f"## Channel kind `{kind}` (`{CHANNELS_FILE}`)\n", _channel_text(kind), _table(model)]
    return "\n".join(parts)


def _channel_text(kind: str) -> str:
    return (
        f"A section named `{kind}`, or of any name with `kind: {kind}`. `enabled: false` switches it off. The\n"
        "environment fills the section that is named like its kind, else the only one of that kind.\n"
    )


def _table(model: type[BaseModel]) -> str:
    rows = ["| setting | environment | type | default | meaning |", "|---|---|---|---|---|"]
    rows += [_row(one) for one in fields_of(model)]
    return "\n".join(rows) + "\n"


def _row(one: SettingField) -> str:
    variables = ", ".join(f"`{name}`" for name in one.variables) or "-"
    kind = f"secret `{one.secret.name}`" if one.secret else describe_type(one.info.annotation)
    cells = (f"`{one.name}`", variables, kind, default_of(one), one.info.description or "")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def default_of(one: SettingField) -> str:
    """The default in Markdown: `value`, "required" or "not set"."""
    if one.info.is_required():
        return "required"
    default = one.info.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined or default is None or default in ("", (), []):
        return "not set"
    return f"`{show(default)}`"
