"""Builds the Discord channel from checked settings: the target that the descriptor names. No I/O happens here."""

from __future__ import annotations

import contextlib
from pathlib import Path

from channels.discord.apps import DiscordApps
from channels.discord.behaviour import DiscordBehaviour
from channels.discord.boot import check_bot_token, check_public_key, token_of
from channels.discord.channel import DiscordChannel, DiscordGatewayChannel, Transport
from channels.discord.commands import CommandBook
from channels.discord.gateway import GatewayTransport
from channels.discord.http_transport import HttpTransport
from channels.discord.install import Install
from channels.discord.interactions import DiscordHttpReceiver
from channels.discord.memo import Memo
from channels.discord.rest import DiscordRest
from channels.discord.settings import DiscordSettings
from phantom.channel import Channel, ChannelContext, TextLimits
from phantom.errors import SecretError

DISCORD_TEXT = TextLimits(max_chars=1900)
"""Discord takes 2000 characters; the rest is room for escapes. What grows beyond it is shown in an embed."""


def build(settings: DiscordSettings, context: ChannelContext) -> Channel:
    """The Discord channel that the settings ask for. Raises `ConfigError` with the variable's name and the cure."""
    token = token_of(settings, context)
    with contextlib.suppress(SecretError):  # its source has yet to give it: it is checked at boot
        check_bot_token(token)
    if settings.public_key is not None:
        with contextlib.suppress(SecretError):
            check_public_key(settings.public_key.reveal())
    rest = DiscordRest(token=token, base_url=settings.api_base_url, clock=context.clock, meter=context.meter)
    memo = Memo(Path(context.data_dir) / "memo.jsonl", at_rest=context.at_rest)
    behaviour = DiscordBehaviour(settings, context, rest, memo)
    install = Install(settings, context)
    apps = DiscordApps(rest, context, install.guilds)
    transport: Transport
    made = DiscordChannel if settings.transport == "http" else DiscordGatewayChannel
    if settings.transport == "http":
        transport = HttpTransport(
            settings,
            context,
            rest,
            memo,
            install,
            behaviour.seal,
            apps,
            bot_token=token,
            public_key=settings.public_key,
        )
    else:
        transport = GatewayTransport(
            settings,
            context,
            rest,
            behaviour,
            memo,
            install,
            apps,
            bot_token=token,
            unconfigured=(DiscordHttpReceiver(clock=context.clock, meter=context.meter, configured=False),),
        )
    return made(
        behaviour=behaviour,
        transport=transport,
        install=install,
        rest=rest,
        apps=apps,
        commands=CommandBook(rest, context, guild=settings.dev_guild, enabled=settings.sync_commands),
        limits=DISCORD_TEXT,
        policy=settings.policy_options(),
    )
