"""What the doctor looks at in the bot's servers: membership, permissions, registered commands and their quota.

https://docs.discord.com/developers/resources/user#get-current-user-guilds gives the bot's permissions with each server,
so nothing is asked of the servers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from channels.discord.commands import definitions, refusal
from channels.discord.decode import items, text
from channels.discord.install import ServedGuilds
from channels.discord.permissions import ESSENTIAL, invitation, missing
from channels.discord.rest import DiscordRest, DiscordSelf
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.errors import ChannelError
from phantom.findings import Finding, fail, ok, warn

PAGE = 200
MAX_GUILDS = 2000
"""A larger bot would be asked for longer than anyone waits for a doctor."""
MAX_SHOWN = 20
MAX_COMMANDS = 100
"""Slash commands of an application, global or in one server."""
DAILY_COMMANDS = 200
"""https://docs.discord.com/developers/interactions/application-commands#registering-a-command"""


async def check_guilds(
    settings: DiscordSettings, me: DiscordSelf, rest: DiscordRest, served: ServedGuilds
) -> list[Finding]:
    """The servers that this process serves, and what the bot may do there."""
    try:
        guilds, more = await _listed(rest)
    except ChannelError as error:
        return [warn(f"the servers cannot be listed: {error.message}", error.hint)]
    if not guilds:
        return [warn("the bot is in no server", f"invite it: {invitation(me.application_id)}")]
    here = [guild for guild in guilds if text(guild, "id") in served and _on_our_shards(text(guild, "id"), settings)]
    found = [] if more else _absent(guilds, served)
    if not here and not found:
        cure = "name them in DISCORD_ALLOWED_GUILDS or identity.discord.guild_ids, or correct DISCORD_SHARD_IDS"
        return [warn(f"none of the bot's {len(guilds)} servers is served here", cure)]
    found += _permissions(here, listed=served.listed is not None)
    if more:
        found.append(ok(f"the first {len(guilds)} servers were looked at"))
    return found


async def check_commands(
    settings: DiscordSettings, context: ChannelContext, me: DiscordSelf, rest: DiscordRest
) -> Finding:
    """Whether `/phantom` is registered where it should be, and whether it can be."""
    try:
        registered = await _registered(settings, me, rest)
    except ChannelError as error:
        return warn(
            f"the commands cannot be listed: {error.message}",
            error.hint or "invite the bot with the scope applications.commands",
        )
    names = {text(one, "name") for one in registered}
    lacking = sorted({text(one, "name") for one in definitions(context.phantom_name)} - names)
    slashes = sum(one.get("type", 1) == 1 for one in registered)
    used = f"{slashes} of {MAX_COMMANDS} slash commands used"
    if not lacking:
        return ok(f"the commands are registered ({used})")
    if not settings.sync_commands:
        return warn(f"not registered: {', '.join(lacking)} ({used})", "DISCORD_SYNC_COMMANDS is off: switch it on")
    if slashes >= MAX_COMMANDS:
        return fail(f"there is no room to register {', '.join(lacking)} ({used})", "remove commands of other programs")
    refused = refusal(Path(context.data_dir), me.application_id, settings.dev_guild)
    if refused:
        cure = f"an application may create {DAILY_COMMANDS} commands a day: find what else creates them; start tomorrow"
        if refused not in ("discord_30034", "rate_limited"):
            cure = "`phantom status` and the log line commands_not_registered say why"
        return fail(f"Discord refused to register {', '.join(lacking)} last time ({refused})", cure)
    takes = f"it takes {len(lacking)} of {DAILY_COMMANDS} new commands a day; {used}"
    return warn(f"not registered yet: {', '.join(lacking)} ({takes})", "start Phantom: it registers them by itself")


async def _listed(rest: DiscordRest) -> tuple[list[Mapping[str, Any]], bool]:
    """The bot's servers by id, and whether there are more than are looked at."""
    found: list[Mapping[str, Any]] = []
    after = "0"
    while len(found) < MAX_GUILDS:
        params = {"limit": str(PAGE), "after": after}
        page = items({"all": await rest.call("GET", "/users/@me/guilds", params=params, idempotent=True)}, "all")
        found += page
        if len(page) < PAGE:
            return found, False
        after = text(page[-1], "id")
    return found, True


def _on_our_shards(guild: str, settings: DiscordSettings) -> bool:
    """https://docs.discord.com/developers/events/gateway#sharding"""
    if not settings.shard_ids or settings.shard_count is None or not guild.isdigit():
        return True
    return (int(guild) >> 22) % settings.shard_count in settings.shard_ids


def _absent(guilds: Sequence[Mapping[str, Any]], served: ServedGuilds) -> list[Finding]:
    known = {text(guild, "id") for guild in guilds}
    cure = "invite it there, or correct DISCORD_ALLOWED_GUILDS or identity.discord.guild_ids"
    absent = sorted(guild for guild in served.listed or () if guild not in known)
    found = [fail(f"the bot is not in the allowed server {guild}", cure) for guild in absent[:MAX_SHOWN]]
    if len(absent) > MAX_SHOWN:
        found.append(fail(f"nor is it in {len(absent) - MAX_SHOWN} other allowed servers", cure))
    return found


def _permissions(guilds: Sequence[Mapping[str, Any]], *, listed: bool) -> list[Finding]:
    """The bot's permissions in each server as a whole; a channel may still take some away."""
    found: list[Finding] = []
    fine: list[str] = []
    lacks = 0
    # Where somebody named the servers, or there is but one, to be mute in one is not what was meant.
    strict = listed or len(guilds) == 1
    for guild in guilds:
        name, held = text(guild, "name") or text(guild, "id"), text(guild, "permissions")
        lacking = missing(int(held) if held.isdigit() else 0)
        if not lacking:
            fine.append(name)
            continue
        lacks += 1
        if lacks <= MAX_SHOWN:
            told = fail if strict and ESSENTIAL & set(lacking) else warn
            cure = "give them to the bot's role in the server's settings"
            found.append(told(f"in {name} the bot lacks {', '.join(lacking)}", cure))
    if lacks > MAX_SHOWN:
        found.append(warn(f"it lacks permissions in {lacks - MAX_SHOWN} other servers too", "look at its role there"))
    if fine:
        where = fine[0] if len(fine) == 1 else f"{len(fine)} servers"
        found.append(ok(f"the bot has every permission that it uses in {where}"))
    return found


async def _registered(settings: DiscordSettings, me: DiscordSelf, rest: DiscordRest) -> list[Mapping[str, Any]]:
    if settings.dev_guild:
        answer = await rest.call(
            "GET",
            "/applications/{application_id}/guilds/{guild_id}/commands",
            application_id=me.application_id,
            guild_id=settings.dev_guild,
            idempotent=True,
        )
    else:
        answer = await rest.call(
            "GET", "/applications/{application_id}/commands", application_id=me.application_id, idempotent=True
        )
    return items({"all": answer}, "all")
