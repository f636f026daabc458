"""The Discord channel: one behaviour and one transport, and the state observed of both. Everything is delegated.

What does *not* live here: what is said to Discord (`behaviour.py`), how events arrive (`gateway.py`,
`http_transport.py`), what they mean (`normalise.py`), when to try again (the supervisor).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from channels.discord import CAPABILITIES
from channels.discord.apps import DiscordApps, refused
from channels.discord.behaviour import DiscordBehaviour
from channels.discord.boot import Bound
from channels.discord.commands import CommandBook
from channels.discord.install import Install
from channels.discord.normalise import normalise
from channels.discord.place import CHANNEL
from channels.discord.rest import DiscordRest
from phantom.apps import AppPlace, AppSink
from phantom.capabilities import Capability
from phantom.channel import ChannelHealth, Envelope, Inbox, TextLimits
from phantom.errors import AuthError, PhantomError
from phantom.events import InboundEvent
from phantom.messages import (
    Attachment,
    ConversationRef,
    LocalFile,
    MessageRef,
    OutboundMessage,
    Receipt,
    TurnStatus,
)
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Transport(Protocol):
    """How events arrive. `boot` proves the token, `serve` receives until cancelled."""

    @property
    def name(self) -> str: ...

    @property
    def secrets(self) -> tuple[Secret, ...]: ...

    @property
    def last_event_at(self) -> float | None: ...

    @property
    def last_contact_at(self) -> float | None: ...

    @property
    def trouble(self) -> str:
        """What keeps it from receiving just now although it goes on by itself, "" for nothing."""
        ...

    def facts(self) -> Mapping[str, str | int | float | bool]: ...

    def routes(self) -> Sequence[SignedRoute]: ...

    async def boot(self) -> Bound: ...

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None: ...


class DiscordChannel:
    """Implements `Channel` and the `Supports*` protocols of its capabilities. Built by `channels.discord.factory`.

    This one is for interactions over HTTP: what people ask there is no message, so there is nothing to mark.
    """

    name = CHANNEL
    capabilities: Capability = CAPABILITIES & ~Capability.REACT

    def __init__(
        self,
        *,
        behaviour: DiscordBehaviour,
        transport: Transport,
        install: Install,
        rest: DiscordRest,
        commands: CommandBook,
        apps: DiscordApps,
        limits: TextLimits,
        policy: Mapping[str, object],
    ) -> None:
        self.limits = limits
        self.policy = policy
        self.behaviour = behaviour
        self.transport = transport
        self._install = install
        self._rest = rest
        self._commands = commands
        self._apps = apps
        self._bound: Bound | None = None
        self._state = "starting"
        self._detail = ""
        self._cure = ""
        self._refused: asyncio.Future[None] | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets whose change makes another `run` worth while after an `AuthError`."""
        return self.transport.secrets

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        self._become("connecting")
        self._refused = asyncio.get_running_loop().create_future()
        beside: list[asyncio.Task[None]] = []
        try:
            await self._install.read()
            await self.behaviour.seal.load()
            bound = await self.transport.boot()
            self._install.check(bound.me.application_id)
            self._bound = bound
            self.behaviour.me = bound.me
            beside = [asyncio.create_task(self._commands.sync(bound.me.application_id), name="discord-commands")]

            def live() -> None:
                if not ready.is_set():
                    self._become("ready")
                    log.info("discord_ready", channel=CHANNEL, transport=self.transport.name, bot=bound.me.user_id)
                    ready.set()

            await self._until_refused(self.transport.serve(inbox, bound, live))
        except AuthError as error:
            self._become("auth_failed", error)
            raise
        except PhantomError as error:
            self._become("backing_off" if error.retryable else "stopped", error)
            raise
        except asyncio.CancelledError:
            self._become("stopped")
            raise
        finally:
            ready.clear()
            self._refused = None
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def aclose(self) -> None:
        """Let go of the HTTP sessions, once nothing is sent any more."""
        await self._rest.aclose()

    def normalise(self, envelope: Envelope) -> Sequence[InboundEvent]:
        return normalise(envelope)

    def routes(self) -> Sequence[SignedRoute]:
        return self.transport.routes()

    def health(self) -> ChannelHealth:
        facts: dict[str, str | int | float | bool] = {"transport": self.transport.name, **self.transport.facts()}
        if self._bound is not None:
            facts["application"] = self._bound.me.application_id
            facts["bot_user"] = self._bound.me.user_id
            facts["bot_name"] = self._bound.me.name
        if self._commands.trouble:
            facts["commands"] = self._commands.trouble
        trouble = self.transport.trouble if self._state == "ready" else ""
        return ChannelHealth(
            state="connecting" if trouble else self._state,
            detail=trouble or self._detail,
            cure="it reconnects by itself; look at the network if it lasts" if trouble else self._cure,
            last_event_at=self.transport.last_event_at,
            last_contact_at=self.transport.last_contact_at,
            facts=facts,
        )

    async def send(self, message: OutboundMessage) -> Receipt:
        return await self._watched(self.behaviour.send(message))

    async def edit(self, target: MessageRef, message: OutboundMessage) -> Receipt:
        return await self._watched(self.behaviour.edit(target, message))

    async def delete(self, target: MessageRef) -> None:
        await self._watched(self.behaviour.delete(target))

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        return await self._watched(self.behaviour.find(message, since))

    async def typing(self, conversation: ConversationRef, active: bool) -> None:
        await self._watched(self.behaviour.typing(conversation, active))

    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        return await self._watched(self.behaviour.download(attachment, folder, limit))

    def lend(self, sink: AppSink, events: frozenset[str]) -> None:
        self._apps.lend(sink, events)

    def app_intents(self) -> frozenset[str]:
        return self._apps.app_intents()

    async def app_place(self, action: str, params: Mapping[str, Any]) -> AppPlace:
        return await self._for_app(self._apps.app_place(action, params))

    async def act(self, action: str, params: Mapping[str, Any], *, key: str) -> Any:
        return await self._for_app(self._apps.act(action, params, key=key))

    async def _for_app(self, call: Awaitable[T]) -> T:
        try:
            return await self._watched(call)
        except AuthError as error:
            raise refused(error) from None

    async def _watched(self, call: Awaitable[T]) -> T:
        """A token that a call finds refused is refused for receiving too: `run` ends with the same error."""
        try:
            return await call
        except AuthError as error:
            if self._refused is not None and not self._refused.done():
                self._refused.set_exception(error)
                self._refused.exception()  # seen: `run` may be on its way out and not look
            raise

    async def _until_refused(self, serving: Awaitable[None]) -> None:
        """Serve, until a call or the metadata service shows that it cannot go on like this."""
        stop = self._refused
        tasks = [
            asyncio.ensure_future(serving),
            asyncio.create_task(self.behaviour.seal.keep(), name="discord-seal"),  # never ends by itself
        ]
        if self._install.followed:
            tasks.append(asyncio.create_task(self._install.follow(), name="discord-install"))
        try:
            await asyncio.wait([*tasks, *filter(None, (stop,))], return_when=asyncio.FIRST_COMPLETED)
            if stop is not None and stop.done():
                stop.result()
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _become(self, state: str, error: PhantomError | None = None) -> None:
        self._state = state
        self._detail = error.message if error is not None else ""
        self._cure = error.hint if error is not None else ""


class DiscordGatewayChannel(DiscordChannel):
    """The same with messages, which can be marked."""

    capabilities: Capability = CAPABILITIES

    async def show_status(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        await self._watched(self.behaviour.show_status(target, status, shown))

    async def clear_status(self, target: MessageRef) -> None:
        await self._watched(self.behaviour.clear_status(target))
