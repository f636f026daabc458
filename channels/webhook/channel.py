"""The webhook channel: endpoints on the shared server, a task for each question, answers kept and called back.

What does *not* live here: the checks of a post (`receiver.py`) and everything else that has a module of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from channels.webhook import CAPABILITIES
from channels.webhook import normalise as meaning
from channels.webhook.callbacks import Callbacks
from channels.webhook.endpoints import Endpoint
from channels.webhook.intake import Intake
from channels.webhook.keyring import BACKUP
from channels.webhook.normalise import Ticket
from channels.webhook.pinned import PinnedClient
from channels.webhook.receiver import EndpointReceiver
from channels.webhook.sayings import saying_of
from channels.webhook.settings import WebhookSettings
from channels.webhook.task_records import GIVEN_UP, PENDING
from channels.webhook.tasks import TaskStore
from channels.webhook.usage import Usage
from channels.webhook.waiting import Waiting
from phantom.channel import ChannelContext, ChannelHealth, Envelope, Inbox, TextLimits
from phantom.errors import AuthError, ConnectError, ConversationGone, MessageRejected, StorageError
from phantom.events import InboundEvent
from phantom.messages import OutboundMessage, Outcome, Receipt
from phantom.sealing import DamagedRow
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute

log = structlog.get_logger(__name__)

LIMITS = TextLimits(max_chars=100_000)
PRUNE_SECONDS = 3600.0


class WebhookChannel:
    """See the module. Constructed without I/O."""

    name = meaning.CHANNEL
    capabilities = CAPABILITIES
    limits = LIMITS

    def __init__(
        self,
        settings: WebhookSettings,
        context: ChannelContext,
        endpoints: dict[str, Endpoint],
        *,
        client: PinnedClient,
        store: TaskStore,
    ) -> None:
        self._clock = context.clock
        self._endpoints = endpoints
        self._client = client
        self._store = store
        self._waiting = Waiting(settings.max_waiting)
        self._usage = Usage(context.data_dir, tuple(endpoints), context.clock)
        self._callbacks = Callbacks(
            store=store,
            poster=client,
            endpoints=endpoints,
            clock=context.clock,
            meter=context.meter,
            attempts=settings.callback_attempts,
            retry_seconds=settings.callback_retry_seconds,
            insecure=settings.insecure_callbacks,
        )
        intake = Intake(store=store, waiting=self._waiting, clock=context.clock, meter=context.meter)
        self._receivers = tuple(
            EndpointReceiver(
                endpoint,
                intake=intake,
                usage=self._usage,
                clock=context.clock,
                meter=context.meter,
                max_body=settings.max_body,
                body_timeout=settings.body_timeout,
                insecure_callbacks=settings.insecure_callbacks,
            )
            for endpoint in endpoints.values()
        )
        self._state = "starting"
        self._detail = self._cure = ""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret of every endpoint."""
        return tuple(slot.secret for endpoint in self._endpoints.values() for slot in endpoint.keys.slots)

    def routes(self) -> Sequence[SignedRoute]:
        return self._receivers

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        self._set("connecting")
        try:
            await self._prove()
            await self._store.open()
            await asyncio.to_thread(self._usage.load)
            await self._serve(inbox, ready)
        except AuthError as error:
            self._set("auth_failed", error.message, error.hint)
            raise
        finally:
            ready.clear()
            await self._stop()
            if self._state != "auth_failed":
                self._set("stopped")

    async def _prove(self) -> None:
        """Every endpoint needs a secret; one without does not keep the others from serving."""
        refused: list[AuthError] = []
        for endpoint in self._endpoints.values():
            try:
                await endpoint.keys.prove()
            except AuthError as error:
                refused.append(error)
                log.error("webhook_endpoint_without_secret", endpoint=endpoint.name, what=error.message)
        if len(refused) == len(self._endpoints):
            raise refused[0]

    async def _serve(self, inbox: Inbox, ready: asyncio.Event) -> None:
        work = [
            asyncio.create_task(self._callbacks.run(), name="webhook callbacks"),
            asyncio.create_task(self._usage.run(), name="webhook usage"),
            asyncio.create_task(self._prune(), name="webhook prune"),
        ]
        try:
            for receiver in self._receivers:
                receiver.open(inbox)
            self._set("ready")
            ready.set()
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)

    async def _stop(self) -> None:
        for receiver in self._receivers:
            receiver.close()
        for receiver in self._receivers:
            await receiver.settled()
        self._waiting.close()
        for endpoint in self._endpoints.values():
            await endpoint.keys.aclose()
        await self._usage.flush()
        await self._client.aclose()

    async def _prune(self) -> None:
        while True:
            try:
                await self._store.prune()
            except StorageError as error:
                log.warning("webhook_tasks_not_pruned", what=error.message, cure=error.hint)
            await self._clock.sleep(PRUNE_SECONDS)

    def normalise(self, envelope: Envelope) -> Sequence[InboundEvent]:
        return meaning.normalise(envelope)

    async def send(self, message: OutboundMessage) -> Receipt:
        """Keep the message where its reader finds it; whoever waits for it is answered. SENT means kept: a callback
        follows from that and has its own record.
        """
        endpoint = self._endpoints.get(message.conversation.tenant)
        if endpoint is None:
            raise ConversationGone("there is no such webhook endpoint", hint="it was in the settings once")
        if len(message.text) > self.limits.max_chars:
            raise MessageRejected("the message is too long")
        if message.attachments:
            raise MessageRejected("a webhook answer carries no files", code="files_unsupported")
        saying = saying_of(message, endpoint, self._clock.now())
        try:
            await self._store.open()
            await self._store.keep(saying)
            await self._tell(saying.task, endpoint.name)
        except StorageError as error:
            raise ConnectError(error.message, hint=error.hint) from error
        return Receipt(outcome=Outcome.SENT, message_ids=(saying.id,), sent_at=self._clock.now())

    async def find(self, message: OutboundMessage, since: float) -> Receipt | None:
        """Our own record says it for sure, however the write ended."""
        try:
            await self._store.open()
            found = await self._store.sent_as(message.idempotency_key)
            ticket = Ticket.of(message.respond_url) if message.respond_url else None
            if found is not None and ticket is not None:
                await self._tell(ticket.task, message.conversation.tenant)
        except StorageError as error:
            raise ConnectError(error.message, hint=error.hint) from error
        return None if found is None else Receipt(outcome=Outcome.SENT, message_ids=(found,), sent_at=since)

    async def _tell(self, task_id: str | None, endpoint: str) -> None:
        """Something was kept: answer whoever waits for it. It stays kept where a damaged row forbids to show it:
        sending it again and again would not mend that.
        """
        self._callbacks.wake()
        try:
            task = None if task_id is None else await self._store.find(task_id, endpoint)
        except DamagedRow as error:
            log.error("webhook_task_does_not_open", task=task_id, what=error.message, cure=error.hint)
            return
        if task is not None and task.settled:
            self._waiting.settle(task)

    def health(self) -> ChannelHealth:
        state, detail, cure = self._state, self._detail, self._cure
        if state == "ready":
            troubled = next((endpoint.keys for endpoint in self._endpoints.values() if endpoint.keys.trouble), None)
            if not any(endpoint.keys.usable for endpoint in self._endpoints.values()):
                state = "auth_failed"
            if troubled is not None:
                detail, cure = troubled.trouble, troubled.cure
        events = [receiver.last_event_at for receiver in self._receivers if receiver.last_event_at is not None]
        counts = self._callbacks.counts
        slots = self._usage.endpoints.values()
        return ChannelHealth(
            state=state,
            detail=detail,
            cure=cure,
            last_event_at=max(events, default=None),
            last_contact_at=max(events, default=None),
            facts={
                "endpoints": ", ".join(sorted(self._endpoints)),
                "waiting": len(self._waiting),
                "callbacks_pending": counts.get(PENDING, 0),
                "callbacks_given_up": counts.get(GIVEN_UP, 0),
                "verified_by_backup": sum(one[BACKUP].count for one in slots),
            },
        )

    async def aclose(self) -> None:
        """Finish what is being written. Nothing is sent any more."""
        await self._client.aclose()
        await self._store.aclose()

    def _set(self, state: str, detail: str = "", cure: str = "") -> None:
        self._state, self._detail, self._cure = state, detail, cure
