"""The shared HTTP server: one aiohttp application behind the fast lane, and the pages every daemon has.

What does *not* live here: what healthy means (`health.py`), signed posts' meaning (the channels' routes).
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web

from phantom.errors import ConfigError
from phantom.health import HealthReport
from phantom.health_page import render_page
from phantom.http_connection import connections, runner
from phantom.ingress import FastLane, may_repeat
from phantom.metrics import PrometheusMeter
from phantom.redaction import Redactor
from phantom.webhooks import HttpAnswer, RequestHead, SignedRoute

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebApp:
    """Owns the listening socket. `listen` before anything slow, so that probes get answers from the first moment."""

    def __init__(
        self, report: Callable[[], Awaitable[HealthReport]], meter: PrometheusMeter, redactor: Redactor | None = None
    ) -> None:
        self._report = report
        self._redactor = redactor or Redactor()
        self._meter = meter
        self._routes: dict[bytes, SignedRoute] = {}
        self._pages: dict[str, Handler] = {}
        self._connections: set[FastLane] = set()
        self._server: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    def add_route(self, route: SignedRoute) -> None:
        """Mount a channel's receiver on both lanes. Before `listen`."""
        for path in route.paths:
            self._routes[path] = route

    def add_page(self, path: str, handler: Handler) -> None:
        """Mount a GET page behind aiohttp. Before `listen`."""
        self._pages[path] = handler

    async def listen(self, host: str, port: int) -> None:
        """Bind and serve. Raises `ConfigError` when the address is taken or not ours."""
        app = web.Application(middlewares=[_json_errors], client_max_size=1 << 20)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/live", self._live)
        app.router.add_get("/metrics", self._metrics)
        for page, handler in self._pages.items():
            app.router.add_get(page, handler)
        for path, route in self._routes.items():
            app.router.add_post(path.decode(), _slow_lane(path, route))
        self._runner = runner(app)
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp runner has no server after setup")
        loop = asyncio.get_running_loop()
        fallback = connections(server)
        try:
            self._server = await loop.create_server(
                lambda: FastLane(self._routes, fallback, loop, self._connections), host, port, backlog=1024
            )
        except OSError as error:
            raise _bind_error(error, host, port) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """No new connections; those open are answered to the end."""
        if self._server is not None:
            self._server.close()

    async def aclose(self) -> None:
        """Close everything."""
        self.stop_listening()
        for connection in list(self._connections):
            connection.shut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        report = await self._report()
        status = 200 if report.ok else 503
        headers = {"Cache-Control": "no-store"}
        if "text/html" in request.headers.get("Accept", ""):
            headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
            page = self._redactor.inspect(render_page(report), shapes="tokens").text
            return web.Response(status=status, text=page, content_type="text/html", headers=headers)
        shown = self._redactor.clean_value(report.as_json())
        body = orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    async def _ready(self, request: web.Request) -> web.Response:
        report = await self._report()
        body = self._redactor.clean_value({"ready": report.ready, "waiting_for": report.waiting_for})
        return web.Response(
            status=200 if report.ready else 503, body=orjson.dumps(body), content_type="application/json"
        )

    async def _live(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        self._meter.gauge("phantom_journal_backlog", (await self._report()).backlog)
        page = self._redactor.inspect(self._meter.render().decode(), shapes="tokens").text
        return web.Response(body=page.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """404, 405 and the like as JSON, keeping `Allow`."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        body = orjson.dumps({"error": (error.reason or "error").lower()})
        return web.Response(status=error.status, body=body, content_type="application/json", headers=headers)


def _slow_lane(path: bytes, route: SignedRoute) -> Handler:
    """The same route behind aiohttp: bound, deadline, one handler."""

    async def handle(request: web.Request) -> web.StreamResponse:
        head = _head(path, request)
        if head is None:
            return _response(HttpAnswer(status=400, body=b'{"error":"repeated header"}'), close=True)
        refusal = route.screen(head)
        if refusal is not None:
            return _response(refusal, close=True)
        try:
            async with asyncio.timeout(route.body_timeout):
                body = await _read(request, route.max_body)
        except TimeoutError:
            return _response(route.refused(408), close=True)
        except (web.RequestPayloadError, ConnectionError):  # broken off; nobody may be there to read this
            return _response(route.refused(400), close=True)
        if body is None:
            return _response(route.refused(413), close=True)
        answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        route.accept(head, body, lambda answer: None if answered.done() else answered.set_result(answer))
        return _response(await answered, close=False)

    return handle


def _head(path: bytes, request: web.Request) -> RequestHead | None:
    """The head in the route's terms, or None when a header that matters is there twice."""
    headers: dict[bytes, bytes] = {}
    for name, value in request.raw_headers:
        name = name.lower()
        if name in headers and not may_repeat(name):
            return None
        headers[name] = value
    return RequestHead(request.method.encode(), path, headers, request.content_length)


async def _read(request: web.Request, limit: int) -> bytes | None:
    """The body, or None as soon as it is longer than `limit`."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _response(answer: HttpAnswer, *, close: bool) -> web.Response:
    headers: Mapping[str, str] = dict(answer.headers)
    response = web.Response(
        status=answer.status, body=answer.body, headers=headers, content_type=answer.content_type or None
    )
    if close:
        response.force_close()
    return response


def _bind_error(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} on {host} is in use",
            where="PORT",
            hint="stop the other program (another Phantom?), or set PORT to a free port",
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"{host} is not an address of this machine", where="PHANTOM_HOST", hint="use 127.0.0.1")
    return ConfigError(f"cannot listen on {host}:{port}: {error.strerror}", where="PORT")
