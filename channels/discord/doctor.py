"""What `phantom doctor` checks of Discord: token, intents, endpoint, servers and permissions, commands, clock, people.

What does *not* live here: printing. A channel's doctor is found as `channels.<kind>.doctor` by its function `examine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from channels.discord.boot import check_bot_token, check_public_key
from channels.discord.commands import definitions
from channels.discord.decode import items, text
from channels.discord.gateway_errors import INTENT_CURE, PORTAL
from channels.discord.permissions import invitation, missing
from channels.discord.rest import DiscordRest, DiscordSelf
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.errors import ChannelError, PhantomError

MESSAGE_CONTENT = (1 << 18) | (1 << 19)
"""Application flags: the intent is granted, or switched on in an app of fewer than a hundred servers."""
MAX_GUILDS = 20
MAX_GLOBAL_COMMANDS = 100
_MAX_SKEW = 60.0
_LOST_SKEW = 300.0


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a diagnosis. `cure` is empty where there is nothing to do."""

    level: Level
    what: str
    cure: str = ""


def ok(what: str) -> Finding:
    """All is well."""
    return Finding(level=Level.OK, what=what)


def warn(what: str, cure: str) -> Finding:
    """Works, but not as most people want it."""
    return Finding(level=Level.WARN, what=what, cure=cure)


def fail(what: str, cure: str) -> Finding:
    """Does not work."""
    return Finding(level=Level.FAIL, what=what, cure=cure)


async def examine(settings: DiscordSettings, context: ChannelContext) -> list[Finding]:
    """`diagnose` with a client of its own: what `phantom doctor` calls."""
    if settings.bot_token is None:
        return [fail("the bot token is not set", "set DISCORD_BOT_TOKEN")]
    try:
        check_bot_token(settings.bot_token)
    except PhantomError as error:
        return [fail(f"the bot token cannot be used: {error.message}", error.hint or "set DISCORD_BOT_TOKEN")]
    rest = DiscordRest(
        token=settings.bot_token, base_url=settings.api_base_url, clock=context.clock, meter=context.meter
    )
    try:
        return await diagnose(settings, context, rest)
    finally:
        await rest.aclose()


async def diagnose(settings: DiscordSettings, context: ChannelContext, rest: DiscordRest) -> list[Finding]:
    """Everything that can be known before the first message. Never raises a `PhantomError`; shows no secret."""
    try:
        me = await rest.whoami()
    except PhantomError as error:
        return [fail(f"Discord does not accept the bot token: {error.message}", error.hint or f"see {PORTAL}")]
    findings = [ok(f"the bot token works: {me.name} ({me.user_id}) of application {me.application_id}")]
    if settings.application_id and settings.application_id != me.application_id:
        findings.append(
            fail(
                f"DISCORD_APPLICATION_ID names another application than the token's, {me.application_id}", "correct it"
            )
        )
    findings.append(_clock(rest.clock_skew))
    findings += [_intents(settings, me)] if settings.transport == "gateway" else _signing(settings, me)
    findings.append(await _endpoint(settings, rest))
    findings += await _guilds(settings, me, rest)
    findings.append(await _commands(settings, context, me, rest))
    return [*findings, *_people(settings)]


def _clock(skew: float) -> Finding:
    if abs(skew) <= _MAX_SKEW:
        return ok("this machine's clock agrees with Discord's")
    side = "ahead of" if skew > 0 else "behind"
    what = f"this machine's clock is {abs(skew):.0f} s {side} Discord's; signed posts are refused beyond 300 s"
    return (fail if abs(skew) > _LOST_SKEW else warn)(what, "switch time synchronisation on (NTP)")


def _intents(settings: DiscordSettings, me: DiscordSelf) -> Finding:
    if not settings.message_content:
        return warn(
            "Message Content Intent is not asked for: follow-ups in threads without a mention are not read",
            "set DISCORD_MESSAGE_CONTENT=on if people should not have to mention Phantom every time",
        )
    if me.flags & MESSAGE_CONTENT:
        return ok("Message Content Intent is switched on")
    return fail("Message Content Intent is switched off: the gateway will refuse to serve (4014)", INTENT_CURE)


def _signing(settings: DiscordSettings, me: DiscordSelf) -> list[Finding]:
    if settings.public_key is None:
        if me.verify_key:
            return [ok("Discord names the application's public key")]
        return [fail("the public key is not known", "set DISCORD_PUBLIC_KEY from General Information")]
    try:
        given = check_public_key(settings.public_key.reveal())
    except PhantomError as error:
        return [fail(f"the public key cannot be used: {error.message}", error.hint)]
    if me.verify_key and given != me.verify_key.lower():
        cure = "copy Public Key from General Information of the same application"
        return [fail("DISCORD_PUBLIC_KEY is not this application's: every post will be refused", cure)]
    return [ok("the public key is this application's")]


async def _endpoint(settings: DiscordSettings, rest: DiscordRest) -> Finding:
    """Discord sends interactions to one place only: the endpoint where one is set, else the gateway."""
    try:
        app = await rest.call("GET", "/applications/@me", idempotent=True)
    except ChannelError as error:
        return warn(f"the application's settings cannot be read: {error.message}", error.hint)
    address = text(app if isinstance(app, dict) else {}, "interactions_endpoint_url")
    if settings.transport == "gateway":
        if address:
            cure = (
                f"clear Interactions Endpoint URL under General Information at {PORTAL}, or set DISCORD_TRANSPORT=http"
            )
            return fail("interactions go to an HTTP endpoint: commands and buttons do not reach the gateway", cure)
        return ok("interactions come over the gateway")
    if not address:
        cure = f"set Interactions Endpoint URL at {PORTAL} to https://…/discord/interactions (Phantom must be running)"
        return fail("no Interactions Endpoint URL is set: Discord sends nothing", cure)
    if not address.startswith("https://") or not address.rstrip("/").endswith("/discord/interactions"):
        return warn("the Interactions Endpoint URL does not end with /discord/interactions", f"correct it at {PORTAL}")
    return ok("interactions go to the HTTP endpoint")


async def _guilds(settings: DiscordSettings, me: DiscordSelf, rest: DiscordRest) -> list[Finding]:
    try:
        answer = await rest.call("GET", "/users/@me/guilds", params={"limit": "200"}, idempotent=True)
    except ChannelError as error:
        return [warn(f"the servers cannot be listed: {error.message}", error.hint)]
    guilds = items({"all": answer}, "all")
    if not guilds:
        return [warn("the bot is in no server", f"invite it: {invitation(me.application_id)}")]
    known = {text(guild, "id") for guild in guilds}
    found = [
        fail(f"the bot is not in the allowed server {guild}", "invite it there, or correct DISCORD_ALLOWED_GUILDS")
        for guild in settings.allowed_guilds
        if guild not in known
    ]
    served = [guild for guild in guilds if not settings.allowed_guilds or text(guild, "id") in settings.allowed_guilds]
    for guild in served[:MAX_GUILDS]:
        found.append(_permissions(guild))
    if len(served) > MAX_GUILDS:
        found.append(ok(f"permissions were looked at in {MAX_GUILDS} of {len(served)} servers"))
    return found


def _permissions(guild: Mapping[str, Any]) -> Finding:
    """The bot's permissions in the server as a whole; a channel may still take some away."""
    name = text(guild, "name") or text(guild, "id")
    held = text(guild, "permissions")
    lacking = missing(int(held) if held.isdigit() else 0)
    if not lacking:
        return ok(f"the bot has every permission that it uses in {name}")
    return warn(f"in {name} the bot lacks {', '.join(lacking)}", "give them to the bot's role in the server's settings")


async def _commands(settings: DiscordSettings, context: ChannelContext, me: DiscordSelf, rest: DiscordRest) -> Finding:
    try:
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
    except ChannelError as error:
        return warn(
            f"the commands cannot be listed: {error.message}",
            error.hint or "invite the bot with the scope applications.commands",
        )
    registered = items({"all": answer}, "all")
    names = {text(one, "name") for one in registered}
    wanted = {text(one, "name") for one in definitions(context.phantom_name)}
    if not wanted <= names:
        return warn(
            f"not registered yet: {', '.join(sorted(wanted - names))} ({len(registered)} of {MAX_GLOBAL_COMMANDS})",
            "start Phantom: it registers them by itself",
        )
    return ok(f"the commands are registered ({len(registered)} of {MAX_GLOBAL_COMMANDS} used)")


def _people(settings: DiscordSettings) -> list[Finding]:
    found: list[Finding] = []
    if not settings.owner:
        cure = "set OWNER_DISCORD_USER_ID (Developer Mode → right-click yourself → Copy User ID)"
        found.append(warn("no owner is set: nobody may talk to Phantom whatever the rules", cure))
    else:
        found.append(ok(f"the owner is {settings.owner}"))
    lists = [
        (settings.allowed_users, "listed people"),
        (settings.allowed_roles, "listed roles"),
        (settings.allowed_channels, "listed channels"),
    ]
    named = [f"{len(ids)} {what}" for ids, what in lists if ids]
    if not named and not settings.owner:
        cure = "set OWNER_DISCORD_USER_ID, DISCORD_ALLOWED_USERS, DISCORD_ALLOWED_ROLES or DISCORD_ALLOWED_CHANNELS"
        found.append(warn("everyone in the bot's servers may talk to it", cure))
    else:
        found.append(ok(f"who may talk: {', '.join(named) or 'the owner alone'}"))
    where = f"{len(settings.allowed_guilds)} listed servers" if settings.allowed_guilds else "every server"
    directs = "and direct messages" if settings.direct_messages else "no direct messages"
    found.append(ok(f"where: {where}, {directs}"))
    return found
