"""The texts that `phantom init` writes: what one must decide. The reference has every setting."""

from __future__ import annotations

import json

TRANSPORTS = {
    "socket": "Socket Mode: Phantom connects to Slack; no public address needed",
    "http": "signed posts from the gateway of a distributed app",
    "direct": "signed posts from Slack itself, to your own public address",
}

FILES = {"env": (".env",), "yaml": (".env", "phantom.yaml", "channels.yaml")}
"""What each style consists of. Secrets always live in `.env`, which is written for the owner alone."""

_SECRETS = {
    "socket": """\
# Basic information -> App-level tokens (scope connections:write)
SLACK_APP_TOKEN=
# OAuth & permissions -> Bot user OAuth token
SLACK_BOT_TOKEN=
""",
    "http": """\
# Identity, bot token and signing secret come from the metadata service; nothing secret stands here.
#PHANTOM_METADATA_URL=http://169.254.169.254
""",
    "direct": """\
# OAuth & permissions -> Bot user OAuth token
SLACK_BOT_TOKEN=
# Basic information -> App credentials -> Signing secret
SLACK_SIGNING_SECRET=
""",
}

_OWNER = """\
# Your own Slack user id (profile -> copy member ID): the owner may always talk to Phantom.
#OWNER_SLACK_USER_ID=
"""

_MODEL = """\
# Without a model the built-in offline agent answers. For a real one, name it and give its key:
#PHANTOM_MODEL=anthropic:claude-sonnet-4-5
#ANTHROPIC_API_KEY=
"""

_ENV_HEAD = """\
# Phantom's settings and secrets. Keep this file out of version control.
# `phantom config explain` shows what counts, `phantom doctor` what is missing.
"""


def render(file: str, *, transport: str, name: str, secrets_only: bool) -> str:
    """The text of one file for one transport. `secrets_only`: YAML files stand beside `.env` and hold the rest."""
    if file == "phantom.yaml":
        return _core(name)
    if file == "channels.yaml":
        return _channels(transport)
    parts: tuple[str, ...] = (_ENV_HEAD, _SECRETS[transport], _MODEL)
    if not secrets_only:
        parts = (
            _ENV_HEAD,
            f"PHANTOM_NAME='{name}'\n",
            _transport_variables(transport),
            _SECRETS[transport],
            _OWNER,
            _MODEL,
        )
    return "\n".join(parts)


def _transport_variables(transport: str) -> str:
    if transport == "socket":
        return "SLACK_TRANSPORT=socket\n"
    profile = "direct" if transport == "direct" else "gateway"
    return f"SLACK_TRANSPORT=http\nSLACK_HTTP_PROFILE={profile}\n"


def _core(name: str) -> str:
    return f"""\
# The daemon's own settings. A variable of the environment wins over this file.
# Every setting: docs/reference/configuration.md
name: {json.dumps(name, ensure_ascii=False)}
# model: anthropic:claude-sonnet-4-5
# data_dir: /var/lib/phantom
# port: 3100
"""


def _channels(transport: str) -> str:
    profile = "" if transport == "socket" else f"  http_profile: {'direct' if transport == 'direct' else 'gateway'}\n"
    return f"""\
# One section a channel. Secrets stand in .env or come from the metadata service, never here.
slack:
  transport: {"socket" if transport == "socket" else "http"}
{profile}  # owner: U0123456789
  # allowed_channels: [C0123456789]
"""
