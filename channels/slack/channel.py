"""The Slack channel: one behaviour and one transport, and the state observed of both. Everything is delegated.

What does *not* live here: what is said to Slack (`behaviour.py`), how events arrive (`http_transport.py`, `socket.py`),
what they mean (`normalise.py`), when to try again (the supervisor).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from channels.slack import CAPABILITIES
from channels.slack.apps import SlackApps
from channels.slack.apps_refusals import token_refused
from channels.slack.behaviour import SlackBehaviour
from channels.slack.boot import Bound
from channels.slack.normalise import normalise
from channels.slack.place import CHANNEL, Reader
from channels.slack.web import SlackWeb
from phantom.apps import AppPlace, AppSink
from phantom.capabilities import Capability
from phantom.channel import ChannelHealth, Envelope, Inbox, TextLimits
from phantom.errors import AuthError, PhantomError
from phantom.events import ChannelTask, InboundEvent
from phantom.messages import (
    Attachment,
    AuthorFacts,
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
    """How events arrive. `boot` proves the tokens, `serve` receives until cancelled."""

    @property
    def name(self) -> str: ...

    @property
    def secrets(self) -> tuple[Secret, ...]: ...

    @property
    def last_event_at(self) -> float | None: ...

    @property
    def last_contact_at(self) -> float | None: ...

    def facts(self) -> Mapping[str, str | int | float | bool]: ...

    def routes(self) -> Sequence[SignedRoute]: ...

    async def boot(self) -> Bound: ...

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None: ...


class SlackChannel:
    """Implements `Channel` and every `Supports*` protocol. Built by `channels.factory`."""

    name = CHANNEL
    capabilities: Capability = CAPABILITIES

    def __init__(
        self,
        *,
        behaviour: SlackBehaviour,
        transport: Transport,
        webs: Sequence[SlackWeb],
        apps: SlackApps,
        limits: TextLimits,
        policy: Mapping[str, object],
    ) -> None:
        self.limits = limits
        self.policy = policy
        self.behaviour = behaviour
        self.transport = transport
        self._webs = tuple(webs)
        self._apps = apps
        self._reader = Reader()
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
        try:
            bound = await self.transport.boot()
            self._bind(bound)

            def live() -> None:
                if not ready.is_set():
                    self._become("ready")
                    self._apps.began()
                    log.info("slack_ready", channel=CHANNEL, transport=self.transport.name, team=bound.binding.team_id)
                    ready.set()

            await self._until_refused(self.transport.serve(inbox, bound, live))
        except AuthError as error:
            self._become("revoked" if error.code in _REVOKED else "auth_failed", error)
            raise
        except PhantomError as error:
            self._become("backing_off" if error.retryable else "stopped", error)
            raise
        except asyncio.CancelledError:
            self._become("stopped")
            raise
        finally:
            ready.clear()
            if self._refused.done() and not self._refused.cancelled():
                self._refused.exception()  # may have come too late for anybody to look at
            self._refused = None

    async def aclose(self) -> None:
        """Let go of the HTTP sessions, once nothing is sent any more."""
        for web in self._webs:
            await web.aclose()

    def normalise(self, envelope: Envelope) -> Sequence[InboundEvent]:
        return normalise(envelope, self._reader if self._bound else Reader(team_id=envelope.tenant))

    def routes(self) -> Sequence[SignedRoute]:
        return self.transport.routes()

    def health(self) -> ChannelHealth:
        facts: dict[str, str | int | float | bool] = {"transport": self.transport.name, **self.transport.facts()}
        if self._bound is not None:
            facts["team"] = self._bound.binding.team_id
            facts["team_name"] = self._bound.me.team_name
            facts["bot_user"] = self._bound.me.user_id
        return ChannelHealth(
            state=self._state,
            detail=self._detail,
            cure=self._cure,
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

    async def show_status(self, target: MessageRef, status: TurnStatus | None, shown: TurnStatus | None) -> None:
        await self._watched(self.behaviour.show_status(target, status, shown))

    async def clear_status(self, target: MessageRef) -> None:
        await self._watched(self.behaviour.clear_status(target))

    async def typing(self, conversation: ConversationRef, active: bool) -> None:
        await self._watched(self.behaviour.typing(conversation, active))

    async def author_facts(self, conversation: ConversationRef, author_id: str) -> AuthorFacts:
        return await self._watched(self.behaviour.author_facts(conversation, author_id))

    async def download(self, attachment: Attachment, folder: Path, limit: int) -> LocalFile:
        return await self._watched(self.behaviour.download(attachment, folder, limit))

    async def perform(self, task: ChannelTask) -> None:
        await self._watched(self.behaviour.perform(task))

    async def introduction(self) -> OutboundMessage | None:
        return await self._watched(self.behaviour.introduction())

    async def introduced(self, receipt: Receipt) -> None:
        await self._watched(self.behaviour.introduced(receipt))

    def lend(self, sink: AppSink, events: frozenset[str]) -> None:
        self._apps.lend(sink, events)

    def app_intents(self) -> frozenset[str]:
        return self._apps.app_intents()

    async def app_place(self, action: str, params: Mapping[str, Any]) -> AppPlace:
        return await self._apps.app_place(action, params)

    async def act(self, action: str, params: Mapping[str, Any], *, key: str) -> Any:
        try:
            return await self._watched(self._apps.act(action, params, key=key))
        except AuthError as error:
            raise token_refused(error) from None

    async def _watched(self, call: Awaitable[T]) -> T:
        """A token that a call finds refused is refused for receiving too: `run` ends with the same error."""
        try:
            return await call
        except AuthError as error:
            self._refuse(error)
            raise

    async def _until_refused(self, serving: Awaitable[None]) -> None:
        refused = self._refused
        task = asyncio.ensure_future(serving)
        try:
            await asyncio.wait({task} if refused is None else {task, refused}, return_when=asyncio.FIRST_COMPLETED)
            if refused is not None and refused.done():
                refused.result()
            task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _refuse(self, error: AuthError) -> None:
        if self._refused is not None and not self._refused.done():
            self._refused.set_exception(error)

    def _bind(self, bound: Bound) -> None:
        self._bound = bound
        self._apps.bound(bound)
        self.behaviour.me = bound.me
        self.behaviour.identity = bound.install
        self._reader = Reader(
            team_id=bound.binding.team_id,
            enterprise_id=bound.binding.enterprise_id,
            user_id=bound.me.user_id,
            bot_id=bound.me.bot_id,
            org_wide=bound.me.is_enterprise_install,
        )

    def _become(self, state: str, error: PhantomError | None = None) -> None:
        self._state = state
        self._detail = error.message if error is not None else ""
        self._cure = error.hint if error is not None else ""


_REVOKED = frozenset({"token_revoked", "account_inactive", "team_access_not_granted", "app_uninstalled"})
