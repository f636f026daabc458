"""What can be done by API about a Slack token that got out: ask whether Slack still takes it, and give it back.

https://docs.slack.dev/reference/methods/auth.revoke: bot and user tokens; an app-level token is revoked on the app's
page only. What does *not* live here: what the operator is told (`phantom secrets exposed`).
"""

from __future__ import annotations

from channels.slack.settings import APP_TOKEN_PREFIXES
from channels.slack.web import SlackWeb
from phantom.channel import Meter
from phantom.clock import Clock
from phantom.errors import AuthError, ChannelError, Forbidden
from phantom.secrets import Secret


async def is_accepted(token: Secret, *, base_url: str, clock: Clock, meter: Meter) -> bool:
    """Whether Slack still takes the token. Raises a `ChannelError` when Slack cannot be asked."""
    app_level = token.peek().startswith(APP_TOKEN_PREFIXES)
    web = SlackWeb(token=token, base_url=base_url, clock=clock, meter=meter)
    try:
        await web.call("apps.connections.open" if app_level else "auth.test", {}, idempotent=True)
    except AuthError:
        return False
    except Forbidden:
        return True  # it is known there, and may only not do this
    finally:
        await web.aclose()
    return True


async def revoke(token: Secret, *, base_url: str, clock: Clock, meter: Meter) -> bool:
    """Give the token back for good: `auth.revoke`. False when Slack refused it already. Raises a `ChannelError` when
    it was not done.
    """
    web = SlackWeb(token=token, base_url=base_url, clock=clock, meter=meter)
    try:
        answer = await web.call("auth.revoke", {})
    except AuthError:
        return False
    finally:
        await web.aclose()
    if not answer.get("revoked"):
        raise ChannelError("auth.revoke: Slack did not revoke the token", hint="revoke it on the app's page")
    return True
