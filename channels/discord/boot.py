"""Proving, before anything is served, that the token works and is that of the application we are told to serve.

What does *not* live here: receiving (`gateway.py`, `http_transport.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from channels.discord.rest import DiscordRest, DiscordSelf
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.errors import AuthError, ConfigError, SecretError
from phantom.identity import SupportsConfigured
from phantom.secrets import Secret

BOT_CURE = "copy the token from the application's page Bot (https://discord.com/developers/applications)"
KEY_CURE = "copy Public Key from the application's page General Information: 64 hex digits"
_PUBLIC_KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A proven token: who we are."""

    me: DiscordSelf


async def boot(rest: DiscordRest, secrets: Sequence[Secret], bot_token: Secret, application_id: str) -> Bound:
    """Read the secrets at their origin, check their shape, ask Discord. Raises `AuthError`, `ConfigError`, …"""
    for secret in secrets:
        await secret.refresh()
    check_bot_token(bot_token)
    # discord.py takes half a second to import: beside the loop, so that other channels acknowledge meanwhile.
    await asyncio.to_thread(importlib.import_module, "channels.discord.gateway_client")
    me = await rest.whoami()
    if application_id and me.application_id != application_id:
        raise AuthError(
            f"the bot token belongs to application {me.application_id}, not to {application_id}",
            hint="set the token of the right application, or correct DISCORD_APPLICATION_ID",
            code="wrong_application",
        )
    return Bound(me=me)


def token_of(settings: DiscordSettings, context: ChannelContext) -> Secret:
    """The bot token; where this Phantom was pointed at a metadata service, that has it unless a setting does. Raises
    `ConfigError` when nothing names one.
    """
    if settings.bot_token is not None:
        return settings.bot_token
    identity = context.identity
    if isinstance(identity, SupportsConfigured) and identity.configured:
        with contextlib.suppress(SecretError):  # another source was chosen, which has none
            return context.secret("discord_bot_token")
    hint = f"{BOT_CURE}; a metadata service gives it with SECRET_SOURCE=metadata"
    raise ConfigError("is not set", where="DISCORD_BOT_TOKEN", hint=hint, code="missing_secret")


def check_bot_token(secret: Secret) -> None:
    """Raises `ConfigError` for what cannot be a bot token, `SecretError` when there is none."""
    value = secret.reveal()
    if value.startswith(("Bot ", "Bearer ")):
        raise ConfigError("begins with a word that is not part of it", where="DISCORD_BOT_TOKEN", hint=BOT_CURE)
    if len(value) < 20 or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError("does not look like a bot token", where="DISCORD_BOT_TOKEN", hint=BOT_CURE)


def check_public_key(value: str) -> str:
    """The key in lower case. Raises `ConfigError` for anything but 64 hex digits."""
    if not _PUBLIC_KEY.fullmatch(value.strip()):
        raise ConfigError("is not 64 hex digits", where="DISCORD_PUBLIC_KEY", hint=KEY_CURE)
    return value.strip().lower()
