"""Writes `.env.production.example`: the same variables as `.env.example`, begun the way production should be.

What is not commented out are safe choices; no line holds a secret. What does *not* live here: what the variables mean
(the settings models).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from config.bridge_settings import BridgeSettings
from config.env_example import encryption_key, model_keys, other_secrets, part, turns_password
from config.secrets_settings import SecretsSettings
from config.settings import PhantomSettings

CHOICES: Mapping[str, str] = {
    "PHANTOM_HOST": "127.0.0.1",
    "PORT": "3100",
    "PHANTOM_DATA_DIR": "/var/lib/phantom",
    "SECRET_SOURCE": "file",
    "PHANTOM_SECRET_DIR": "/run/secrets",
    "PHANTOM_JOURNAL_SYNCHRONOUS": "FULL",
    "PHANTOM_LOG_LEVEL": "info",
    "PHANTOM_LOG_FORMAT": "json",
    "PHANTOM_SECRET_MAX_AGE": "90d",
}
"""What production begins with. Each is a variable of a setting; the tests load the file."""

_INTRODUCTION = """\
# An environment for production. Phantom reads no .env there: hand this file to whatever starts it, for example
#     systemd:  EnvironmentFile=/etc/phantom/phantom.env      (owner root, mode 0600)
#     Docker:   docker run --env-file phantom.env …           (owner root, mode 0600)
# Lines in force are safe choices; the rest are all other settings with their defaults, and all secrets by name.
# `phantom config explain` shows what counts, `phantom doctor` what is wrong, `phantom egress` whom it must reach.
# Every line here is generated from the settings.
#
# Secrets do not belong into this file: whoever may look at a process may see its environment. With
# SECRET_SOURCE=file each is a file of PHANTOM_SECRET_DIR, named like the variable in small letters
# (SLACK_BOT_TOKEN: slack_bot_token), owned by the daemon's user, mode 0400; the folder 0700. Production refuses
# files that everyone may read. A file is followed while the daemon runs; a variable is not. The other sources:
#     SECRET_SOURCE=metadata    the metadata service at PHANTOM_METADATA_URL, live
#     SECRET_SOURCE=exec        any manager's command, PHANTOM_SECRET_EXEC_COMMAND
#     SECRET_SOURCE=file,exec   the first one that has it
# Or name a file of any secret by its variable and _FILE: SLACK_BOT_TOKEN_FILE=/run/secrets/bot_token, followed too.
#
# Nothing but this machine reaches PHANTOM_HOST=127.0.0.1: let a TLS proxy on it forward the receivers' paths. The
# bridge can end TLS by itself: PHANTOM_BRIDGE_HOST, PHANTOM_BRIDGE_TLS_CERTIFICATE, PHANTOM_BRIDGE_TLS_KEY.

# --- The process ---

# `production`: no .env, and no secret file that everyone may read.
PHANTOM_ENV=production

# The folder of phantom.yaml and channels.yaml.
PHANTOM_CONFIG_DIR=/etc/phantom
"""


def render_env_production(models: Mapping[str, type[BaseModel]], declared: Iterable[str] = ()) -> str:
    """The file's text. `models` and `declared` as for `.env.example`."""
    parts = [_INTRODUCTION, part("The daemon", PhantomSettings, CHOICES)]
    parts.append(part("Secrets in general", SecretsSettings, CHOICES))
    parts += [encryption_key(), turns_password(), model_keys()]
    parts.append(part("The bridge for other programs", BridgeSettings))
    parts += [part(f"Channel kind {kind}", model) for kind, model in models.items()]
    return "\n".join([*parts, *other_secrets(models, declared)])
