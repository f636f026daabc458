"""A metadata service on loopback, to the letter of its contract, with every fault on command.

    async with FakeMetadata(secrets={"slack_bot_token": "xoxb-1"}) as metadata:
        ...  # point PHANTOM_METADATA_URL at metadata.url
        metadata.rotate("slack_bot_token", "xoxb-2")
        metadata.answer_status(503, times=2)

It keeps a log of requests for assertions. It speaks plain HTTP on 127.0.0.1 and needs nothing of Phantom itself.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web

from phantom.testing.hunt_record import leave_secrets

LARGE = 8 * 1024 * 1024
"""Bytes of an answer that is far too large."""

IDENTITY: Mapping[str, Any] = {
    "tenant_id": "tenant-1",
    "tenant_slug": "example",
    "region": "eu-test-1",
    "host_id": "host-1",
    "env": "test",
    "slack": {
        "team_id": "T0TEAM0001",
        "installer_user_id": "U0OWNER001",
        "team_name": "Example",
        "installed_at": "2024-01-01T00:00:00Z",
    },
}
"""The identity that is served unless another one is given."""

UNSHOWN = "BODY-THAT-NOBODY-SHOWS"
"""The body of error answers: a test greps every log and message for it."""

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRequest:
    """One request as it arrived. `status` is what was answered, None while or when no answer was finished."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int | None = None

    @property
    def if_none_match(self) -> str:
        """The rotation id that the caller holds, without its quotes; "" when it sent none."""
        return self.headers.get("If-None-Match", "").strip('"')


@dataclass(slots=True, kw_only=True)
class _Planned:
    fault: Fault
    path: str
    left: int | None


@dataclass(slots=True, kw_only=True)
class _Kept:
    text: str
    rotation_id: str = field(default="")


class FakeMetadata:
    """The service. `identity` may be changed at any time; `requests` and `tenant_status` say what arrived."""

    def __init__(self, *, identity: Any = None, secrets: Mapping[str, str] | None = None) -> None:
        self.identity: Any = dict(IDENTITY) if identity is None else identity
        self.requests: list[MetadataRequest] = []
        self.tenant_status: list[tuple[str, Mapping[str, Any]]] = []
        self._rotation = itertools.count(1)
        self._secrets: dict[str, _Kept] = {}
        self._planned: list[_Planned] = []
        self._released = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._kept: socket.socket | None = None
        for name, text in (secrets or {}).items():
            self.rotate(name, text)

    @property
    def url(self) -> str:
        """The base address, for `PHANTOM_METADATA_URL`."""
        if not self._port:
            raise RuntimeError("FakeMetadata is not started; use `async with`")
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.come_up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.go_down()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    # --- secrets ---

    def rotate(self, name: str, text: str) -> str:
        """Serve `text` as `name` from now on, under a new rotation id, which is returned."""
        rotation_id = f"r{next(self._rotation)}"
        self._secrets[name] = _Kept(text=text, rotation_id=rotation_id)
        leave_secrets({name: text})
        return rotation_id

    def remove(self, name: str) -> None:
        """Answer 404 for `name` from now on."""
        self._secrets.pop(name, None)

    # --- faults: `path` narrows one to requests whose path ends so; `times` ends it after that many requests ---

    def answer_status(self, status: int, *, path: str = "", times: int | None = None) -> None:
        """Answer with `status` and a body that nobody should show."""

        async def fault(request: web.Request) -> web.StreamResponse:
            body = None if status in {204, 304} else UNSHOWN
            return web.Response(status=status, text=body)

        self.plan(fault, path=path, times=times)

    def redirect(self, *, path: str = "", times: int | None = None) -> None:
        """Answer 302 to `/elsewhere` on this same service, which answers like a secret. It shows in `requests`."""

        async def fault(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": "/elsewhere"})

        self.plan(fault, path=path, times=times)

    def hang(self, *, path: str = "", times: int | None = None) -> None:
        """Take the request and answer nothing, until `heal` or the end."""

        async def fault(request: web.Request) -> web.StreamResponse:
            await self._released.wait()
            raise web.HTTPServiceUnavailable

        self.plan(fault, path=path, times=times)

    def answer_huge(self, *, declared: bool = True, path: str = "", times: int | None = None) -> None:
        """Answer 200 with 8 MiB; with or without saying so beforehand in `Content-Length`."""

        async def fault(request: web.Request) -> web.StreamResponse:
            return await _stream(request, itertools.repeat(b"A" * 65536, LARGE // 65536), LARGE if declared else None)

        self.plan(fault, path=path, times=times)

    def drip(self, *, seconds: float = 0.05, path: str = "", times: int | None = None) -> None:
        """Answer 200 and then one byte every `seconds`, without an end."""

        async def fault(request: web.Request) -> web.StreamResponse:
            return await _stream(request, itertools.repeat(b"A"), None, pause=seconds)

        self.plan(fault, path=path, times=times)

    def answer_body(self, body: bytes, *, path: str = "", times: int | None = None) -> None:
        """Answer 200 with exactly these bytes: malformed JSON, an empty secret, something that is not UTF-8."""

        async def fault(request: web.Request) -> web.StreamResponse:
            return web.Response(body=body)

        self.plan(fault, path=path, times=times)

    def break_off(self, *, path: str = "", times: int | None = None) -> None:
        """Close the connection without an answer."""

        async def fault(request: web.Request) -> web.StreamResponse:
            if request.transport is not None:
                request.transport.close()
            await self._released.wait()
            raise web.HTTPServiceUnavailable

        self.plan(fault, path=path, times=times)

    def plan(self, fault: Fault, *, path: str = "", times: int | None = None) -> None:
        """Let `fault` answer: the newest plan that fits a request wins. For faults that have no method of their own."""
        self._planned.append(_Planned(fault=fault, path=path, left=times))

    def heal(self) -> None:
        """End all faults; requests that hang are answered 503."""
        self._planned.clear()
        self._released.set()
        self._released = asyncio.Event()

    async def go_down(self) -> None:
        """Refuse connections from now on; open ones are cut."""
        self._released.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def come_up(self) -> None:
        """Listen, at the same port as before. Does nothing when it listens already."""
        if self._runner is not None:
            return
        self._released = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handle_signals=False)
        await runner.setup()
        if self._kept is None:
            self._kept = self._keep_port()
        await web.TCPSite(runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._runner = runner

    def _keep_port(self) -> socket.socket:
        """Take the port until the end, so that nobody else gets it while the service is down. This socket does not
        listen; servers of ours may, since both have SO_REUSEADDR.
        """
        kept = socket.socket()
        kept.bind(("127.0.0.1", self._port))  # alone: set before this, the option would let two in
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port = int(kept.getsockname()[1])
        return kept

    # --- what arrived ---

    def count(self, path: str = "", *, method: str = "") -> int:
        """How many requests came whose path ends with `path`."""
        return sum(one.path.endswith(path) and one.method.startswith(method) for one in self.requests)

    async def wait_for(self, count: int, path: str = "", *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Return once `count` requests came whose path ends with `path`. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: self.count(path) >= count)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        index = len(self.requests)
        seen = MetadataRequest(method=request.method, path=request.raw_path, headers=dict(request.headers), body=body)
        self.requests.append(seen)
        async with self._arrived:
            self._arrived.notify_all()
        fault = self._fault(request.path)
        response = await fault(request) if fault else self._proper(request, body)
        self.requests[index] = MetadataRequest(
            method=seen.method, path=seen.path, headers=seen.headers, body=body, status=response.status
        )
        return response

    def _fault(self, path: str) -> Fault | None:
        for planned in reversed(self._planned):
            if path.endswith(planned.path) and planned.left != 0 and path != "/elsewhere":
                if planned.left is not None:
                    planned.left -= 1
                return planned.fault
        return None

    def _proper(self, request: web.Request, body: bytes) -> web.Response:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["v1", "identity"]:
                return web.json_response(body=orjson.dumps(self.identity))
            case "GET", ["v1", "secrets", name]:
                return self._secret(request, name)
            case "POST", ["v1", "tenant_status", ("agent_ready" | "first_dm_sent") as event]:
                return self._status(event, body)
            case "GET", ["elsewhere"]:
                return web.Response(text="xoxb-from-elsewhere")
            case _:
                return web.Response(status=404)

    def _secret(self, request: web.Request, name: str) -> web.Response:
        kept = self._secrets.get(name)
        if kept is None:
            return web.Response(status=404)
        headers = {"X-Phantom-Rotation-Id": kept.rotation_id}
        if request.headers.get("If-None-Match") == f'"{kept.rotation_id}"':
            return web.Response(status=304, headers=headers)
        return web.Response(text=kept.text + "\n", headers=headers)

    def _status(self, event: str, body: bytes) -> web.Response:
        wanted = "transport" if event == "agent_ready" else "slack_message_ts"
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return web.Response(status=400)
        if not isinstance(told, dict) or not isinstance(told.get(wanted), str):
            return web.Response(status=400)
        self.tenant_status.append((event, told))
        return web.Response(status=204)


async def _stream(request: web.Request, chunks: Any, length: int | None, *, pause: float = 0.0) -> web.StreamResponse:
    response = web.StreamResponse()
    if length is not None:
        response.content_length = length
    try:
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(pause)
    except ConnectionError:
        pass  # the caller had enough, which is what this answer is for
    return response
