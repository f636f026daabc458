"""A language-model service on loopback that speaks what the real SDKs speak, and answers from a script.

Three wires: OpenAI Chat Completions, OpenAI Responses, Anthropic Messages, all streamed as server-sent events.
It checks the key like the real services and can refuse, limit, fail, hang or break off in mid-stream. It is no model.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from phantom.testing import model_streams
from phantom.testing.hunt_record import leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Answer with `text`, in pieces of `size` characters; `hold`, if given, is awaited after the first piece."""

    text: str
    size: int = 8
    hold: asyncio.Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Ask for tools: (call id, tool name, arguments) each. `text` is said before them."""

    tools: tuple[tuple[str, str, Mapping[str, object]], ...]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer with an HTTP error in the provider's own shape."""

    status: int
    kind: str = "invalid_request_error"
    message: str = "the fake service was told to refuse"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hang:
    """Take the request and never answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakOff:
    """Send the first piece of an answer, then cut the connection."""

    text: str = "The answer is "


Answer = Say | Call | Refuse | Hang | BreakOff


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that arrived. `key` is what authenticated it; `body` the decoded JSON."""

    path: str
    key: str
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The whole request as text, to look for what the model was told."""
        return json.dumps(self.body, ensure_ascii=False)


class FakeModel:
    """`async with FakeModel() as model:` serves on 127.0.0.1; `model.will(Say(text="hi"))` scripts answers.

    Without a script it answers "ok". `keys` are the accepted keys (None: any, even none); `models` the names its
    model list knows (None: all).
    """

    def __init__(self, *, keys: Iterable[str] | None = None, models: Iterable[str] | None = None) -> None:
        self.keys = None if keys is None else set(keys)
        self.models = None if models is None else set(models)
        self.asked: list[Asked] = []
        self._script: deque[Answer] = deque()
        self._rule: Callable[[Asked], Answer | None] = lambda _: None
        self._over = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def will(self, *answers: Answer) -> None:
        """Give these answers next, in order."""
        self._script.extend(answers)

    def answer_by(self, rule: Callable[[Asked], Answer | None]) -> None:
        """Ask `rule` when the script is empty; its None means "ok"."""
        self._rule = rule

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI-compatible clients."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for Anthropic-compatible clients."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for wire in model_streams.WIRES:
            app.router.add_post(wire.path, self._handler(wire))
        app.router.add_get("/v1/models/{name:.+}", self._describe)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def _handler(self, wire: model_streams.Wire) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            key = _key(request)
            asked = Asked(path=request.path, key=key, body=await request.json())
            leave("outgoing", f"{request.path} {await request.text()}")
            self.asked.append(asked)
            if not self._accepts(key):
                return _error(wire, Refuse(status=401, kind="authentication_error", message=f"bad key {key}"))
            answer = self._script.popleft() if self._script else (self._rule(asked) or Say(text="ok"))
            match answer:
                case Refuse():
                    return _error(wire, answer)
                case Hang():
                    await self._over.wait()
                    return web.Response(status=503)
                case _:
                    return await self._stream(request, wire, answer, str(asked.body.get("model", "")))

        return handle

    async def _stream(
        self, request: web.Request, wire: model_streams.Wire, answer: Say | Call | BreakOff, model: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for frame in self._frames(wire, answer, model):
            await response.write(frame)
        if isinstance(answer, BreakOff):
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response

    async def _frames(
        self, wire: model_streams.Wire, answer: Say | Call | BreakOff, model: str
    ) -> AsyncIterator[bytes]:
        text = answer.text
        size = answer.size if isinstance(answer, Say) else max(len(text), 1)
        parts = [text[i : i + size] for i in range(0, len(text), size)]
        tools = answer.tools if isinstance(answer, Call) else ()
        frames = wire.frames(model, parts, tools)
        first = wire.before_first_piece + 1
        for index, frame in enumerate(frames):
            if index == first and isinstance(answer, BreakOff):
                return
            if index == first and isinstance(answer, Say) and answer.hold is not None:
                await answer.hold.wait()
            yield frame

    async def _describe(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not self._accepts(_key(request)):
            return web.json_response({"error": {"type": "authentication_error", "message": "bad key"}}, status=401)
        if self.models is not None and name not in self.models:
            return web.json_response({"error": {"type": "not_found_error", "message": "no model"}}, status=404)
        return web.json_response(
            {
                "id": name,
                "object": "model",
                "type": "model",
                "created": 0,
                "created_at": "2025-01-01T00:00:00Z",
                "display_name": name,
                "owned_by": "fake",
            }
        )

    def _accepts(self, key: str) -> bool:
        return self.keys is None or key in self.keys


def _key(request: web.Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")


def _error(wire: model_streams.Wire, refuse: Refuse) -> web.Response:
    return web.json_response(
        wire.error(refuse.kind, refuse.message), status=refuse.status, headers=dict(refuse.headers)
    )
