"""Serves the page, its WebSocket and the files of the workspace, to browsers on this machine only.

Every request must name this machine in `Host` (a foreign site that points its own name at 127.0.0.1 is refused), and
whatever changes something comes over a WebSocket or with a key from it, opened by this very page (`Origin`).
What does *not* live here: what requests do (`page_requests.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import WSMsgType, web

from phantom.dev import page_files
from phantom.dev.hub import Hub
from phantom.dev.page_requests import Requests
from phantom.dev.uploads import MAX_BYTES, SHOWN_INLINE, Uploads
from phantom.errors import ConfigError, PhantomError

JSON = dict[str, Any]
MAX_REQUEST = 256 * 1024
TRIES = 20
"""Ports after the wanted one that are tried."""


class PageServer:
    """`listen`, then `url`; `close` ends every page's connection."""

    def __init__(self, hub: Hub, uploads: Uploads, requests: Requests) -> None:
        self._hub = hub
        self._uploads = uploads
        self._requests = requests
        self._files = page_files.load()
        self._key = secrets.token_urlsafe(24)
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()
        self.host = ""
        self.port = 0

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    async def listen(self, host: str, port: int) -> None:
        """Serve at the first free port from `port` on. Raises `ConfigError`."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_BYTES)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/files", self._upload)
        app.router.add_get("/files/{side}/{id}", self._download)
        app.router.add_get("/{path:.*}", self._page)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await self._runner.setup()
        for offset in range(TRIES if port else 1):
            try:
                await web.TCPSite(self._runner, host, port + offset).start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE or port + offset == 65535:
                    raise ConfigError(f"cannot listen on {host}:{port + offset}", where="--port") from error
                continue
            self.host, self.port = host, self._runner.addresses[0][1]
            return
        raise ConfigError(
            f"ports {port} to {port + TRIES - 1} are all in use", where="--port", hint="choose another one with --port"
        )

    async def close(self) -> None:
        for socket in list(self._sockets):
            await socket.close(code=1001, message=b"phantom dev has ended")
        if self._runner is not None:
            await self._runner.cleanup()

    # --- who may ask ---

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.getall("Host", []) not in [[name] for name in self._names()]:
            return web.Response(status=421, text="This page is served to 127.0.0.1 and localhost only.\n")
        response = await handler(request)
        if not response.prepared:
            response.headers.update(page_files.PRIVATE)
        return response

    def _names(self) -> tuple[str, ...]:
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}", f"[::1]:{self.port}")

    def _same_origin(self, request: web.Request) -> bool:
        return request.headers.get("Origin") == f"http://{request.headers['Host']}"

    # --- files ---

    async def _page(self, request: web.Request) -> web.Response:
        file = self._files.get(request.path)
        if file is None:
            return web.Response(status=404, text="Nothing is here. The page is at /\n")
        headers = {
            "ETag": file.etag,
            "Cache-Control": "no-cache",
            "Content-Security-Policy": page_files.policy(self.port),
        }
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type})

    async def _upload(self, request: web.Request) -> web.Response:
        key = request.headers.get("X-Page-Key", "")
        if not self._same_origin(request) or not hmac.compare_digest(key.encode(), self._key.encode()):
            return web.Response(status=403, text="Only the page may upload.\n")
        data = await request.read()
        file = self._uploads.add(request.query.get("name", ""), data)
        return web.json_response({"id": file.id, "name": file.name, "size": len(data)})

    async def _download(self, request: web.Request) -> web.Response:
        file = self._requests.file(request.match_info["side"], request.match_info["id"])
        if file is None:
            return web.Response(status=404, text="There is no such file.\n")
        inline = file.media_type in SHOWN_INLINE
        disposition = "inline" if inline else "attachment"
        return web.Response(
            body=file.data,
            headers={
                "Content-Type": file.media_type if inline else "application/octet-stream",
                "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(file.name, safe='')}",
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "Cache-Control": "no-store",
            },
        )

    # --- the socket ---

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._same_origin(request):
            return web.Response(status=403, text="Only the page may connect.\n")
        socket = web.WebSocketResponse(max_msg_size=MAX_REQUEST, heartbeat=20, compress=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        queue = await self._hub.join()
        queue.put_nowait(orjson.dumps({"what": "key", "key": self._key}))
        writer = asyncio.create_task(self._write(socket, queue))
        running: set[asyncio.Task[None]] = set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    task = asyncio.create_task(self._serve(message.data, queue))
                    running.add(task)
                    task.add_done_callback(running.discard)
        finally:
            self._hub.leave(queue)
            self._sockets.discard(socket)
            for task in (writer, *running):
                task.cancel()
            await asyncio.wait((writer, *running))
        return socket

    async def _write(self, socket: web.WebSocketResponse, queue: asyncio.Queue[bytes]) -> None:
        with contextlib.suppress(ConnectionError):  # the page was closed
            while True:
                await socket.send_str((await queue.get()).decode())

    async def _serve(self, text: str, queue: asyncio.Queue[bytes]) -> None:
        """One request of the page; its answer carries the request's `id`."""
        answer: JSON = {"what": "answer", "id": None}
        side = ""
        try:
            request = orjson.loads(text)
            answer["id"] = request["id"]
            side = str(request.get("side", ""))
            answer["value"] = await self._requests.perform(request)
        except PhantomError as error:
            answer["error"] = f"{error.message}. {error.hint}".rstrip(". ")
        except KeyError as error:
            answer["error"] = f"unknown or missing: {error}"
        except (TypeError, ValueError) as error:
            answer["error"] = str(error)
        queue.put_nowait(orjson.dumps(answer))
        self._hub.tell_controls(side)
