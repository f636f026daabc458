"""A bridge on a loopback port with a channel that does what a test says, and a client that speaks raw frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from channels.discord.apps_catalogue import TABLE
from phantom.apps import AppEvent, AppPlace, AppSink
from phantom.bridge.actions import ActionDesk
from phantom.bridge.audit import Audit, rows
from phantom.bridge.catalogue import Catalogue, load
from phantom.bridge.gatekeeper import Gatekeeper
from phantom.bridge.grants import Allow, Limits, Within
from phantom.bridge.idempotency import Ledger
from phantom.bridge.replay import Bounds, ReplayLog
from phantom.bridge.secret_book import Entry, SecretBook, Value
from phantom.bridge.secret_file import SecretFile
from phantom.bridge.secret_value import digest
from phantom.bridge.server import Bridge, BridgeParts
from phantom.bridge.websocket import Endpoint
from phantom.clock import Clock, SystemClock
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter

SECRET = "dashboard-secret-0001"
ALL_INTENTS = frozenset(spec.intent for spec in TABLE.events if spec.intent)
Act = Callable[[str, Mapping[str, Any], str], Awaitable[Any]]


async def echo(action: str, params: Mapping[str, Any], key: str) -> Any:
    """An action that answers with what it was asked."""
    return {"did": action, "params": dict(params)}


@dataclass
class PretendChannel:
    """`phantom.apps.SupportsApps` without a platform. `acted` holds every action that was begun."""

    intents: frozenset[str] = ALL_INTENTS
    act_with: Act = echo
    places: dict[str, AppPlace] = field(default_factory=dict)
    acted: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)
    sink: AppSink | None = None
    wanted: frozenset[str] = frozenset()

    def lend(self, sink: AppSink, events: frozenset[str]) -> None:
        self.sink, self.wanted = sink, events

    def app_intents(self) -> frozenset[str]:
        return self.intents

    async def app_place(self, action: str, params: Mapping[str, Any]) -> AppPlace:
        return self.places.get(str(params.get("channelId", "")), AppPlace())

    async def act(self, action: str, params: Mapping[str, Any], *, key: str) -> Any:
        self.acted.append((action, params, key))
        return await self.act_with(action, params, key)

    def tell(self, name: str, data: Mapping[str, Any], **facts: str | tuple[str, ...]) -> None:
        """Publish an event as the platform's frame handler would."""
        assert self.sink is not None
        if self.sink.wants(name):
            self.sink.publish(AppEvent(name, data, facts))


def entry(
    secret_id: str = "dashboard",
    *,
    value: str = SECRET,
    events: Sequence[str] = ("*",),
    actions: Sequence[str] = ("*",),
    within: Within | None = None,
    limits: Limits | None = None,
    expires_at: float | None = None,
) -> Entry:
    """A secret of the configuration."""
    return Entry(
        id=secret_id,
        allow=Allow(events=frozenset(events), actions=frozenset(actions)),
        within=within or Within(),
        limits=limits or Limits(),
        expires_at=expires_at,
        values=(Value(digest=digest(value)),),
    )


@dataclass
class Rig:
    """A bridge that runs."""

    bridge: Bridge
    channel: PretendChannel
    folder: Path
    port: int
    meter: PrometheusMeter
    catalogue: Catalogue

    def url(self, path: str = "/shardwire") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    @property
    def audit(self) -> list[Mapping[str, Any]]:
        """Every row so far."""
        return list(rows(self.folder))

    @asynccontextmanager
    async def app(
        self,
        *,
        version: int = 2,
        secret: str | None = SECRET,
        path: str = "/shardwire",
        headers: Mapping[str, str] | None = None,
        **hello: Any,
    ) -> AsyncIterator[RawApp]:
        """A connected app; logged in unless `secret` is None."""
        connecting = aiohttp.ClientSession(headers=headers)
        async with connecting as session, session.ws_connect(self.url(path), max_msg_size=0) as socket:
            app = RawApp(socket, version)
            if secret is not None:
                await app.send("auth.hello", {"secret": secret, **hello})
                app.welcome = (await app.expect("auth.ok"))["payload"]
            yield app


class RawApp:
    """A client that sends and reads frames as they are."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, version: int) -> None:
        self.socket = socket
        self.version = version
        self.welcome: dict[str, Any] = {}

    async def send(self, kind: str, payload: Any, request_id: str | None = None, **more: Any) -> None:
        frame: dict[str, Any] = {"v": self.version, "type": kind, "ts": 0, "payload": payload, **more}
        if request_id is not None:
            frame["requestId"] = request_id
        await self.socket.send_str(json.dumps(frame))

    async def read(self) -> dict[str, Any]:
        """The next frame. Raises `Closed` when the bridge closes instead."""
        message = await self.socket.receive(timeout=30)
        if message.type is aiohttp.WSMsgType.TEXT:
            frame: dict[str, Any] = json.loads(message.data)
            return frame
        raise Closed(self.socket.close_code, message.extra if isinstance(message.extra, str) else "")

    async def expect(self, kind: str) -> dict[str, Any]:
        """The next frame, which must be of that type; pings are passed over."""
        while True:
            frame = await self.read()
            if frame["type"] == "ping" and kind != "ping":
                continue
            assert frame["type"] == kind, frame
            return frame

    async def closed(self) -> int | None:
        """Read on until the bridge closes; the close code."""
        try:
            while True:
                await self.read()
        except Closed as closed:
            return closed.code

    async def subscribe(self, *subscriptions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Subscribe; a version-3 app returns what `subscribe.ok` told."""
        await self.send("subscribe", {"subscriptions": list(subscriptions), **more}, "sub")
        if self.version < 3:
            await self.settled()
            return {}
        payload: dict[str, Any] = (await self.expect("subscribe.ok"))["payload"]
        return payload

    async def settled(self) -> None:
        """Everything sent before has been handled."""
        await self.send("ping", {})
        await self.expect("pong")

    async def settled_past(self, *kinds: str) -> None:
        """The same, passing over what is expected before: frame types, or names of events."""
        await self.send("ping", {})
        while (frame := await self.read())["type"] != "pong":
            assert frame["type"] in kinds or frame["payload"].get("name") in kinds, frame

    async def act(self, name: str, data: Any, request_id: str = "r1", **more: Any) -> dict[str, Any]:
        """Ask for an action and wait for its answer's payload."""
        await self.send("action.request", {"name": name, "data": data, **more}, request_id)
        while True:
            frame = await self.read()
            if frame["type"] in ("action.result", "action.error") and frame["requestId"] == request_id:
                payload: dict[str, Any] = frame["payload"]
                return payload


class Closed(Exception):
    """The bridge closed the connection."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@asynccontextmanager
async def running_bridge(
    folder: Path,
    *entries: Entry,
    channel: PretendChannel | None = None,
    clock: Clock | None = None,
    journal: Journal | None = None,
    bounds: Bounds | None = None,
    heartbeat: float = 30.0,
    auth_seconds: float | None = None,
    max_connections: int = 1000,
    concurrent: int = 32,
    queue_seconds: float = 60.0,
    behind_proxy: bool = False,
    origins: Sequence[str] = (),
    raw_methods: frozenset[str] = frozenset(),
) -> AsyncIterator[Rig]:
    """A bridge over the Discord catalogue, listening on a free loopback port. It is patient unless told otherwise: a
    machine that is busy shall not make an app too slow for it. Time that the test owns passes on nobody's account.
    """
    if auth_seconds is None:
        auth_seconds = 60.0 if clock is None else 5.0
    clock, meter = clock or SystemClock(), PrometheusMeter()
    channel = channel or PretendChannel()
    catalogue = load([TABLE], enabled=frozenset({"runRaw"}) if raw_methods else frozenset())
    audit = Audit(folder, clock)
    audit.open()
    book = SecretBook(entries or (entry(),), SecretFile(folder), clock)
    book.open()
    ledger = Ledger(journal, clock)
    await ledger.load()
    channels = {"discord": channel}
    desk = ActionDesk(
        catalogue,
        channels,
        ledger,
        audit,
        clock,
        meter,
        concurrent=concurrent,
        queue_seconds=queue_seconds,
        raw_methods=raw_methods,
    )
    bridge = Bridge(
        BridgeParts(
            catalogue=catalogue,
            channels=channels,
            gatekeeper=Gatekeeper(book, catalogue, audit, clock, meter),
            desk=desk,
            replay=ReplayLog(folder, clock, bounds or Bounds()),
            clock=clock,
            meter=meter,
            heartbeat=heartbeat,
            auth_seconds=auth_seconds,
            max_connections=max_connections,
        )
    )
    bridge.start()
    try:
        async with _listening(Endpoint(bridge, clock, origins=origins, behind_proxy=behind_proxy)) as port:
            try:
                yield Rig(bridge, channel, folder, port, meter, catalogue)
            finally:
                await bridge.aclose()
    finally:
        book.close()
        audit.close()


@asynccontextmanager
async def _listening(endpoint: Endpoint) -> AsyncIterator[int]:
    """The endpoint on a free loopback port."""
    app = web.Application()
    endpoint.mount(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until something is so, at most half a minute."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
