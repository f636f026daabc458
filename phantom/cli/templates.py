"""The texts that `phantom init` writes: what one must decide. The reference has every setting."""

from __future__ import annotations

import json

NONE = "none"
SLACK = {
    "socket": "Socket Mode: Phantom connects to Slack; no public address needed",
    "http": "signed posts from the gateway of a distributed app",
    "direct": "signed posts from Slack itself, to your own public address",
    NONE: "not at all",
}
DISCORD = {
    "gateway": "Phantom connects to Discord; no public address needed",
    "http": "signed posts from Discord to your own public address: commands and buttons only",
    NONE: "not at all",
}

FILES = {"env": (".env",), "yaml": (".env", "phantom.yaml", "channels.yaml")}
"""What each style consists of. Secrets always live in `.env`, which is written for the owner alone."""

_SLACK_SECRETS = {
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

_SLACK_OWNER = """\
# Your own Slack user id (profile -> copy member ID): the owner may always talk to Phantom.
#OWNER_SLACK_USER_ID=
"""

_DISCORD_BOT = """\
# Bot -> Reset token. For the gateway, switch Message Content Intent on there too.
# A metadata service may hold it as discord_bot_token: SECRET_SOURCE=metadata
DISCORD_BOT_TOKEN=
"""

_DISCORD_KEY = """\
# General information -> Public key; Discord is asked for it where it is not set
#DISCORD_PUBLIC_KEY=
"""

_DISCORD_OWNER = """\
# Your own Discord user id (Developer Mode -> Copy User ID): the owner may always talk to Phantom.
#OWNER_DISCORD_USER_ID=
"""

_MODEL = """\
# --- The agent ---
# Without a model the built-in offline agent answers. For a real one, name it and give its key:
#PHANTOM_MODEL=anthropic:claude-sonnet-4-5
#ANTHROPIC_API_KEY=
"""

_ENV_HEAD = """\
# Phantom's settings and secrets. Keep this file out of version control.
# `phantom config explain` shows what counts, `phantom doctor` what is missing.
"""


def render(file: str, *, slack: str, discord: str, name: str, secrets_only: bool) -> str:
    """The text of one file; `slack` and `discord` are keys of `SLACK` and `DISCORD`. `secrets_only`: YAML files stand
    beside `.env` and hold the rest. A platform that is not wanted stands there to be switched on.
    """
    if file == "phantom.yaml":
        return _core(name)
    if file == "channels.yaml":
        return _channels(slack, discord)
    parts = [_ENV_HEAD, _slack_variables(slack, secrets_only), _discord_variables(discord, secrets_only), _MODEL]
    if not secrets_only:
        parts.insert(1, f"PHANTOM_NAME='{name}'\n")
    return "\n".join(parts)


def _slack_variables(transport: str, secrets_only: bool) -> str:
    head = "# --- Slack: https://api.slack.com/apps ---\n"
    if transport == NONE:
        return head + _off(_SLACK_SECRETS["socket"])
    if secrets_only:
        return head + _SLACK_SECRETS[transport]
    return head + _transport(transport) + _SLACK_SECRETS[transport] + _SLACK_OWNER


def _discord_variables(transport: str, secrets_only: bool) -> str:
    head = "# --- Discord: https://discord.com/developers/applications ---\n"
    if transport == NONE:
        return head + _off(_DISCORD_BOT)
    secrets = _DISCORD_BOT + (_DISCORD_KEY if transport == "http" else "")
    if secrets_only:
        return head + secrets
    return head + f"DISCORD_TRANSPORT={transport}\n" + secrets + _DISCORD_OWNER


def _off(text: str) -> str:
    """The same lines, none of which counts."""
    return "".join(line if line.startswith("#") else f"#{line}" for line in text.splitlines(keepends=True))


def _transport(transport: str) -> str:
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


def _channels(slack: str, discord: str) -> str:
    profile = "" if slack in ("socket", NONE) else f"  http_profile: {'direct' if slack == 'direct' else 'gateway'}\n"
    over_slack = f"""\
slack:
  transport: {"socket" if slack in ("socket", NONE) else "http"}
{profile}  # owner: U0123456789
  # allowed_channels: [C0123456789]
"""
    over_discord = f"""\
discord:
  transport: {"gateway" if discord == NONE else discord}
  # owner: "100000000000000001"
  # allowed_guilds: ["100000000000000002"]
"""
    head = "# One section a channel. Secrets stand in .env or come from the metadata service, never here.\n"
    shown = (
        _off(over_slack) if slack == NONE else over_slack,
        _off(over_discord) if discord == NONE else over_discord,
    )
    return head + "\n".join(shown)
