"""The Web API's front door: arguments in any of Slack's encodings, tokens, scopes, faults, budgets, the call record.

The methods themselves are in `methods_*.py`. A method's own refusal is HTTP 200 with `ok: false`, as with Slack.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from phantom.testing.fake_slack import (  # noqa: F401 - importing the modules registers their methods
    methods_app,
    methods_assistant,
    methods_chat,
    methods_conversations,
    methods_files,
    methods_people,
    methods_reactions,
    methods_streams,
    methods_views,
)
from phantom.testing.fake_slack.calls import METHODS, ApiCall, Call, SlackError
from phantom.testing.fake_slack.changes import CallMade
from phantom.testing.fake_slack.core import Core
from phantom.testing.fake_slack.faults import Fault
from phantom.testing.fake_slack.model import JSON

_APP_TOKEN = frozenset({"apps.connections.open"})


class WebApi:
    """Handlers for `/api/<method>` and for response URLs."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def call(self, request: web.Request) -> web.StreamResponse:
        """One Web API call."""
        method = request.match_info["method"]
        record = ApiCall(method=method, args={}, at=self._core.clock.now())
        self._core.calls.append(record)
        try:
            args, token = await _read(request)
        except orjson.JSONDecodeError:
            return _json(record, {"ok": False, "error": "invalid_json"}, {})
        record.args = _shown(args)
        return await self._answer(request, record, args, token)

    async def hook(self, request: web.Request) -> web.StreamResponse:
        """One post to a response URL."""
        record = ApiCall(method="response_url", args={}, at=self._core.clock.now())
        self._core.calls.append(record)
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        record.args = body if isinstance(body, dict) else {}
        return await self._answer(request, record, record.args, request.match_info["token"])

    async def _answer(self, request: web.Request, record: ApiCall, args: JSON, token: str | None) -> web.StreamResponse:
        fault = self._core.faults.take(record.method)
        try:
            early = await self._fault_before(request, record, fault)
            if early is not None:
                return early
            if record.method == "response_url":
                response = self._use_hook(record, args, token or "")
            else:
                response = self._dispatch(record, args, token)
            if fault is not None and fault.action == "drop_after":
                record.lost = True
                return _cut(request)
            return response
        finally:
            self._core.feed.publish(CallMade(call=record))

    async def _fault_before(
        self, request: web.Request, record: ApiCall, fault: Fault | None
    ) -> web.StreamResponse | None:
        if fault is None:
            wait = self._core.faults.over_budget(record.method, record.args)
            return None if wait is None else _limited(record, wait)
        match fault.action:
            case "delay":
                await self._core.clock.sleep(fault.seconds)
                return None
            case "hang":
                record.ok, record.lost = False, True
                self._core.feed.publish(CallMade(call=record))
                await asyncio.Event().wait()
            case "drop_before":
                record.ok, record.lost = False, True
                return _cut(request)
            case "error":
                return _json(record, {"ok": False, "error": fault.error}, {})
            case "reply":
                record.ok, record.status, record.error = False, fault.status, fault.error
                return web.Response(
                    status=fault.status,
                    body=fault.body,
                    content_type=fault.content_type,
                    headers=dict(fault.headers),
                )
        return None

    def _dispatch(self, record: ApiCall, args: JSON, token: str | None) -> web.Response:
        headers: dict[str, str] = {}
        try:
            result = self._run(record.method, args, token, headers)
        except SlackError as error:
            result = {"ok": False, "error": error.code} | error.extra
        record.applied = bool(result["ok"])
        return _json(record, result, headers)

    def _run(self, method: str, args: JSON, token: str | None, headers: dict[str, str]) -> JSON:
        handler, scope = METHODS.get(method, (None, ""))
        if handler is None:
            raise SlackError("unknown_method", req_method=method)
        kind, error = self._core.app.judge(token)
        if error:
            raise SlackError(error)
        if (kind == "app") != (method in _APP_TOKEN):
            raise SlackError("not_allowed_token_type")
        if kind == "bot":
            headers |= self._check_scope(scope)
        return {"ok": True} | handler(Call(core=self._core, method=method, args=args, token_kind=kind))

    def _check_scope(self, scope: str) -> dict[str, str]:
        granted = self._core.app.scopes - self._core.faults.withdrawn_scopes
        provided = ",".join(sorted(granted))
        if scope and scope not in granted:
            raise SlackError("missing_scope", needed=scope, provided=provided)
        return {"X-OAuth-Scopes": provided, "X-Accepted-OAuth-Scopes": scope}

    def _use_hook(self, record: ApiCall, body: JSON, token: str) -> web.Response:
        try:
            self._core.hooks.use(token, body)
        except SlackError as error:
            record.ok, record.error = False, error.code
            record.status = 404 if error.code in ("expired_url", "used_url") else 400
            return web.Response(status=record.status, text=error.code)
        record.applied = True
        return web.Response(text="ok")


async def _read(request: web.Request) -> tuple[JSON, str | None]:
    """(arguments, token). The token is the bearer, or else the `token` argument of a form or a query."""
    args: JSON = dict(request.query)
    if request.method == "POST":
        if request.content_type == "application/json":
            body = orjson.loads(await request.read() or b"{}")
            args |= body if isinstance(body, dict) else {}
        else:
            args |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    token = args.pop("token", None)
    bearer = request.headers.get("Authorization", "")
    if bearer.startswith("Bearer "):
        token = bearer.removeprefix("Bearer ").strip()
    return args, token


def _shown(args: JSON) -> JSON:
    """Arguments for the record: JSON fields parsed where they are JSON."""
    return {key: _parsed(value) for key, value in args.items()}


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _json(record: ApiCall, result: JSON, headers: dict[str, str]) -> web.Response:
    record.ok = bool(result["ok"])
    record.error = str(result.get("error", ""))
    return web.Response(body=orjson.dumps(result), content_type="application/json", headers=headers)


def _limited(record: ApiCall, wait: int) -> web.Response:
    record.ok, record.status, record.error = False, 429, "ratelimited"
    return web.Response(
        status=429,
        body=b'{"ok":false,"error":"ratelimited"}',
        content_type="application/json",
        headers={"Retry-After": str(wait)},
    )


def _cut(request: web.Request) -> web.Response:
    """Close the TCP connection without an answer; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
