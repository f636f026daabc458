"""The bridge: every app's connection, what each gets, and when it ends. Read this page first.

    channel ── publish ──▶ index: who wants it ──▶ limits ──▶ one frame a wire version ──▶ queues ──▶ one write a pass
    app ── frame ──▶ connection ──▶ action desk ──▶ channel.act ──▶ answer

An event is serialised once and matched once, however many apps there are (`fanout.py`). What does *not* live here:
frames (`protocol.py`), one app's state (`connection.py`), doing an action (`actions.py`), sockets (`websocket.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from phantom.apps import SupportsApps
from phantom.bridge import protocol
from phantom.bridge.action_outcome import Caller
from phantom.bridge.actions import ActionDesk
from phantom.bridge.catalogue import Catalogue
from phantom.bridge.connection import AppConnection, Wire
from phantom.bridge.fanout import Fanout
from phantom.bridge.gatekeeper import Gatekeeper, Newcomer, Refusal
from phantom.bridge.grants import Grant
from phantom.bridge.protocol import Close
from phantom.bridge.replay import ReplayLog
from phantom.channel import Meter
from phantom.clock import Clock

log = structlog.get_logger("phantom.bridge")

MAX_CONNECTIONS = 1000
MAX_UNKNOWN = 256
"""Connections that have not said hello yet; one more, and the oldest of them has to go."""
TICK_SECONDS = 1.0
GOODBYE_SECONDS = 1.0
"""How long a drain waits for apps to answer its goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeParts:
    """What a bridge is made of. `channels` are those that lend themselves to apps, by name."""

    catalogue: Catalogue
    channels: Mapping[str, SupportsApps]
    gatekeeper: Gatekeeper
    desk: ActionDesk
    replay: ReplayLog
    clock: Clock
    meter: Meter
    heartbeat: float = protocol.HEARTBEAT_SECONDS
    auth_seconds: float = protocol.AUTH_SECONDS
    max_connections: int = MAX_CONNECTIONS


class Bridge:
    """One daemon's bridge. `start`, `open` for each socket, `drain` and `aclose` at the end."""

    def __init__(self, parts: BridgeParts) -> None:
        self.catalogue = parts.catalogue
        self.desk = parts.desk
        self.heartbeat = parts.heartbeat
        self.auth_seconds = parts.auth_seconds
        self._channels = parts.channels
        self._gatekeeper = parts.gatekeeper
        self._clock = parts.clock
        self._meter = parts.meter
        self._max_connections = parts.max_connections
        self._connections: dict[AppConnection, None] = {}
        self._of_secret: Counter[str] = Counter()
        self._unknown: dict[AppConnection, None] = {}
        self._logged_in = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._ticking: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.draining = False
        self.slow_cut = 0
        self.fanout = Fanout(parts.catalogue, parts.replay, parts.gatekeeper.allowed_events, parts.clock, parts.meter)

    # --- life ---

    def start(self) -> None:
        """Lend the channels' events to ourselves and begin. Call it on the event loop, before the channels run."""
        self.fanout.open()
        allowed = self._gatekeeper.allowed_events()
        for name, channel in self._channels.items():
            channel.lend(self.fanout, frozenset(event for event in allowed if self.catalogue.channel_of(event) == name))
        self._unsubscribe = self._gatekeeper.on_change(self._scopes_changed)
        self._ticking = asyncio.create_task(self._tick(), name="bridge")

    async def drain(self, seconds: float) -> bool:
        """Take no new actions, let running ones end, tell every app and close with 1012."""
        self.draining = True
        complete = await self.desk.drain(seconds)
        for connection in list(self._connections):
            if connection.version >= 3 and connection.grant is not None:
                connection.send("closing", {"reason": "restart", "retryAfterMs": 1000})
            connection.close(Close.RESTART, "The bridge restarts.", why="drain")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._nobody.wait()
        return complete

    async def aclose(self) -> None:
        """Cut what is left and write the last events."""
        self._unsubscribe()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            self._ticking = None
        await self.desk.cut()  # a second signal cuts the drain short
        for connection in list(self._connections):
            connection.cut("stopped")
        self.fanout.close()

    # --- connections ---

    def open(self, wire: Wire, address: str) -> AppConnection:
        """A new socket. It may be refused at once; the connection is then `closing`."""
        connection = AppConnection(self, wire, secrets.token_hex(8), address, self.monotonic())
        self._connections[connection] = self._unknown[connection] = None
        self._nobody.clear()
        if self.draining:
            connection.close(Close.RESTART, "The bridge restarts.", why="drain")
        elif self._gatekeeper.locked(address):
            connection.close(Close.TOO_MANY_ATTEMPTS, "Too many failed logins; wait a minute.", why="locked_out")
        elif self._logged_in >= self._max_connections:
            connection.close(Close.FULL, "The bridge is full.", why="full")
        elif len(self._unknown) > MAX_UNKNOWN:
            # The oldest: who floods us with sockets that say nothing keeps nobody out who says hello.
            next(iter(self._unknown)).close(Close.FULL, "The bridge is full.", why="full")
        return connection

    @property
    def stuck(self) -> bool:
        """Whether the clock of the bridge has stopped, which it never should."""
        return self._ticking is not None and self._ticking.done()

    @property
    def max_sockets(self) -> int:
        """How many connections there may be, those that have not logged in included."""
        return self._max_connections + MAX_UNKNOWN

    def closed(self, connection: AppConnection) -> None:
        """The socket is gone."""
        if not connection.closing:
            connection.closing = True
            self.closing(connection, "left")
        self._connections.pop(connection, None)
        if not self._connections:
            self._nobody.set()

    def closing(self, connection: AppConnection, why: str) -> None:
        """A connection ends: nothing more is sent to it."""
        if connection.grant is None:
            del self._unknown[connection]
        else:
            self._left(connection, connection.grant, why)
        if why == "slow_reader":
            self.slow_cut += 1
            self._meter.count("phantom_bridge_slow_readers_total")
        self._meter.count("phantom_bridge_disconnects_total", reason=why)

    def _left(self, connection: AppConnection, grant: Grant, why: str) -> None:
        self._logged_in -= 1
        self._of_secret[grant.secret_id] -= 1
        if not self._of_secret[grant.secret_id]:
            del self._of_secret[grant.secret_id]
        self.fanout.left(connection)
        self.desk.gone(self.caller(connection))
        log.info("bridge_app_left", secret=grant.secret_id, app=connection.app_name, why=why)

    def log_in(self, connection: AppConnection, hello: protocol.Hello) -> Grant | Refusal:
        """The secret's grant, or why not."""
        who = Newcomer(connection_id=connection.id, app_name=connection.app_name, address=connection.address)
        return self._gatekeeper.check(hello, who, self._has_room)

    def _has_room(self, grant: Grant) -> bool:
        own = grant.limits.connections
        return self._logged_in < self._max_connections and not (own and self._of_secret[grant.secret_id] >= own)

    def logged_in(self, connection: AppConnection) -> None:
        """Told once the grant is set."""
        grant = connection.grant
        if grant is not None:
            del self._unknown[connection]
            self._logged_in += 1
            self._of_secret[grant.secret_id] += 1
            log.info("bridge_app_joined", secret=grant.secret_id, app=connection.app_name, version=connection.version)
            self.fanout.joined(connection)

    def caller(self, connection: AppConnection) -> Caller:
        """Who asks for an action. The grant is looked up live: a revoked secret's queued actions are not done."""
        grant = connection.grant
        secret_id, credential = ("", "") if grant is None else (grant.secret_id, grant.credential)
        return Caller(
            connection_id=connection.id,
            app_name=connection.app_name,
            secret_id=secret_id,
            address=connection.address,
            grant=lambda: self._gatekeeper.current(secret_id, credential),
        )

    @property
    def apps(self) -> Sequence[AppConnection]:
        """Connections that have logged in."""
        return [one for one in self._connections if one.grant is not None and not one.closing]

    # --- scopes ---

    def intents(self) -> frozenset[str]:
        """What the platforms have granted the bot, over all channels."""
        return frozenset().union(*(channel.app_intents() for channel in self._channels.values()))

    def granted_events(self, grant: Grant) -> frozenset[str]:
        """The events that the secret allows and the bot can see."""
        have = {name: channel.app_intents() for name, channel in self._channels.items()}
        return frozenset(
            name
            for name in grant.events
            if (intents := have.get(self.catalogue.channel_of(name))) is not None
            and (not self.catalogue.events[name].intent or self.catalogue.events[name].intent in intents)
        )

    def capabilities(self, grant: Grant) -> dict[str, list[str]]:
        """What the wire tells of a grant, in the catalogue's order."""
        events = self.granted_events(grant)
        actions = {name for name in grant.actions if self.catalogue.channel_of(name) in self._channels}
        return {
            "events": [name for name in self.catalogue.events if name in events],
            "actions": [name for name in self.catalogue.actions if name in actions],
        }

    def _scopes_changed(self) -> None:
        """A secret was added, changed, revoked or has expired: act on every connection of it."""
        for connection in list(self._connections):
            grant = connection.grant
            if grant is None or connection.closing:
                continue
            now = self._gatekeeper.current(grant.secret_id, grant.credential)
            if now is None:
                connection.close(Close.BAD_SECRET, "The secret was revoked.", why="revoked")
            elif now != grant:
                self._rescope(connection, grant, now)
        self.fanout.listen_anew()

    def _rescope(self, connection: AppConnection, before: Grant, grant: Grant) -> None:
        """Limits of place and of number hold at once; an app is told when it may do other things than before."""
        connection.grant = grant
        if (before.events, before.actions) == (grant.events, grant.actions):
            return
        events = self.granted_events(grant)
        for pair in connection.filters:
            if pair[0] not in events:
                connection.forget(pair)
                self.fanout.unsubscribed(connection, [pair])
        if connection.version >= 3:
            connection.send("scope", {"capabilities": self.capabilities(grant)})
        else:  # version 2 cannot be told: it negotiates anew
            connection.close(Close.RESTART, "The scope of the secret changed.", why="scope_changed")

    # --- the clock ---

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self._gatekeeper.tick()
            now = self.monotonic()
            for connection in list(self._connections):
                if connection.grant is not None:
                    self._gatekeeper.used(connection.grant.secret_id)
                connection.tick(now)
            self.fanout.tick()

    # --- noted ---

    def slow_reader(self, connection: AppConnection) -> None:
        log.warning("bridge_app_slow", secret=self._who(connection), app=connection.app_name)

    def lost(self, connection: AppConnection) -> None:
        log.warning("bridge_app_silent", secret=self._who(connection), app=connection.app_name)

    def subscriptions_refused(self, connection: AppConnection, refused: Sequence[Mapping[str, str]]) -> None:
        for code, count in Counter(one["code"] for one in refused).items():
            self._meter.count("phantom_bridge_subscriptions_refused_total", count, code=code)
        log.warning(
            "bridge_subscription_refused",
            secret=self._who(connection),
            count=len(refused),
            code=refused[0]["code"],
            wanted=sorted({one["name"] for one in refused if one["name"] in self.catalogue.events}),
        )

    def unknown_frame(self, connection: AppConnection) -> None:
        self._meter.count("phantom_bridge_frames_ignored_total")

    def _who(self, connection: AppConnection) -> str:
        return "" if connection.grant is None else connection.grant.secret_id
