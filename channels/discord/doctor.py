"""What `phantom doctor` checks of Discord: token, install, clock, intents or key, endpoint, servers, commands, people.

What does *not* live here: what is looked at in servers (`doctor_servers.py`), printing. A channel's doctor is found as
`channels.<kind>.doctor` by its function `examine`.
"""

from __future__ import annotations

from channels.discord.apps_intents import MAY_SEE_MEMBERS
from channels.discord.boot import check_bot_token, token_of
from channels.discord.decode import mapping, number, text
from channels.discord.doctor_servers import check_commands, check_guilds
from channels.discord.gateway_errors import INTENT_CURE, PORTAL
from channels.discord.install import Install
from channels.discord.public_keys import PublicKeys
from channels.discord.rest import DiscordRest, DiscordSelf
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext
from phantom.errors import ChannelError, PhantomError
from phantom.findings import Finding, Level, fail, ok, warn

__all__ = ["Finding", "Level", "diagnose", "examine"]

MESSAGE_CONTENT = (1 << 18) | (1 << 19)
"""Application flags: the intent is granted, or switched on in an app of fewer than a hundred servers."""
FEW_SESSIONS = 20
_MAX_SKEW = 60.0
_LOST_SKEW = 300.0


async def examine(settings: DiscordSettings, context: ChannelContext) -> list[Finding]:
    """`diagnose` with a client of its own: what `phantom doctor` calls."""
    try:
        token = token_of(settings, context)
        await token.refresh()
        check_bot_token(token)
    except PhantomError as error:
        return [fail(f"the bot token cannot be used: {error.message}", error.hint or "set DISCORD_BOT_TOKEN")]
    rest = DiscordRest(token=token, base_url=settings.api_base_url, clock=context.clock, meter=context.meter)
    try:
        return await diagnose(settings, context, rest)
    finally:
        await rest.aclose()


async def diagnose(settings: DiscordSettings, context: ChannelContext, rest: DiscordRest) -> list[Finding]:
    """Everything that can be known before the first message. Never raises a `PhantomError`; shows no secret."""
    install = Install(settings, context)
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
    findings += await _install(install, me)
    findings.append(_clock(rest.clock_skew))
    if settings.transport == "gateway":
        findings += [_intents(settings, me), _members(me)]
        findings += await _gateway(settings, rest)
    else:
        findings.append(await _signing(settings, context, install, me, rest))
    findings.append(await _endpoint(settings, rest))
    findings += await check_guilds(settings, me, rest, install.guilds)
    findings.append(await check_commands(settings, context, me, rest))
    return [*findings, *_people(settings, install)]


async def _install(install: Install, me: DiscordSelf) -> list[Finding]:
    """What the metadata service says, where this Phantom was pointed at one."""
    if not install.followed:
        return []
    try:
        await install.read()
        install.check(me.application_id)
    except PhantomError as error:
        cure = error.hint or "look at the metadata service (PHANTOM_METADATA_URL); nothing is served without its answer"
        return [fail(f"the install cannot be used: {error.message}", cure)]
    if not install.named:
        return [ok("the metadata service names no Discord install: the settings alone count")]
    return [ok("the metadata service names this application")]


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


def _members(me: DiscordSelf) -> Finding:
    """The agent itself never needs it, so its absence is no fault."""
    if me.flags & MAY_SEE_MEMBERS:
        return ok("Server Members Intent is switched on")
    return ok(
        "Server Members Intent is switched off: bridge apps get no guildMemberAdd, guildMemberRemove and "
        "guildMemberUpdate; nothing else needs it"
    )


async def _gateway(settings: DiscordSettings, rest: DiscordRest) -> list[Finding]:
    """https://docs.discord.com/developers/events/gateway#get-gateway-bot"""
    try:
        answer = await rest.call("GET", "/gateway/bot", idempotent=True)
    except ChannelError as error:
        return [warn(f"the gateway cannot be asked for: {error.message}", error.hint)]
    offer = answer if isinstance(answer, dict) else {}
    limits = mapping(offer, "session_start_limit")
    shards, left = number(offer, "shards") or 1, number(limits, "remaining")
    found: list[Finding] = []
    if left is not None and left < FEW_SESSIONS:
        cure = "find the process that reconnects all the time with this token; Discord counts anew every day"
        found.append((warn if left else fail)(f"Discord allows {left} more gateway sessions today", cure))
    if settings.shard_count is not None and settings.shard_count < shards:
        cure = f"set DISCORD_SHARD_COUNT={shards} in every process of this bot, or unset it where there is one"
        what = f"Discord recommends {shards} shards, {settings.shard_count} are set; too few end with close code 4011"
        found.append(warn(what, cure))
    return found or [ok(f"the gateway may be used: {settings.shard_count or shards} shard(s)")]


async def _signing(
    settings: DiscordSettings, context: ChannelContext, install: Install, me: DiscordSelf, rest: DiscordRest
) -> Finding:
    keys = PublicKeys(settings.public_key, install, rest, context.clock)
    try:
        await keys.settle(me.verify_key)
    except PhantomError as error:
        return fail(f"the public key cannot be used: {error.message}", error.hint or "see General Information")
    names = {"set": "DISCORD_PUBLIC_KEY", "identity": "identity.discord.public_key"}
    name = names.get(keys.origin, "the public key that Discord names")
    if me.verify_key and keys.current != me.verify_key.lower():
        cure = "copy Public Key from General Information of the same application"
        return fail(f"{name} is not this application's: every post will be refused", cure)
    return ok(f"{name} is this application's")


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


def _people(settings: DiscordSettings, install: Install) -> list[Finding]:
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
    listed = install.guilds.listed
    where = "every server" if listed is None else f"{len(listed)} listed server(s)"
    directs = "and direct messages" if settings.direct_messages else "no direct messages"
    found.append(ok(f"where: {where}, {directs}"))
    return found
