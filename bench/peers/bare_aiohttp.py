"""An aiohttp handler that reads the body and answers 200: no signature, no journal, nothing."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web


async def handle(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


def main() -> None:
    uvloop.install()
    app = web.Application(client_max_size=1 << 21)
    app.router.add_post("/slack/events", handle)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
