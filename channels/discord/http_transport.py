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

from channels.discord.boot import KEY_CURE, Bound, boot, check_public_key
from channels.discord.interactions import DiscordHttpReceiver, Serving
from channels.discord.memo import Memo
from channels.discord.rest import DiscordRest
from channels.discord.settings import DiscordSettings
from channels.discord.verify import Keys
from phantom.channel import ChannelContext, Inbox
from phantom.errors import ConfigError, MetadataError
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
        *,
        bot_token: Secret,
        public_key: Secret | None,
    ) -> None:
        self.secrets = (bot_token,) if public_key is None else (bot_token, public_key)
        self._settings = settings
        self._context = context
        self._rest = rest
        self._memo = memo
        self._public_key = public_key
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
        """Posts come or do not come; nothing here can tell."""
        return ""

    def facts(self) -> dict[str, str | int | float | bool]:
        """For health: what is special about this transport."""
        return {"public_key": "asked" if self._public_key is None else "set"}

    def routes(self) -> Sequence[SignedRoute]:
        return (self._receiver,)

    async def boot(self) -> Bound:
        bound = await boot(self._rest, self.secrets, self.secrets[0], self._settings.application_id)
        await self._memo.load()
        await asyncio.to_thread(importlib.import_module, "cryptography.hazmat.primitives.asymmetric.ed25519")
        return bound

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None:
        """Admit until cancelled."""
        self._receiver.open(
            Serving(
                inbox=inbox,
                keys=Keys(self._public_keys(bound)),
                application=bound.me.application_id,
                me=bound.me.user_id,
                memo=self._memo,
                guilds=frozenset(self._settings.allowed_guilds),
            )
        )
        try:
            live()
            await self._report_ready()
            await asyncio.get_running_loop().create_future()
        finally:
            self._receiver.close()

    def _public_keys(self, bound: Bound) -> list[str]:
        """The key that is set, and during its rotation the one before; else the one that Discord names."""
        if self._public_key is not None:
            return [check_public_key(value) for value in self._public_key.candidates()]
        if not bound.me.verify_key:
            raise ConfigError("is not set, and Discord did not name it", where="DISCORD_PUBLIC_KEY", hint=KEY_CURE)
        return [check_public_key(bound.me.verify_key)]

    async def _report_ready(self) -> None:
        """Tell the metadata service. It is told, not asked: a failure stops nothing."""
        try:
            await self._context.tenant_status.agent_ready("http")
        except MetadataError as error:
            log.warning("agent_ready_not_reported", channel="discord", code=error.code, detail=error.message)
