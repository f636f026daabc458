"""The port of a daemon under test is its own while it is down, too."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

import pytest

from phantom.testing.daemon_process import kept_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a server cannot bind beside who keeps it")


class Owner:
    """Anything that a port is kept for."""


async def test_nobody_else_gets_a_port_that_is_kept() -> None:
    owner = Owner()
    port = kept_port(owner)
    for _ in range(2):  # its server comes, goes and comes again
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        async with server:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
    del owner
    gc.collect()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
