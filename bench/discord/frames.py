"""MESSAGE_CREATE frames as the gateway sends them, prepared in advance and pumped at full speed into one connection.

They continue the connection's zlib stream with a compressor of their own: deflate refers back to its own output only,
so the fake must send nothing more on that connection (hence the slow heartbeat in `rig.py`).
"""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from typing import Any

import orjson

from bench.load import TEXT
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.gateway_session import Connection, Session
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.payloads import message_event

CHANNELS, PEOPLE = 40, 200
_EPOCH_MS = 1_420_070_400_000
_HIGH_WATER = 1 << 20


class Pump:
    """The fake's one gateway connection, and people who talk in its server. Make it before the client connects."""

    def __init__(self, fake: FakeDiscord) -> None:
        self._fake = fake
        self._people = [fake.add_user(f"person{number}") for number in range(PEOPLE)]
        self._channels = [fake.add_channel(f"channel{number}") for number in range(CHANNELS)]
        self._deflate: Any = None
        self._connection: Connection | None = None
        self._sequence = 0
        self._snowflake = 0

    def attach(self) -> None:
        """Take over the newest connection, which has been sent everything that it gets from the fake."""
        session: Session = list(self._fake.gateway.sessions.values())[-1]
        if session.connection is None:
            raise RuntimeError("nobody is connected")
        self._connection, self._sequence = session.connection, session.seq
        self._deflate = zlib.compressobj(wbits=-15)
        self._snowflake = (int(time.time() * 1000) - _EPOCH_MS) << 22

    def frames(self, count: int, *, mention: bool = False) -> list[bytes]:
        """New messages as WebSocket frames (1.0 KB each before compression): talk among people with now and then a
        reply or a mention of somebody else, or (`mention`) questions to the bot.
        """
        return [self._frame(number, mention=mention) for number in range(count)]

    async def send(self, frames: list[bytes]) -> None:
        """Write all frames as fast as they are taken. Never sleeps while there is something to write."""
        connection = self._connection
        transport = connection.request.transport if connection is not None else None
        if transport is None:
            raise RuntimeError("the connection is gone")
        for start in range(0, len(frames), 64):
            while transport.get_write_buffer_size() > _HIGH_WATER:  # noqa: ASYNC110 - it tells aiohttp only
                await asyncio.sleep(0)
            transport.write(b"".join(frames[start : start + 64]))
            await asyncio.sleep(0)

    def _frame(self, number: int, *, mention: bool) -> bytes:
        self._sequence += 1
        self._snowflake += 1 << 12
        payload = self._message(number, mention=mention)
        frame = orjson.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": self._sequence, "d": payload})
        packed = self._deflate.compress(frame) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        size = struct.pack(">B", len(packed)) if len(packed) < 126 else struct.pack(">BH", 126, len(packed))
        return b"\x82" + size + bytes(packed)

    def _message(self, number: int, *, mention: bool) -> dict[str, Any]:
        fake, people = self._fake, self._people
        author, channel = people[number % PEOPLE], self._channels[number % CHANNELS]
        message = FakeMessage(
            id=str(self._snowflake),
            channel_id=channel.id,
            guild_id=fake.guild.id,
            author=author,
            content=f"{fake.mention} {TEXT}" if mention else f"{TEXT} ({number})",
        )
        if mention:
            message.mentions = [fake.bot]
        elif number % 8 == 0:
            other = people[(number + 1) % PEOPLE]
            message.mentions, message.content = [other], f"{other.mention} {TEXT}"
        elif number % 8 == 1:
            message.type = 19
            message.reference = {"type": 0, "message_id": str(self._snowflake - 1), "channel_id": channel.id}
            message.replied_to = FakeMessage(
                id=str(self._snowflake - 1),
                channel_id=channel.id,
                guild_id=fake.guild.id,
                author=people[(number + 2) % PEOPLE],
                content=TEXT,
            )
        return message_event(fake.core.world, message)
