"""The REST API's front door: token, faults, budgets, body, the call record. The routes are in `routes_*.py`."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import BodyPartReader, web

from phantom.testing.fake_discord import (  # noqa: F401 - importing the modules registers their routes
    routes_app,
    routes_channels,
    routes_commands,
    routes_guilds,
    routes_interactions,
    routes_messages,
    routes_reactions,
    routes_voice,
)
from phantom.testing.fake_discord.calls import ROUTES, ApiCall, Call, DiscordError, Route, Upload
from phantom.testing.fake_discord.changes import CallMade
from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.faults import Fault
from phantom.testing.fake_discord.openapi import Description
from phantom.testing.fake_discord.ratelimits import Refusal

_SECRET_PARTS = ("webhook_token", "interaction_token")


class RestApi:
    """Serves every route under `/api/v10` (and `/api/v9`)."""

    def __init__(self, core: Core, description: Description | None) -> None:
        self._core = core
        self._description = description

    @property
    def described(self) -> bool:
        """Whether requests are checked against Discord's description."""
        return self._description is not None

    def register(self, server: web.Application) -> None:
        """Add all routes, literal parts before variable ones, and 404 for the rest."""
        ordered = sorted(ROUTES, key=lambda one: [part.startswith("{") for part in one.path.split("/")])
        for one in ordered:
            server.router.add_route(one.method, "/api/v{version:9|10}" + one.path, _bound(self, one))
        server.router.add_route("*", "/api/{rest:.*}", self._nowhere)

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        call = ApiCall(route="", method=request.method, path=request.path, at=self._core.clock.now(), status=404)
        self._core.calls.append(call)
        self._core.feed.publish(CallMade(call=call))
        return web.json_response({"message": "404: Not Found", "code": 0}, status=404)

    async def handle(self, request: web.Request, route: Route) -> web.StreamResponse:
        """One call."""
        params = {name: value for name, value in request.match_info.items() if name != "version"}
        shown = {name: "…" if name in _SECRET_PARTS else value for name, value in params.items()}
        record = ApiCall(
            route=route.name,
            method=route.method,
            path=route.path.format_map(shown),
            at=self._core.clock.now(),
            params=shown,
            query=dict(request.query),
            reason=unquote(request.headers.get("X-Audit-Log-Reason", "")),
        )
        self._core.calls.append(record)
        fault = self._core.faults.take(route.name)
        try:
            body, files = await _read(request)
            record.body, record.files = body, [one.filename for one in files]
            early = await self._fault_before(request, record, fault)
            if early is not None:
                return early
            response = self._answer(request, route, record, Call(
                core=self._core, params=params, query=dict(request.query), body=body, files=files
            ))  # fmt: skip
        except orjson.JSONDecodeError:
            error = DiscordError(400, 50109, "The request body contains invalid JSON.")
            return _json(record, error.status, error.to_discord(), {}, error.code)
        else:
            if fault is None or fault.action != "drop_after":
                return response
            record.lost, record.status = True, 0
            return cut(request)
        finally:
            self._core.feed.publish(CallMade(call=record))

    async def _fault_before(
        self, request: web.Request, record: ApiCall, fault: Fault | None
    ) -> web.StreamResponse | None:
        if fault is None:
            return None
        match fault.action:
            case "delay":
                self._core.feed.publish(CallMade(call=record))
                await self._core.clock.sleep(fault.seconds)
            case "hang":
                record.lost = True
                self._core.feed.publish(CallMade(call=record))
                await asyncio.Event().wait()
            case "drop_before":
                record.lost = True
                return cut(request)
            case "error":
                error = DiscordError(fault.status, fault.code, fault.message)
                return _json(record, fault.status, error.to_discord(), {}, fault.code)
            case "limited" if fault.refusal is not None:
                return _limited(record, fault.refusal, {})
            case "reply":
                record.status = fault.status
                return web.Response(status=fault.status, body=fault.body, content_type=fault.content_type)
        return None

    def _answer(self, request: web.Request, route: Route, record: ApiCall, call: Call) -> web.Response:
        if not route.open and not self._authorised(request):
            return _json(record, 401, {"message": "401: Unauthorized", "code": 0}, {})
        hooked = "webhook_token" in call.params or "interaction_token" in call.params
        refusal, headers = self._core.limits.take(route.name, call.params, counted_globally=not hooked)
        if refusal is not None:
            return _limited(record, refusal, headers)
        self._check(route, record)
        try:
            result = route.handler(call)
        except DiscordError as error:
            return _json(record, error.status, error.to_discord(), headers, error.code)
        record.applied = True
        if result is None:
            record.status = 204
            return web.Response(status=204, headers=headers)
        return _json(record, 200, result, headers)

    def _authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bot {self._core.app.token}"

    def _check(self, route: Route, record: ApiCall) -> None:
        if self._description is None:
            return
        found = self._description.check(route.method, route.path, record.query, record.body)
        self._core.violations += [f"{route.name}: {one}" for one in found]


def _bound(api: RestApi, route: Route) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await api.handle(request, route)

    return handler


async def _read(request: web.Request) -> tuple[Any, list[Upload]]:
    """(JSON body, files); `{}` without a body. Multipart bodies carry their JSON in `payload_json`."""
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        return (orjson.loads(raw) if raw else {}), []
    body: Any = {}
    files: list[Upload] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        name, data = part.name or "", bytes(await part.read(decode=True))
        if name == "payload_json":
            body = orjson.loads(data)
        elif name.startswith("files[") and name[6:-1].isdigit():
            kind = part.headers.get("Content-Type", "application/octet-stream")
            files.append(Upload(index=int(name[6:-1]), filename=part.filename or name, content_type=kind, data=data))
    return body, files


def _json(record: ApiCall, status: int, result: Any, headers: dict[str, str], code: int = 0) -> web.Response:
    record.status, record.code = status, code
    return web.Response(
        status=status, body=orjson.dumps(result), headers={**headers, "Content-Type": "application/json"}
    )


def _limited(record: ApiCall, refusal: Refusal, headers: dict[str, str]) -> web.Response:
    return _json(record, 429, refusal.body, {**headers, **refusal.headers})


def cut(request: web.Request) -> web.Response:
    """Close the TCP connection without an answer; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
