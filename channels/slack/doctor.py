"""What `phantom doctor` says about Slack: each finding a sentence and a cure. Asks Slack, posts nothing.

What does *not* live here: printing and exit codes (the CLI), and the checks at the start of a run (`boot.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from channels.slack.scopes import missing
from channels.slack.settings import SlackSettings
from channels.slack.web import SlackSelf, SlackWeb
from phantom.channel import ChannelContext
from phantom.errors import AuthError, ChannelError, PhantomError
from phantom.findings import Finding, Level, fail, ok, warn
from phantom.secrets import Secret

_MAX_SKEW = 60.0
_PERSON = re.compile(r"[UW][A-Z0-9]{2,}")
_SIGNING_SECRET = re.compile(r"[0-9a-f]{32}")
_APP_SETTINGS = "https://api.slack.com/apps"


async def examine(settings: SlackSettings, context: ChannelContext) -> list[Finding]:
    """`diagnose` with a Web API client of its own: what `phantom doctor` calls."""
    token = _secret(settings.bot_token, "slack_bot_token", context)
    if token is None:
        return [fail("the bot token is not set", "set SLACK_BOT_TOKEN")]
    web = SlackWeb(token=token, base_url=settings.api_base_url, clock=context.clock, meter=context.meter)
    try:
        return await diagnose(settings, context, web)
    finally:
        await web.aclose()


async def diagnose(settings: SlackSettings, context: ChannelContext, web: SlackWeb) -> list[Finding]:
    """Everything that can be known before the first message. Never raises a `PhantomError`; shows no secret."""
    try:
        me = await web.auth_test()
    except PhantomError as error:
        findings = [_refused("Slack does not accept the bot token", error)]
    else:
        findings = [_who(me), *_scopes(me), _clock(web.clock_skew)]
    if settings.transport == "socket":
        findings.append(await _app_token(settings, context, web))
    elif settings.http_profile == "direct":
        findings.append(_signing_secret(_secret(settings.signing_secret, "slack_signing_secret", context)))
    else:
        secret = _secret(settings.gateway_signing_secret, "slack_gateway_signing_secret", context)
        findings.append(_present(secret, "the gateway's signing secret"))
    return [*findings, *_people(settings)]


def _who(me: SlackSelf) -> Finding:
    where = f"the organisation {me.enterprise_id}" if me.is_enterprise_install else f"{me.team_name} ({me.team_id})"
    return ok(f"the bot token works: {me.user_id} in {where}")


def _scopes(me: SlackSelf) -> list[Finding]:
    if not me.scopes:
        return [warn("Slack did not say which scopes the token has", f"compare them at {_APP_SETTINGS}")]
    required, optional = missing(me.scopes)
    cure = "add it under OAuth & Permissions and reinstall the app"
    found = [fail(f"scope {scope} is missing: {why}", cure) for scope, why in required.items()]
    found += [warn(f"scope {scope} is missing: {why}", cure) for scope, why in optional.items()]
    return found or [ok("the token has every scope that Phantom uses")]


def _clock(skew: float) -> Finding:
    if abs(skew) <= _MAX_SKEW:
        return ok("this machine's clock agrees with Slack's")
    side = "ahead of" if skew > 0 else "behind"
    what = f"this machine's clock is {abs(skew):.0f} s {side} Slack's; signed posts are refused beyond 300 s"
    return (fail if abs(skew) > 300 else warn)(what, "switch time synchronisation on (NTP)")


async def _app_token(settings: SlackSettings, context: ChannelContext, web: SlackWeb) -> Finding:
    """Ask for a socket address, which proves the token and `connections:write`; no socket is opened."""
    secret = _secret(settings.app_token, "slack_app_token", context)
    found = _present(secret, "the app-level token")
    if found.level is not Level.OK or secret is None:
        return found
    app = SlackWeb(token=secret, base_url=web.base_url, clock=context.clock, meter=context.meter)
    try:
        await app.call("apps.connections.open", {}, idempotent=True)
    except PhantomError as error:
        return _refused("the app-level token opens no socket", error)
    finally:
        await app.aclose()
    return ok("the app-level token opens Socket Mode connections")


def _refused(what: str, error: PhantomError) -> Finding:
    cure = error.hint
    if isinstance(error, AuthError) and "socket" in what:
        cure = "make an app-level token with connections:write under Basic Information and set SLACK_APP_TOKEN"
    elif not isinstance(error, ChannelError):
        cure = cure or "set SLACK_BOT_TOKEN or the secret slack_bot_token"
    return fail(f"{what}: {error.message}", cure or f"look at the app's settings: {_APP_SETTINGS}")


def _signing_secret(secret: Secret | None) -> Finding:
    found = _present(secret, "the signing secret")
    if found.level is not Level.OK or secret is None:
        return found
    if _SIGNING_SECRET.fullmatch(secret.reveal()):
        return ok("the signing secret has the shape of one")
    cure = "copy Signing Secret from Basic Information (32 hex digits), not the client secret or verification token"
    return warn("the signing secret is not 32 hex digits", cure)


def _present(secret: Secret | None, what: str) -> Finding:
    cure = f"set SLACK_{_env(secret, what)}"
    try:
        present = secret is not None and bool(secret.reveal().strip())
    except PhantomError as error:
        return fail(f"{what} cannot be read: {error.message}", error.hint or cure)
    return ok(f"{what} is there") if present else fail(f"{what} is not set", cure)


def _env(secret: Secret | None, what: str) -> str:
    if secret is not None:
        return secret.name.removeprefix("slack_").upper()
    names = {"the app-level token": "APP_TOKEN", "the signing secret": "SIGNING_SECRET"}
    return names.get(what, "GATEWAY_SIGNING_SECRET")


def _secret(held: Secret | None, name: str, context: ChannelContext) -> Secret | None:
    """The settings' handle, else the daemon's secret of that name, else None."""
    if held is not None:
        return held
    lookup: Callable[[str], Secret] = context.secret
    try:
        return lookup(name)
    except PhantomError:
        return None


def _people(settings: SlackSettings) -> list[Finding]:
    found: list[Finding] = []
    if not settings.owner:
        cure = "set OWNER_SLACK_USER_ID to your member id (profile → ⋮ → Copy member ID)"
        found.append(warn("no owner is set: nobody may talk to Phantom whatever the rules", cure))
    elif not _PERSON.fullmatch(settings.owner):
        found.append(fail("OWNER_SLACK_USER_ID is no member id", "it begins with U or W: profile → ⋮ → Copy member ID"))
    else:
        found.append(ok(f"the owner is {settings.owner}"))
    who = f"{len(settings.allowed_users)} listed people" if settings.allowed_users else "every full member"
    where = (
        f"{len(settings.allowed_channels)} listed conversations" if settings.allowed_channels else "all conversations"
    )
    also = [name for name, on in (("guests", settings.allow_guests), ("Slack Connect", settings.allow_external)) if on]
    found.append(ok(f"who may talk: {' and '.join([who, *also])}, in {where}"))
    return found
