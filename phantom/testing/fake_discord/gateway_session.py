"""One gateway session and one gateway connection: sequence numbers, the replay buffer, compression, the writing task.

A session outlives its connections; a connection belongs to no session until it has identified or resumed.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from phantom.testing.fake_discord.model import JSON

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Identify:
    """One IDENTIFY that was made. `code` is the close code when it was refused."""

    at: float
    shard: int
    shards: int
    intents: int
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """One RESUME. `replayed` counts the events sent again; `accepted` is false when it was answered by op 9."""

    at: float
    session: str
    seq: int
    replayed: int
    accepted: bool


class Connection:
    """One socket. `zombie`: open, but silent; `unacked`: heartbeats are not acked, events still come.

    `refused`: a protocol error, nothing more is read; `closed_with`: the code of our close frame.
    """

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, *, compress: bool) -> None:
        self.ws = ws
        self.request = request
        self.session: Session | None = None
        self.zombie = False
        self.unacked = False
        self.heartbeats = 0
        self.refused: int | None = None
        self.closed_with: int | None = None
        self._deflate = zlib.compressobj() if compress else None
        self._frames: asyncio.Queue[str | bytes | int] = asyncio.Queue()

    @property
    def shard(self) -> int:
        """Of its session; -1 before that."""
        return self.session.shard if self.session else -1

    def send(self, frame: JSON) -> None:
        """Queue one frame."""
        self.send_encoded(orjson.dumps(frame))

    def send_encoded(self, payload: bytes) -> None:
        """Queue one frame that is JSON already (or, on command, is not)."""
        if not self.zombie:
            self._frames.put_nowait(payload)

    def send_unframed(self, data: bytes | str) -> None:
        """Queue bytes or text past compression, exactly as given."""
        self._frames.put_nowait(_Raw(data) if isinstance(data, bytes) else data)

    def close(self, code: int) -> None:
        """Queue the close frame."""
        self.closed_with = code
        self._frames.put_nowait(code)

    def abort(self) -> None:
        """Cut the TCP connection without a close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def write(self) -> None:
        """Send what is queued until a close code is."""
        try:
            while True:
                frame = await self._frames.get()
                if isinstance(frame, int):
                    await self.ws.close(code=frame)
                    return
                if isinstance(frame, str):
                    await self.ws.send_str(frame)
                elif isinstance(frame, _Raw):
                    await self.ws.send_bytes(bytes(frame))
                elif self._deflate is None:
                    await self.ws.send_str(frame.decode())
                else:
                    packed = self._deflate.compress(frame) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    await self.ws.send_bytes(packed)
        except ConnectionError:
            return


class _Raw(bytes):
    """Bytes that are not to be compressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSent:
    """An event for the app: `sent` sessions got it at once, `kept` keep it for a RESUME as nobody listens there."""

    event: str
    data: JSON = field(repr=False)
    sent: int
    kept: int


@dataclass(slots=True, eq=False)
class Session:
    """What one IDENTIFY made. `buffer` holds the last events for RESUME, as (sequence number, frame)."""

    id: str
    shard: int
    shards: int
    intents: int
    large_threshold: int
    buffer: deque[tuple[int, bytes]] = field(repr=False)
    connection: Connection | None = None
    seq: int = 0
    sent: dict[str, int] = field(default_factory=dict)

    @property
    def listening(self) -> bool:
        """Whether what is sent now arrives: somebody is connected, and not to a zombie."""
        return self.connection is not None and not self.connection.zombie

    def dispatch(self, event: str, data: JSON) -> None:
        """Number the event, keep it for RESUME, and send it when somebody is connected."""
        self.seq += 1
        frame = orjson.dumps({"op": DISPATCH, "t": event, "s": self.seq, "d": data})
        self.buffer.append((self.seq, frame))
        self.sent[event] = self.sent.get(event, 0) + 1
        if self.connection is not None:
            self.connection.send_encoded(frame)

    def missed_since(self, seq: int) -> list[bytes] | None:
        """The frames after `seq`; None when the buffer does not reach back so far, or `seq` was never sent."""
        if seq > self.seq:
            return None
        oldest = self.buffer[0][0] if self.buffer else self.seq + 1
        if seq + 1 < oldest:
            return None
        return [frame for number, frame in self.buffer if number > seq]

    def owns(self, guild_id: str | None) -> bool:
        """Whether events of this guild (None: of a DM) come over this shard."""
        return self.shard == (0 if guild_id is None else (int(guild_id) >> 22) % self.shards)
