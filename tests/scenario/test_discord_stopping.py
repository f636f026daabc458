"""The end of a gateway run at an awkward moment: nothing of discord.py's outlives it, and nobody is waited for long."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import threading
from pathlib import Path

import aiohttp
import pytest
from discord.gateway import KeepAliveHandler

from channels.discord.gateway_socket import WatchedSocket
from phantom.testing.fake_discord import FakeDiscord
from tests.scenario.discord_kit import wired


def heartbeats() -> set[KeepAliveHandler]:
    """The threads of discord.py that send heartbeats."""
    return {thread for thread in threading.enumerate() if isinstance(thread, KeepAliveHandler)}


async def test_no_heartbeat_outlives_a_stop_between_hello_and_identify(tmp_path: Path) -> None:
    """Its thread would send the next one to a loop that is closed by then."""
    others = heartbeats()
    async with FakeDiscord() as fake, wired(tmp_path, fake) as wire:
        task = asyncio.create_task(wire.channel.run(wire.inbox, ready := asyncio.Event()))
        await asyncio.wait_for(ready.wait(), 30)
        before = heartbeats()
        fake.faults.invalidate_session()  # and the next identify waits for its turn
        await wire.until(lambda: heartbeats() - before)
        left = heartbeats() - others
        task.cancel()
        await asyncio.wait((task,), timeout=30)
        for thread in left:
            await asyncio.to_thread(thread.join, 30)  # it may be waiting for this loop
            assert not thread.is_alive()


async def test_a_gateway_that_cannot_be_reached_is_a_warning_of_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeDiscord() as fake, wired(tmp_path, fake) as wire:
        fake.faults.refuse_gateway()
        task = asyncio.create_task(wire.channel.run(wire.inbox, asyncio.Event()))

        def told() -> list[logging.LogRecord]:
            return [one for one in caplog.records if one.name == "discord.shard"]

        await wire.until(told)
        task.cancel()
        await asyncio.wait((task,), timeout=30)
        for record in told():  # one for each attempt
            assert (record.levelname, record.exc_info) == ("WARNING", None)
            assert record.getMessage() == "Failed to connect for shard_id: 0. Retrying... WSServerHandshakeError"


class Free:
    """A journal that is never behind."""

    behind = False

    async def caught_up(self) -> None:
        """At once."""


async def test_a_peer_that_answers_no_goodbye_holds_up_nobody() -> None:
    hung_up = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324 - RFC 6455
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        await reader.read()
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, aiohttp.ClientSession() as session:
        timeout = aiohttp.ClientWSTimeout(ws_close=300.0)  # discord.py asks for 30
        plain = await session.ws_connect(f"http://{host}:{port}/", timeout=timeout)
        socket = WatchedSocket(plain, lambda: None, Free())
        async with asyncio.timeout(30):
            assert not await socket.close(code=1000)
            await hung_up.wait()
