"""The process that is Discord for both contestants: one FakeDiscord each, so that neither hears the other's events.

    python -m bench.bridge.stage PLACES

Prints one JSON line a Discord, then takes commands on stdin, one a line: `BURST WHICH COUNT` writes so many messages at
once, `PACED WHICH COUNT PER_SECOND` one after another. Each message ends in `t=` and the time of its writing.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
import zlib
from typing import Any

import orjson
import uvloop

from bench.process import CLIENT_CORE, pin
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.gateway_session import Connection, Session
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.payloads import message_event

PEOPLE, CHANNELS = 200, 40
HEARTBEAT = 7200.0
"""Seconds: nothing but what is measured."""
_EPOCH_MS = 1_420_070_400_000
_WORDS = "did anyone see the numbers of last week, they look odd to me in the second half of the table. "
_NUMBER, _NAME, _TIME = b'"s":9999999', b'"id":"8888888888888888888"', b"t=7777777777777777777"


class Speaker:
    """People who talk in one Discord's server: what they say is written into the gateway connection as frames, past the
    fake's own bookkeeping but through its compressor, so that its other events still fit in between.
    """

    def __init__(self, fake: FakeDiscord) -> None:
        self._fake = fake
        people = [fake.add_user(f"person{number}") for number in range(PEOPLE)]
        channels = [fake.add_channel(f"channel{number}") for number in range(CHANNELS)]
        self.channels = [channel.id for channel in channels]
        self._said = [self._template(people[number], channels[number % CHANNELS].id) for number in range(PEOPLE)]
        self._count = 0
        self._snowflake = (int(time.time() * 1000) - _EPOCH_MS) << 22

    def _template(self, author: Any, channel: str) -> bytes:
        message = FakeMessage(
            id="8888888888888888888",
            channel_id=channel,
            guild_id=self._fake.guild.id,
            author=author,
            content=f"{_WORDS}{_TIME.decode()}",
        )
        data = message_event(self._fake.core.world, message)
        return orjson.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": 9_999_999, "d": data})

    def say(self, count: int) -> None:
        """Write `count` messages at once."""
        session = list(self._fake.gateway.sessions.values())[-1]
        connection = session.connection
        if connection is None or connection.request.transport is None:
            raise RuntimeError("nobody is connected")
        connection.request.transport.write(b"".join(self._frame(session, connection) for _ in range(count)))

    def _frame(self, session: Session, connection: Connection) -> bytes:
        self._count += 1
        self._snowflake += 1 << 12
        session.seq += 1
        said = self._said[self._count % PEOPLE].replace(_NUMBER, b'"s":%d' % session.seq)
        said = said.replace(_NAME, b'"id":"%d"' % self._snowflake).replace(_TIME, b"t=%019d" % time.perf_counter_ns())
        packer: Any = connection._deflate
        if packer is None:
            return _framed(0x81, said)
        return _framed(0x82, packer.compress(said) + packer.flush(zlib.Z_SYNC_FLUSH))


def _framed(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    head = struct.pack(">BB", kind, size) if size < 126 else struct.pack(">BBH", kind, 126, size)
    return head + payload


def quiet() -> FakeDiscord:
    """A Discord that limits nobody and keeps no account of what is right."""
    fake = FakeDiscord(heartbeat_interval=HEARTBEAT)
    fake._rest._description = None  # checking each request against Discord's description would be what is measured
    return fake


async def main(places: int) -> None:
    fakes = [quiet() for _ in range(places)]
    for fake in fakes:
        await fake.start()
        fake.faults.limit("create_message", 1_000_000, per=1.0)
    speakers = [Speaker(fake) for fake in fakes]
    for fake, speaker in zip(fakes, speakers, strict=True):
        print(json.dumps({"url": fake.url, "token": fake.token, "channels": speaker.channels}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        speaker, count = speakers[int(line[1])], int(line[2])
        if line[0] == "BURST":
            speaker.say(count)
        elif line[0] == "PACED":
            await _paced(speaker, count, float(line[3]))
        fakes[int(line[1])].calls.clear()
    for fake in fakes:
        await fake.stop()


async def _paced(speaker: Speaker, count: int, per_second: float) -> None:
    began = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        speaker.say(1)


if __name__ == "__main__":
    pin(CLIENT_CORE)
    uvloop.run(main(int(sys.argv[1])))
