"""A bare asyncio protocol on uvloop and httptools that verifies the signature and answers 200: nothing is kept."""

from __future__ import annotations

import asyncio
import hmac
import sys

import httptools
import uvloop

from bench.load import SECRET

KEY = SECRET.encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NO = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


class Bare(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers = {}
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk

    def on_message_complete(self) -> None:
        get = self._headers.get
        text = get(b"x-phantom-forwarded-at", b"") + b":" + get(b"x-phantom-slack-event-id", b"") + b":" + self._body
        good = hmac.compare_digest(
            b"v1=" + hmac.digest(KEY, text, "sha256").hex().encode(), get(b"x-phantom-signature", b"")
        )
        self._transport.write(OK if good else NO)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
