"""A bare asyncio protocol on uvloop and httptools that verifies Ed25519 and answers deferred: nothing is kept."""

from __future__ import annotations

import asyncio
import sys

import httptools
import orjson
import uvloop
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NO = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


def _ok(kind: int) -> bytes:
    return b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"type":%d}' % kind


class Bare(asyncio.Protocol):
    """One connection."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
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
        signature = self._headers.get(b"x-signature-ed25519", b"")
        try:
            self._key.verify(
                bytes.fromhex(signature.decode()), self._headers.get(b"x-signature-timestamp", b"") + self._body
            )
        except (InvalidSignature, ValueError):
            self._transport.write(NO)
            return
        kind = orjson.loads(self._body)["type"]
        self._transport.write(_ok(1 if kind == 1 else 6 if kind == 3 else 5))


async def main() -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[2]))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Bare(key), "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
