"""A port of the bridge's own, with or without TLS: the daemon's fast lane with no posts of its own behind it.

What does *not* live here: the daemon's shared port (`phantom/webapp.py`), the certificate's files (`tls.py`).
"""

from __future__ import annotations

import asyncio
import ssl

from aiohttp import web

from phantom.bridge.websocket import Endpoint
from phantom.errors import ConfigError
from phantom.http_connection import connections, runner
from phantom.ingress import FastLane

HANDSHAKE_SECONDS = 10.0


class Listener:
    """`open`, then `port` is where it listens; `aclose` at the end."""

    def __init__(self, endpoint: Endpoint) -> None:
        app = web.Application(client_max_size=1024)
        endpoint.mount(app)
        self._runner = runner(app)
        self._connections: set[FastLane] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Bind and serve. Raises `ConfigError` when the address is taken or not ours."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp runner has no server after setup")
        loop = asyncio.get_running_loop()
        fallback = connections(server)
        try:
            self._server = await loop.create_server(
                lambda: FastLane({}, fallback, loop, self._connections),
                host,
                port,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if context is not None else None,
                backlog=1024,
            )
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                where="PHANTOM_BRIDGE_PORT",
                hint="set PHANTOM_BRIDGE_HOST and PHANTOM_BRIDGE_PORT to a free address of this machine",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """No new connections."""
        if self._server is not None:
            self._server.close()

    async def aclose(self) -> None:
        """Close everything."""
        self.stop_listening()
        for connection in list(self._connections):
            connection.shut()
        await self._runner.cleanup()
