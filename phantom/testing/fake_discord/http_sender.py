"""Interactions and webhook events over HTTP: signed posts to the app's endpoints, and what their answers mean.

Facts: docs.discord.com, "Receiving and Responding to Interactions" (the answer is the first response, or 202 and the
callback by REST) and "Webhook Events" (204 within 3 seconds; PING is type 0). Not here: the gateway's delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from phantom.testing.fake_discord.calls import DiscordError
from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.interactions import ANSWER_WITHIN, PING, FakeInteraction, check_response
from phantom.testing.fake_discord.model import JSON
from phantom.testing.fake_discord.responding import respond
from phantom.testing.fake_discord.signing import new_private_key, sign_interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One signed post. `status` 0: no answer (`error` says why). `answer` is the parsed JSON body, if it was one."""

    url: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    status: int
    answer: Any = None
    error: str = ""
    seconds: float = 0.0


class HttpSender:
    """Posts to `interactions_url` and `events_url` when these are set. `posted` keeps every post."""

    def __init__(self, core: Core) -> None:
        self.interactions_url: str | None = None
        self.events_url: str | None = None
        self.posted: list[Posted] = []
        self.answer_within = ANSWER_WITHIN
        self._core = core
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, interaction: FakeInteraction) -> None:
        """Post an interaction and apply what comes back; does not wait."""
        interaction.over_http = True
        self._spawn(self._send(interaction))

    async def ping(self) -> Posted:
        """The PING that Discord checks an interactions endpoint with; a good endpoint answers `{"type": 1}`."""
        core, bot = self._core, self._core.world.bot
        body = {
            "id": core.world.ids.next(),
            "application_id": core.app.id,
            "type": PING,
            "token": "ping",
            "version": 1,
            "user": bot.to_discord(),
            "entitlements": [],
        }
        return await self.post(self._target(self.interactions_url, "interactions"), orjson.dumps(body))

    async def event(self, kind: int, event: JSON | None = None) -> Posted:
        """A webhook event: `kind` 0 is PING, 1 carries an `event`; a good endpoint answers 204."""
        app = self._core.app.id
        body: JSON = {"version": 1, "application_id": app, "type": kind}
        if event is not None:
            body["event"] = event
        return await self.post(self._target(self.events_url, "events"), orjson.dumps(body))

    async def post(self, url: str, body: bytes, *, headers: dict[str, str] | None = None) -> Posted:
        """Sign and post these bytes, or (`headers`) post them with these headers and no signature of ours."""
        shown = headers if headers is not None else self.signed(body)
        started = self._core.clock.monotonic()
        status, answer, error = 0, None, ""
        try:
            session = self._open()
            timeout = aiohttp.ClientTimeout(total=self.answer_within)
            async with session.post(url, data=body, headers=shown, timeout=timeout) as response:
                raw, status = await response.read(), response.status
                answer = orjson.loads(raw) if raw and response.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as failure:
            error = type(failure).__name__
        seconds = self._core.clock.monotonic() - started
        posted = Posted(url=url, body=body, headers=shown, status=status, answer=answer, error=error, seconds=seconds)
        self.posted.append(posted)
        return posted

    async def replay(self, posted: Posted) -> Posted:
        """The same bytes with the same signature once more."""
        return await self.post(posted.url, posted.body, headers=posted.headers)

    def signed(self, body: bytes) -> dict[str, str]:
        """The headers of a post, with what the faults make of them."""
        faults, app = self._core.faults.http, self._core.app
        skew = faults.clock_skews.pop(0) if faults.clock_skews else 0.0
        timestamp = str(int(self._core.clock.now() + skew))
        key = app.private_key
        if faults.bad_signatures > 0:
            faults.bad_signatures -= 1
            key = new_private_key()
        return {
            "Content-Type": "application/json",
            "User-Agent": "Discord-Interactions/1.0 (+https://discord.com)",
            "X-Signature-Ed25519": sign_interaction(key, timestamp, body),
            "X-Signature-Timestamp": timestamp,
        }

    async def close(self) -> None:
        """Stop posting."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the background until `close`."""
        self._spawn(work)

    async def _send(self, interaction: FakeInteraction) -> None:
        core = self._core
        url = self._target(self.interactions_url, "interactions")
        posted = await self.post(url, orjson.dumps(interaction.payload))
        interaction.status = posted.status
        if posted.status == 202 or interaction.acknowledged:
            return
        error = posted.error or ("" if posted.status == 200 else f"HTTP {posted.status}")
        if not error:
            try:
                respond(core, interaction, check_response(posted.answer, interaction), [])
            except DiscordError as refusal:
                error = f"{refusal.code} {refusal.message}"
            else:
                return
        core.interactions.settle(interaction, "failed", error)

    def _target(self, url: str | None, what: str) -> str:
        if url is None:
            raise RuntimeError(f"no URL for {what}; call deliver_{what}_over_http first")
        return url

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))
        return self._session

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
