"""Discord's gateway, version 10, JSON, with `zlib-stream` or without: hello, identify, heartbeats, resume, dispatch.

Facts: docs.discord.com, "Gateway" and "Opcodes and Status Codes". What people do is in `happenings.py`; failures on
command are reached through `faults.py`. Not here: ETF, payload compression, voice.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from phantom.testing.fake_discord.application import MEMBERS as MEMBERS_INTENT
from phantom.testing.fake_discord.application import PRESENCES, PRIVILEGED
from phantom.testing.fake_discord.changes import Feed, GatewayChanged
from phantom.testing.fake_discord.gateway_session import (
    ACK,
    HEARTBEAT,
    HELLO,
    IDENTIFY,
    INVALID,
    MEMBERS,
    PRESENCE,
    RESUME,
    VOICE,
    Connection,
    EventSent,
    Identify,
    Resume,
    Session,
)  # fmt: skip
from phantom.testing.fake_discord.intents import GUILDS, KNOWN, seen, wanted
from phantom.testing.fake_discord.model import JSON, FakeChannel, FakeGuild
from phantom.testing.fake_discord.payloads import guild_create, member_chunks, ready
from phantom.testing.fake_discord.world import World

IDENTIFY_PACE = 5.0
"""Seconds in which one identify is allowed for each of the `max_concurrency` groups of shards."""


class Gateway:
    """The gateway's side. `heartbeat_interval` in seconds; `buffer` is how many events a session keeps for RESUME.

    `paced`: answer op 9 to an identify within so many seconds of another of its group (Discord's are five), or 0.
    `on_event` is told of every event for the app, also of those that reach nobody.
    """

    def __init__(self, world: World, feed: Feed, *, heartbeat_interval: float = 41.25, buffer: int = 1000) -> None:
        self.url = ""
        self.world = world
        self.heartbeat_interval = heartbeat_interval
        self.buffer = buffer
        self.paced = 0.0
        self.refusing = False
        self.silent_hello = False
        self.refused_resumes = 0
        self.connections: list[Connection] = []
        self.sessions: dict[str, Session] = {}
        self.identifies: list[Identify] = []
        self.resumes: list[Resume] = []
        self.presences: list[JSON] = []
        self.closes: list[int | None] = []
        self.on_event: Callable[[EventSent], None] | None = None
        self._feed = feed
        self._last_identify: dict[int, float] = {}

    def dispatch(self, event: str, data: JSON, *, guild_id: str | None, channel: FakeChannel | None) -> None:
        """Send an event to every session whose shard, intents and view of the channel let it through."""
        me = self.world.bot.id
        if channel is not None and not self.world.bot_sees(channel):
            return
        reached = []
        for session in self.sessions.values():
            if session.owns(guild_id) and wanted(event, data, session.intents, me):
                session.dispatch(event, seen(event, data, session.intents, me))
                reached.append(session.listening)
        if self.on_event is not None:
            sent = sum(reached)
            self.on_event(EventSent(event=event, data=data, sent=sent, kept=len(reached) - sent))

    @property
    def live(self) -> int:
        """How many sessions have a connection now."""
        return sum(one.connection is not None for one in self.sessions.values())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection, for as long as it lives."""
        if self.refusing:
            return web.Response(status=503)
        ws = web.WebSocketResponse(max_msg_size=1 << 20, compress=False)
        await ws.prepare(request)
        connection = Connection(ws, request, compress=request.query.get("compress") == "zlib-stream")
        self.connections.append(connection)
        self._publish("connected", connection)
        writer = asyncio.create_task(connection.write())
        try:
            if request.query.get("v") not in ("9", "10") or request.query.get("encoding", "json") != "json":
                self._refuse(connection, 4012)
            elif not self.silent_hello:
                self._hello(connection)
            await self._read(connection)
        finally:
            self._gone(connection)
            if connection.closed_with is not None and not ws.closed:
                await asyncio.wait([writer], timeout=1.0)
            writer.cancel()
        return ws

    async def close(self) -> None:
        """End every connection."""
        for connection in list(self.connections):
            connection.abort()

    # from the client

    async def _read(self, connection: Connection) -> None:
        async for message in connection.ws:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            if connection.zombie or connection.refused is not None:
                continue
            try:
                frame = orjson.loads(message.data)
                op = frame["op"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                self._refuse(connection, 4002)
                continue
            self._received(connection, op, frame.get("d"))

    def _received(self, connection: Connection, op: Any, data: Any) -> None:
        if op == HEARTBEAT:
            connection.heartbeats += 1
            if not connection.unacked:
                connection.send({"op": ACK, "t": None, "s": None, "d": None})
        elif op not in (IDENTIFY, RESUME, MEMBERS, PRESENCE, VOICE):
            self._refuse(connection, 4001)
        elif op in (IDENTIFY, RESUME):
            self._begin(connection, op, data)
        elif connection.session is None:
            self._refuse(connection, 4003)
        elif op == MEMBERS and isinstance(data, dict):
            self._send_members(connection.session, data)
        elif op == PRESENCE and isinstance(data, dict):
            self.presences.append(data)

    def _begin(self, connection: Connection, op: int, data: Any) -> None:
        if connection.session is not None:
            self._refuse(connection, 4005)
        elif not isinstance(data, dict):
            self._refuse(connection, 4002)
        elif op == IDENTIFY:
            self._identify(connection, data)
        else:
            self._resume(connection, data)

    def _identify(self, connection: Connection, data: JSON) -> None:
        shard, shards = data.get("shard") or (0, 1)
        code = self._fault_in(data, shard, shards)
        intents = data.get("intents")
        identify = Identify(at=self.world.clock.now(), shard=shard, shards=shards, intents=_number(intents), code=code)
        self.identifies.append(identify)
        if code is not None:
            self._refuse(connection, code)
            return
        group = shard % self.world.app.max_concurrency
        now = self.world.clock.monotonic()
        if now - self._last_identify.get(group, -self.paced) < self.paced:
            connection.send({"op": INVALID, "t": None, "s": None, "d": False})
            return
        self._last_identify[group] = now
        self.world.app.session_limit -= 1
        session = Session(
            id=secrets.token_hex(16),
            shard=shard,
            shards=shards,
            intents=_number(intents),
            large_threshold=_number(data.get("large_threshold")) or 50,
            buffer=deque(maxlen=self.buffer),
            connection=connection,
        )
        self._forget_abandoned(shard)
        self.sessions[session.id] = session
        connection.session = session
        self._ready(session)
        self._publish("identified", connection)

    def _fault_in(self, data: JSON, shard: int, shards: int) -> int | None:
        """The close code that this IDENTIFY deserves."""
        app, intents = self.world.app, data.get("intents")
        if data.get("token") != app.token:
            return 4004
        if not (isinstance(shard, int) and isinstance(shards, int) and 0 <= shard < shards):
            return 4010
        if app.shards_required and shards < app.shards:
            return 4011
        if not isinstance(intents, int) or intents & ~KNOWN:
            return 4013
        return 4014 if intents & PRIVILEGED & ~app.granted else None

    def _ready(self, session: Session) -> None:
        world = self.world
        guilds = [one for one in world.guilds.values() if world.bot.id in one.members and session.owns(one.id)]
        shard = [session.shard, session.shards]
        session.dispatch("READY", ready(world, guilds, session_id=session.id, shard=shard, resume_url=self.url))
        if session.intents & GUILDS:
            for guild in guilds:
                self._show_guild(session, guild)

    def _show_guild(self, session: Session, guild: FakeGuild) -> None:
        if guild.unavailable:
            return
        everybody = bool(session.intents & PRESENCES)
        data = guild_create(self.world, guild, everybody=everybody, large_threshold=session.large_threshold)
        session.dispatch("GUILD_CREATE", data)

    def _resume(self, connection: Connection, data: JSON) -> None:
        if data.get("token") != self.world.app.token:
            self._refuse(connection, 4004)
            return
        session = self.sessions.get(str(data.get("session_id")))
        seq = _number(data.get("seq"))
        missed = session.missed_since(seq) if session and self.refused_resumes <= 0 else None
        made = Resume(
            at=self.world.clock.now(),
            session=str(data.get("session_id")),
            seq=seq,
            replayed=len(missed or ()),
            accepted=missed is not None,
        )
        self.resumes.append(made)
        if session is None or missed is None:
            self.refused_resumes = max(0, self.refused_resumes - 1)
            self.sessions.pop(made.session, None)
            connection.send({"op": INVALID, "t": None, "s": None, "d": False})
            return
        if session.connection is not None:
            session.connection.session = None
            session.connection.close(4000)
        session.connection, connection.session = connection, session
        for frame in missed:
            connection.send_encoded(frame)
        session.dispatch("RESUMED", {"_trace": []})
        self._publish("resumed", connection)

    def _send_members(self, session: Session, data: JSON) -> None:
        guild = self.world.guilds.get(str(data.get("guild_id")))
        if guild is None or not session.owns(guild.id):
            return
        # Without the members intent only people asked for by id are told of.
        if data.get("user_ids") is not None or session.intents & MEMBERS_INTENT:
            for chunk in member_chunks(guild, data):
                session.dispatch("GUILD_MEMBERS_CHUNK", chunk)

    # connections

    def _hello(self, connection: Connection) -> None:
        interval = int(self.heartbeat_interval * 1000)
        connection.send({"op": HELLO, "t": None, "s": None, "d": {"heartbeat_interval": interval, "_trace": []}})

    def _refuse(self, connection: Connection, code: int) -> None:
        connection.refused = code
        connection.close(code)
        self._publish("refused", connection, code)

    def _gone(self, connection: Connection) -> None:
        self.connections.remove(connection)
        code, session = connection.closed_with or connection.ws.close_code, connection.session
        self.closes.append(code)
        if session is not None and session.connection is connection:
            session.connection = None
            # A client that says 1000 or 1001 ends its session; any other end leaves it to be resumed.
            if code in (1000, 1001):
                self.sessions.pop(session.id, None)
        self._publish("disconnected", connection, code)

    def _forget_abandoned(self, shard: int) -> None:
        """A new identify of a shard leaves at most the newest abandoned session of it to be resumed."""
        old = [one.id for one in self.sessions.values() if one.shard == shard and one.connection is None]
        for number in old[:-1]:
            del self.sessions[number]

    def _publish(self, what: str, connection: Connection, code: int | None = None) -> None:
        self._feed.publish(GatewayChanged(what=what, shard=connection.shard, open=len(self.connections), code=code))


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
