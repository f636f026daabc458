"""discord.py as it comes: a `Client` with its default settings and an `on_message` that counts. It keeps nothing.

    python -m bench.peers.discord_client PORT API_URL GATEWAY_URL TOKEN LOOP

Listens on PORT once it is ready (LOOP: `uvloop`, or `asyncio` as discord.py itself would). Whoever connects may send a
number in a line and gets a line back as soon as that many messages were counted.
"""

from __future__ import annotations

import asyncio
import sys

import discord
import discord.gateway
import discord.http
import uvloop
import yarl


class Counting(discord.Client):
    """Counts messages."""

    def __init__(self, port: int) -> None:
        wanted = discord.Intents.default()
        wanted.message_content = True
        super().__init__(intents=wanted)
        self._port = port
        self._server: asyncio.Server | None = None
        self._waiting: dict[int, asyncio.Event] = {}
        self.counted = 0

    async def on_ready(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._tell, "127.0.0.1", self._port)

    async def on_message(self, message: discord.Message) -> None:
        self.counted += 1
        if self.counted in self._waiting:
            self._waiting[self.counted].set()

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            reached = self._waiting[int(line)] = asyncio.Event()
            if self.counted < int(line):
                await reached.wait()
            del self._waiting[int(line)]
            writer.write(b"there\n")
        writer.close()


async def main(port: int, token: str) -> None:
    async with Counting(port) as client:
        await client.start(token)


if __name__ == "__main__":
    discord.http.Route.BASE = sys.argv[2]
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(sys.argv[3])
    work = main(int(sys.argv[1]), sys.argv[4])
    if sys.argv[5] == "uvloop":
        uvloop.run(work)
    else:
        asyncio.run(work)
