"""Discord over signed posts: prove the token, find the public key, then keep the receiver open.

What does *not* live here: the checks (`interactions.py`), the shared HTTP server.

Messages do not arrive this way, only what people do with commands, menus and buttons: a tenant without an outgoing
socket is served by `/phantom ask`, the context menu and the buttons under answers.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence

import structlog

from channels.discord.apps import DiscordApps
from channels.discord.boot import Bound, boot
from channels.discord.install import Install
from channels.discord.interactions import DiscordHttpReceiver, Serving
from channels.discord.memo import Memo
from channels.discord.public_keys import PublicKeys
from channels.discord.rest import DiscordRest
from channels.discord.settings import DiscordSettings
from channels.discord.token_seal import TokenSeal
from phantom.channel import ChannelContext, Inbox
from phantom.errors import MetadataError
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute

log = structlog.get_logger(__name__)


class HttpTransport:
    """Receives posts on the shared server."""

    name = "http"

    def __init__(
        self,
        settings: DiscordSettings,
        context: ChannelContext,
        rest: DiscordRest,
        memo: Memo,
        install: Install,
        seal: TokenSeal,
        apps: DiscordApps,
        *,
        bot_token: Secret,
        public_key: Secret | None,
    ) -> None:
        self.secrets = (bot_token,)
        self._settings = settings
        self._context = context
        self._rest = rest
        self._memo = memo
        self._install = install
        self._seal = seal
        self._apps = apps
        self._keys = PublicKeys(public_key, install, rest, context.clock)
        self._receiver = DiscordHttpReceiver(
            clock=context.clock,
            meter=context.meter,
            max_body=settings.max_body,
            body_timeout=settings.body_timeout,
        )

    @property
    def last_event_at(self) -> float | None:
        return self._receiver.last_event_at

    @property
    def last_contact_at(self) -> float | None:
        return self._receiver.last_event_at

    @property
    def trouble(self) -> str:
        """Whether posts come nothing here can tell; without a key none of them can be believed."""
        self._keys.refreshed()
        return self._keys.trouble

    def facts(self) -> dict[str, str | int | float | bool]:
        """For health: what is special about this transport."""
        return {"public_key": self._keys.origin}

    def routes(self) -> Sequence[SignedRoute]:
        return (self._receiver,)

    async def boot(self) -> Bound:
        bound = await boot(self._rest, self.secrets, self.secrets[0], self._settings.application_id)
        await self._memo.load()
        await asyncio.to_thread(importlib.import_module, "cryptography.hazmat.primitives.asymmetric.ed25519")
        await self._seal.ready()
        await self._keys.settle(bound.me.verify_key)
        return bound

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None:
        """Admit until cancelled."""
        self._receiver.open(
            Serving(
                inbox=inbox,
                keys=self._keys,
                application=bound.me.application_id,
                me=bound.me.user_id,
                memo=self._memo,
                seal=self._seal,
                guilds=self._install.guilds,
                left_to_apps=self._apps.left_to_apps,
            )
        )
        try:
            self._apps.posts(bound.me)
            live()
            await self._report_ready()
            await asyncio.get_running_loop().create_future()
        finally:
            self._receiver.close()
            self._keys.close()

    async def _report_ready(self) -> None:
        """Tell the metadata service, where there is one. It is told, not asked: a failure stops nothing."""
        if not self._install.followed:
            return
        try:
            await self._context.tenant_status.agent_ready("http")
        except MetadataError as error:
            log.warning("agent_ready_not_reported", channel="discord", code=error.code, detail=error.message)
