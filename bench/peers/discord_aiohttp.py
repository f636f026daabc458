"""An interactions endpoint as the guides have it: aiohttp, Ed25519, the deferred answer. It keeps nothing."""

from __future__ import annotations

import sys

import orjson
import uvloop
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY = web.AppKey("KEY", Ed25519PublicKey)


async def handle(request: web.Request) -> web.Response:
    body = await request.read()
    signature = request.headers.get("X-Signature-Ed25519", "")
    stamp = request.headers.get("X-Signature-Timestamp", "")
    try:
        request.app[KEY].verify(bytes.fromhex(signature), stamp.encode() + body)
    except (InvalidSignature, ValueError):
        return web.Response(status=401)
    kind = orjson.loads(body)["type"]
    answer = {"type": 1} if kind == 1 else {"type": 6} if kind == 3 else {"type": 5}
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


def main() -> None:
    uvloop.install()
    app = web.Application(client_max_size=1 << 21)
    app[KEY] = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[2]))
    app.router.add_post("/discord/interactions", handle)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
