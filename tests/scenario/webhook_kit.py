"""A webhook channel in this process, senders that sign like real ones, and a receiver of callbacks on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from standardwebhooks import Webhook

from channels.webhook.channel import WebhookChannel
from channels.webhook.endpoints import endpoints_of
from channels.webhook.pinned import Lookup, PinnedClient, system_lookup
from channels.webhook.settings import WebhookSettings
from channels.webhook.tasks import TaskStore
from phantom.channel import ChannelContext
from phantom.clock import Clock, SystemClock
from phantom.health import HealthReport
from phantom.identity import Identity
from phantom.messages import InboundMessage, OutboundMessage, Receipt, Tone
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.testing.conformance_bench import ConformanceInbox
from phantom.testing.hunt_record import leave
from phantom.webapp import WebApp

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwc2VjcmV0"
BACKUP = "whsec_YmFja3VwLW9mLXRoaXMtZW5kcG9pbnQtMTIzNDU2Nzg="
OTHER = "whsec_b3RoZXItZW5kcG9pbnQtc2VjcmV0LTk4NzY1NDMyMTA="
_numbers = itertools.count(1)


def standard(body: bytes, *, secret: str = SECRET, event_id: str = "", at: float | None = None) -> dict[str, str]:
    """The headers that the library of Standard Webhooks makes."""
    event_id = event_id or f"msg_{next(_numbers)}_{time.monotonic_ns()}"
    moment = datetime.fromtimestamp(time.time() if at is None else at, tz=UTC)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, moment, body.decode()),
    }


def plain(body: bytes, *, secret: str = SECRET, event_id: str = "", at: float | None = None) -> dict[str, str]:
    """The headers of the plain profile, as a shell script would make them."""
    stamp = str(int(time.time() if at is None else at))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    named = {"X-Webhook-Id": event_id} if event_id else {}
    return {"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": f"sha256={mac}"} | named


@dataclass
class Taken:
    """One callback as it arrived."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id") or self.headers.get("x-webhook-id", "")

    @property
    def data(self) -> dict[str, Any]:
        found = orjson.loads(self.body)["data"]
        assert isinstance(found, dict)
        return found


@dataclass
class CallbackServer:
    """Takes callbacks. `script` are the statuses of the next answers; then 200. With `hold` it
    answers once that is set."""

    url: str = ""
    script: list[int] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    location: str = ""
    hold: asyncio.Event | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.taken.append(Taken(headers, await request.read()))
        leave("outgoing", f"{headers} {self.taken[-1].body.decode()}")
        self.changed.set()
        if self.hold is not None:
            await self.hold.wait()
        status = self.script.pop(0) if self.script else 200
        return web.Response(status=status, headers={"Location": self.location} if self.location else {})

    async def until(self, count: int, within: float = 30.0) -> list[Taken]:
        """Wait for that many callbacks, failed attempts included."""
        async with asyncio.timeout(within):
            while len(self.taken) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.taken


@asynccontextmanager
async def callback_server(ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[CallbackServer]:
    """On loopback, port 0."""
    server = CallbackServer()
    app = web.Application()
    app.router.add_post("/hook", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if ssl_context else 'http'}://127.0.0.1:{port}/hook"
    try:
        yield server
    finally:
        await runner.cleanup()


class Quiet:
    """A tenant status that nobody reads."""

    async def agent_ready(self, transport: str) -> None: ...

    async def first_dm_sent(self, slack_message_ts: str) -> None: ...


async def _nobody() -> Identity:
    return Identity(tenant_id="t1")


async def _no_report() -> HealthReport:
    raise NotImplementedError


Answer = tuple[int, dict[str, Any]]


@dataclass
class Wire:
    """One channel behind the real server. `default` and `backup` hold the secrets, so that a test can rotate them."""

    channel: WebhookChannel
    address: str
    meter: PrometheusMeter
    default: HeldSource
    backup: HeldSource
    session: aiohttp.ClientSession
    inbox: ConformanceInbox
    folder: Path

    async def post(self, body: bytes | Any, headers: Mapping[str, str], path: str = "/webhook/default") -> Answer:
        """Post as it is."""
        async with self.session.post(self.address + path, data=body, headers=headers) as answer:
            raw = await answer.read()
            leave("pages", f"{path} answered {raw.decode()}")
            found = orjson.loads(raw) if raw else {}
            return answer.status, found

    async def ask(
        self,
        fields: dict[str, Any],
        *,
        path: str = "/webhook/default",
        sign: Callable[..., dict[str, str]] = standard,
        **signing: Any,
    ) -> Answer:
        """Post a signed JSON object."""
        body = orjson.dumps(fields)
        return await self.post(body, sign(body, **signing), path)

    async def fetch(self, task: str, *, path: str = "/webhook/default/tasks", **signing: Any) -> Answer:
        """Ask what became of a task."""
        return await self.ask({"task": task}, path=path, **signing)

    def messages(self) -> list[InboundMessage]:
        """What everything admitted so far means."""
        events = [event for envelope in self.inbox.envelopes for event in self.channel.normalise(envelope)]
        return [event for event in events if isinstance(event, InboundMessage)]

    async def until_asked(self, count: int = 1) -> InboundMessage:
        """Wait for that many questions; the newest."""
        await self.inbox.until(lambda: len(self.inbox.envelopes) >= count)
        return self.messages()[-1]

    async def answer(self, message: InboundMessage, text: str, *, tone: Tone = Tone.ANSWER) -> Receipt:
        """What the engine does when the agent is done."""
        return await self.channel.send(
            OutboundMessage(
                conversation=message.conversation,
                text=text,
                idempotency_key=f"webhook:{message.event_id}/answer/0",
                tone=tone,
                reply_to=message.message_id,
                only_for=message.author.id,
                respond_url=message.respond_url,
            )
        )

    def outcome(self, name: str) -> float:
        """How often a post ended with that outcome."""
        return self.meter.value("phantom_receiver_requests_total", channel="webhook", outcome=name)

    def verified(self, slot: str, endpoint: str = "default") -> float:
        """How many posts a secret verified."""
        return self.meter.value("phantom_webhook_verified_total", endpoint=endpoint, secret=slot)


@asynccontextmanager
async def wired(
    folder: Path,
    *,
    clock: Clock | None = None,
    lookup: Lookup = system_lookup,
    ssl_context: ssl.SSLContext | None = None,
    inbox: ConformanceInbox | None = None,
    backup: str | None = None,
    patience: float = 10.0,
    client: PinnedClient | None = None,
    **settings: Any,
) -> AsyncIterator[Wire]:
    """A channel that does not run yet (use `running`)."""
    folder.mkdir(parents=True, exist_ok=True)
    held_default = HeldSource("webhook_secret_default", SECRET)
    held_backup = HeldSource("webhook_secret_backup", backup)
    meter = PrometheusMeter()
    context = ChannelContext(
        phantom_name="Phantom",
        clock=clock or SystemClock(),
        meter=meter,
        secret=lambda name: Secret(name, HeldSource(name, None)),
        identity=_nobody,
        tenant_status=Quiet(),
        data_dir=folder,
        options={},
    )
    chosen = WebhookSettings(
        secret_default=Secret("webhook_secret_default", held_default),
        secret_backup=Secret("webhook_secret_backup", held_backup),
        **({"insecure_callbacks": True, "callback_retry_seconds": 0.05} | settings),
    )
    channel = WebhookChannel(
        chosen,
        context,
        endpoints_of(chosen, context.clock),
        client=client or PinnedClient(insecure=chosen.insecure_callbacks, lookup=lookup, ssl_context=ssl_context),
        store=TaskStore(folder, context.clock, patience=patience),
    )
    server = WebApp(_no_report, meter)
    for route in channel.routes():
        server.add_route(route)
    await server.listen("127.0.0.1", 0)
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
    try:
        yield Wire(
            channel=channel,
            address=f"http://127.0.0.1:{server.port}",
            meter=meter,
            default=held_default,
            backup=held_backup,
            session=session,
            inbox=inbox or ConformanceInbox(),
            folder=folder,
        )
    finally:
        await session.close()
        await server.aclose()
        await channel.aclose()


@asynccontextmanager
async def running(wire: Wire) -> AsyncIterator[Wire]:
    """The channel serves; stopped at the end as the supervisor does it."""
    ready = asyncio.Event()
    work = asyncio.create_task(wire.channel.run(wire.inbox, ready))
    started = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait((work, started), timeout=30, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        yield wire
    finally:
        for task in (work, started):
            task.cancel()
        await asyncio.wait((work, started))


def cycling(answers: Iterator[list[str]]) -> tuple[Lookup, list[str]]:
    """A resolver that says something else each time, and what it was asked."""
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    return lookup, asked


async def until(holds: Callable[[], Awaitable[bool]], within: float = 30.0) -> None:
    """Wait for something that tells nobody of its changes."""
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(0.01)
