"""Slack over signed posts: boot in the order of the profile, then keep the receiver open. No signature is judged here.

What does *not* live here: the checks (`http_receiver.py`), the shared HTTP server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from channels.slack.apps_events import AppEvents
from channels.slack.boot import Bound, boot_gateway, boot_token, check_signing
from channels.slack.http_receiver import Serving, SlackHttpReceiver
from channels.slack.settings import SlackSettings
from channels.slack.signing import Signing
from channels.slack.verify import DirectScheme, GatewayScheme, Scheme
from channels.slack.web import SlackWeb
from phantom.channel import ChannelContext, Inbox
from phantom.errors import MetadataError
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute

log = structlog.get_logger(__name__)


class HttpTransport:
    """Receives from a gateway or from Slack itself, as the profile in the settings says.

    `signing` are the secrets whose plaintexts are accepted; the first is the one that must be there.
    """

    name = "http"

    def __init__(
        self,
        settings: SlackSettings,
        context: ChannelContext,
        web: SlackWeb,
        events: AppEvents,
        *,
        bot_token: Secret,
        signing: Sequence[Secret],
    ) -> None:
        self.profile = settings.http_profile
        self.secrets = (bot_token, *signing)
        self._settings = settings
        self._context = context
        self._web = web
        self._bot_token = bot_token
        self._signing = tuple(signing)
        self._receiver = SlackHttpReceiver(
            clock=context.clock,
            meter=context.meter,
            signing=Signing(signing, context.meter),
            max_body=settings.max_body,
            body_timeout=settings.body_timeout,
            events=events,
        )

    @property
    def last_event_at(self) -> float | None:
        return self._receiver.last_event_at

    @property
    def last_contact_at(self) -> float | None:
        return self._receiver.last_event_at

    def facts(self) -> dict[str, str | int | float | bool]:
        """For health: what is special about this transport."""
        return {"profile": self.profile}

    def routes(self) -> Sequence[SignedRoute]:
        return (self._receiver,)

    async def boot(self) -> Bound:
        if self.profile == "gateway":
            return await boot_gateway(self._context, self._web, self._bot_token, self._signing[0])
        bound = await boot_token(self._web, self.secrets, self._bot_token)
        check_signing(self._signing[0], "SLACK_SIGNING_SECRET")
        return bound

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None:
        """Admit until cancelled."""
        scheme: Scheme = DirectScheme()
        if self.profile == "gateway":
            scheme = GatewayScheme(tenant_id=bound.tenant_id, accept_v1=self._settings.accept_v1)
        self._receiver.open(Serving(inbox=inbox, binding=bound.binding, scheme=scheme, me=bound.me.user_id))
        try:
            live()
            if self.profile == "gateway":
                await self._report_ready()
            await asyncio.get_running_loop().create_future()
        finally:
            self._receiver.close()

    async def _report_ready(self) -> None:
        """Tell the metadata service. It is told, not asked: a failure stops nothing."""
        try:
            await self._context.tenant_status.agent_ready("http")
        except MetadataError as error:
            log.warning("agent_ready_not_reported", channel="slack", code=error.code, detail=error.message)
