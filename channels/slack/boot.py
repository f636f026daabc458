"""Proving, before anything is served, that the tokens work and belong to the workspace we are told to serve.

What does *not* live here: receiving (`http_transport.py`, `socket.py`). Order and texts: the metadata contract.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from channels.slack.settings import APP_TOKEN_PREFIXES, BOT_TOKEN_PREFIXES, check_prefix
from channels.slack.signing import CURE, usable
from channels.slack.team import Binding
from channels.slack.web import SlackSelf, SlackWeb
from phantom.channel import ChannelContext
from phantom.errors import AuthError, ConfigError
from phantom.identity import SlackInstall
from phantom.secrets import Secret

BOT_CURE = "copy the Bot User OAuth Token from the app's page OAuth & Permissions"
APP_CURE = "create an app-level token with connections:write on the app's page Basic Information"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A proven token: who we are, for which workspace payloads must be, and the install where a gateway names one."""

    me: SlackSelf
    binding: Binding
    tenant_id: str
    install: SlackInstall | None = None


async def boot_gateway(context: ChannelContext, web: SlackWeb, bot_token: Secret, signing: Secret) -> Bound:
    """Identity, then both secrets in parallel, then the token's own word, which must name the same workspace."""
    identity = await context.identity()
    install = identity.slack
    if install is None:
        raise ConfigError(
            "SLACK_TRANSPORT=http requires a Slack install in /v1/identity.slack; got none."
            " Install the app for this tenant, or set SLACK_TRANSPORT=socket or SLACK_HTTP_PROFILE=direct",
            code="no_slack_install",
        )
    await _refreshed((bot_token, signing))
    check_bot_token(bot_token)
    check_signing(signing, "slack_gateway_signing_secret")
    me = await prove(web)
    ours = install.team_id == me.team_id
    if me.is_enterprise_install and install.enterprise_id:
        ours = install.enterprise_id == (me.enterprise_id or me.team_id)
    if not ours:
        raise AuthError(
            f"the bot token belongs to {me.team_id}, /v1/identity.slack names {install.team_id}",
            hint="the metadata service gives another workspace's token; repair the tenant's secrets",
            code="wrong_workspace",
        )
    binding = Binding(team_id=install.team_id, enterprise_id=install.enterprise_id or "")
    return Bound(me=me, binding=binding, tenant_id=identity.tenant_id, install=install)


async def boot_token(web: SlackWeb, secrets: Sequence[Secret], bot_token: Secret) -> Bound:
    """The workspace is whatever the bot token says: Socket Mode, and profile `direct`."""
    await _refreshed(secrets)
    check_bot_token(bot_token)
    me = await prove(web)
    enterprise = (me.enterprise_id or me.team_id) if me.is_enterprise_install else (me.enterprise_id or "")
    return Bound(me=me, binding=Binding(team_id=me.team_id, enterprise_id=enterprise), tenant_id=me.team_id)


async def prove(web: SlackWeb) -> SlackSelf:
    """`auth.test`. Raises `AuthError` when the token is refused or speaks for nobody."""
    me = await web.auth_test()
    if not me.user_id:
        raise AuthError(
            "auth.test returned no user_id; bot token may be revoked",
            hint="reinstall the app in the workspace, then renew the bot token",
        )
    if not me.team_id:
        raise AuthError("auth.test returned no team_id; bot token may be revoked", hint="reinstall the app")
    return me


def check_bot_token(secret: Secret) -> None:
    """Raises `ConfigError` for a token of another kind, `SecretError` when there is none."""
    check_prefix(secret, BOT_TOKEN_PREFIXES, where="SLACK_BOT_TOKEN", hint=BOT_CURE)


def check_app_token(secret: Secret) -> None:
    """The same for the app-level token."""
    check_prefix(secret, APP_TOKEN_PREFIXES, where="SLACK_APP_TOKEN", hint=APP_CURE)


def check_signing(secret: Secret, where: str) -> None:
    """Raises `ConfigError` for an empty signing secret: anyone could sign with it."""
    if not usable(secret.peek()):
        raise ConfigError("is too short to be a signing secret", where=where, hint=CURE)


async def _refreshed(secrets: Sequence[Secret]) -> None:
    """Read all of them at their origin, at once; the first failure is raised when all have answered."""
    results = await asyncio.gather(*(secret.refresh() for secret in secrets), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
