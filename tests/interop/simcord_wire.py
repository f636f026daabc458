"""simcord, a Discord that somebody else wrote, put on the wire: its world and its rules behind HTTP and a gateway.

simcord itself runs a bot in its own process, with discord.py's client and the event loop replaced. Here none of that is
used, only what it knows of Discord: the world, the checks of each REST route, the payloads and which intent buys which
event. So the daemon that is tested is the real one, in a process of its own, and its bytes are real. What simcord does
not model (`gaps`) is answered 501, but for three routes that it never meets in its own process.
"""

from __future__ import annotations

import asyncio
import copy
import io
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import discord
import orjson
from aiohttp import BodyPartReader, WSMsgType, web
from simcord import intents as rules
from simcord.backend import Backend, serializers
from simcord.backend.errors import BackendError
from simcord.backend.models import Message, User
from simcord.http import client as _client  # noqa: F401 - registers the routes
from simcord.http.router import RouteNotImplemented, UnsupportedField, dispatch
from simcord.interactions import base_payload

TOKEN = "MTE.simcord." + "x" * 40
T = TypeVar("T")


@dataclass
class Upload:
    """What simcord reads of an uploaded file."""

    filename: str
    fp: io.BytesIO
    description: str | None = None


@dataclass
class Socket:
    """One gateway connection, identified."""

    ws: web.WebSocketResponse
    squeeze: Any
    intents: discord.Intents
    sent: int = 0
    queue: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)


class SimcordServer:
    """One world with one guild, its channel `general` and the person `alice`."""

    def __init__(self) -> None:
        self.backend = Backend()
        # simcord's time stands still in its own year; ids carry it, and Phantom looks at how old they are.
        self.backend.clock.elapsed = time.time() - datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        self.gaps: list[str] = []
        self.refusals: list[str] = []
        self.changed = asyncio.Condition()
        self.alice: User = self.backend.make_user("alice")
        self.guild = self.backend.create_guild("Acme", owner_id=self.alice.id)
        self.general = self.backend.create_channel(self.guild.id, "general")
        self._sockets: list[Socket] = []
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.backend.subscribers.append(self._announce)

    @property
    def api_url(self) -> str:
        """For DISCORD_API_BASE_URL."""
        return f"http://127.0.0.1:{self._port}/api/v10"

    @property
    def mention(self) -> str:
        return f"<@{self.backend.bot_user.id}>"

    def post(self, text: str, *, channel: int | None = None, reply_to: Message | None = None) -> Message:
        """alice writes."""
        place = channel or self.general.id
        reference = None if reply_to is None else {"channel_id": str(place), "message_id": str(reply_to.id)}
        self.backend.clock.elapsed += 0.001
        return self.backend.create_message(place, self.alice.id, text, reference=reference)

    def said(self, channel: int | None = None) -> list[Message]:
        """What the bot wrote there, oldest first."""
        found = self.backend.messages[channel or self.general.id].values()
        return [one for one in found if one.author_id == self.backend.bot_user.id]

    def interact(self, kind: int, data: dict[str, Any], **more: Any) -> Any:
        """alice uses a command (2) or a component (3); the record tells what became of it."""
        record, payload = base_payload(
            self.backend,
            type=kind,
            channel_id=self.general.id,
            guild_id=self.guild.id,
            user_id=self.alice.id,
            data=data,
        )
        self.backend.emit("INTERACTION_CREATE", payload | more)
        return record

    def press(self, message: Message, index: int) -> Any:
        """alice presses a button of the message's first row."""
        button = message.components[0]["components"][index]
        data = {"custom_id": button["custom_id"], "component_type": 2}
        return self.interact(3, data, message=self.payload(message))

    def payload(self, message: Message) -> dict[str, Any]:
        """A message as Discord would send it."""
        return dict(serializers.message_payload(self.backend, message))

    async def until(self, holds: Callable[[], T | None], within: float = 60.0) -> T:
        """Wait until the world is so."""
        async with asyncio.timeout(within), self.changed:
            while not (found := holds()):
                await self.changed.wait()
        return found

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 << 20)
        app.router.add_get("/gateway", self._gateway)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for socket in self._sockets:
            await socket.ws.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- REST ---

    async def _rest(self, request: web.Request) -> web.Response:
        body, files = await _read(request)
        path = "/" + request.match_info["path"]
        own = self._not_modelled(request.method, path)
        try:
            answer = own or dispatch(
                self.backend, request.method, path, json=body, params=dict(request.query), files=files
            )
        except (RouteNotImplemented, UnsupportedField) as error:
            self.gaps.append(str(error))
            return web.json_response({"message": "not modelled", "code": 0}, status=501)
        except BackendError as error:
            self.refusals.append(f"{request.method} {path}: {error.status} {error.code}")
            return web.json_response(error.to_json(), status=error.status)
        finally:
            async with self.changed:
                self.changed.notify_all()
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    def _not_modelled(self, method: str, path: str) -> Any:
        if (method, path) == ("GET", "/gateway/bot"):
            limits = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 1}
            return {"url": f"ws://127.0.0.1:{self._port}/gateway", "shards": 1, "session_start_limit": limits}
        if (method, path) == ("GET", "/applications/@me"):
            return {"id": str(self.backend.application_id), "name": "bot", "verify_key": "0" * 64, "flags": 1 << 19}
        return None

    # --- gateway ---

    async def _gateway(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        squeeze = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        socket = Socket(ws, squeeze, discord.Intents.none())
        await self._frame(socket, {"op": 10, "d": {"heartbeat_interval": 41_250}})
        pump: asyncio.Task[None] | None = None
        async for frame in ws:
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            said = orjson.loads(frame.data)
            if said["op"] == 1:
                await self._frame(socket, {"op": 11})
            elif said["op"] == 2:
                socket.intents = discord.Intents._from_value(said["d"]["intents"])
                self._identified(socket, said["d"].get("shard") or [0, 1])
                pump = asyncio.create_task(self._pump(socket))
        if pump is not None:
            pump.cancel()
        return ws

    def _identified(self, socket: Socket, shard: list[int]) -> None:
        backend = self.backend
        ready = {
            "v": 10,
            "user": dict(serializers.user_payload(backend.bot_user)),
            "guilds": [{"id": str(one), "unavailable": True} for one in backend.guilds],
            "session_id": "simcord",
            "resume_gateway_url": f"ws://127.0.0.1:{self._port}/gateway",
            "shard": shard,
            "application": {"id": str(backend.application_id), "flags": 1 << 19},
        }
        socket.queue.put_nowait(("READY", ready))
        for guild in backend.guilds.values():
            socket.queue.put_nowait(("GUILD_CREATE", dict(serializers.guild_create_payload(backend, guild))))
        self._sockets.append(socket)

    def _announce(self, event: str, payload: Mapping[str, Any]) -> None:
        """simcord's event, to whom its intents buy it."""
        gate = rules.required_intent(event, payload)
        for socket in self._sockets:
            if gate is None or getattr(socket.intents, gate):
                shown = copy.deepcopy(dict(payload))
                if not socket.intents.message_content and event in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
                    rules.censor_message(shown, self.backend.bot_user.id, backend=self.backend)
                socket.queue.put_nowait((event, shown))

    async def _pump(self, socket: Socket) -> None:
        while True:
            event, payload = await socket.queue.get()
            socket.sent += 1
            await self._frame(socket, {"op": 0, "s": socket.sent, "t": event, "d": payload})

    async def _frame(self, socket: Socket, frame: Mapping[str, Any]) -> None:
        data = orjson.dumps(frame)
        if socket.squeeze is None:
            await socket.ws.send_str(data.decode())
        else:
            await socket.ws.send_bytes(socket.squeeze.compress(data) + socket.squeeze.flush(zlib.Z_SYNC_FLUSH))


async def _read(request: web.Request) -> tuple[Any, list[Upload]]:
    if not request.content_type.startswith("multipart/"):
        raw = await request.read()
        return (orjson.loads(raw) if raw else None), []
    body: Any = None
    files: list[Upload] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        data = await part.read(decode=True)
        if part.name == "payload_json":
            body = orjson.loads(data)
        else:
            files.append(Upload(part.filename or "file", io.BytesIO(data)))
    return body, files
