"""What a connection of the bridge's client leaves behind when it ends: nothing."""

from __future__ import annotations

import asyncio
import gc
import warnings

import orjson

from phantom.bridge import protocol
from phantom.bridge.client import BridgeApp, Timing
from phantom.bridge.client_handlers import HandlerTable
from phantom.bridge.client_link import Link, LinkClosed
from phantom.bridge.client_session import VERSION, Session
from phantom.clock import SystemClock

GRANT = {"connectionId": "c", "stream": "s", "intents": [], "capabilities": {"events": [], "actions": ["sendMessage"]}}


class Gone:
    """A connection that was lost as soon as it was there."""

    async def send(self, frame: bytes) -> None:
        raise LinkClosed(None)

    async def receive(self) -> str | bytes:
        raise LinkClosed(None)

    async def close(self) -> None: ...


async def test_jobs_that_never_began_leave_no_warning() -> None:
    session = Session(Gone(), HandlerTable(), SystemClock(), lambda stream, seq: None)
    gc.collect()  # what others left warns before the recording, not in it
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore", ResourceWarning)  # a server thread of another test may end meanwhile
        warnings.simplefilter("always", RuntimeWarning)  # what Python says of a coroutine that nobody awaited
        await session.serve()
        await session.aclose()
        await asyncio.sleep(0)
        gc.collect()
    assert [str(one.message) for one in said if "never awaited" in str(one.message)] == []


class Cut:
    """A connection that is up and takes no request: the other end has gone, and whoever reads has not heard of it."""

    def __init__(self, heard: asyncio.Event) -> None:
        self._heard = heard
        self._granted = False

    async def send(self, frame: bytes) -> None:
        if orjson.loads(frame)["type"] == "action.request":
            asyncio.get_running_loop().call_soon(self._heard.set)
            raise LinkClosed(None)

    async def receive(self) -> str | bytes:
        if not self._granted:
            self._granted = True
            return protocol.frame(VERSION, "auth.ok", 0.0, GRANT)
        await self._heard.wait()
        raise LinkClosed(None)

    async def close(self) -> None: ...


class Whole(Cut):
    """One that answers."""

    def __init__(self) -> None:
        super().__init__(asyncio.Event())
        self._answer = b""

    async def send(self, frame: bytes) -> None:
        asked = orjson.loads(frame)
        if asked["type"] == "action.request":
            done = {"ok": True, "data": {"id": "1"}}
            self._answer = protocol.frame(VERSION, "action.result", 0.0, done, asked["requestId"])
            self._heard.set()

    async def receive(self) -> str | bytes:
        if not self._granted:
            return await super().receive()
        await self._heard.wait()
        self._heard.clear()
        return self._answer


async def test_a_request_on_a_line_that_was_just_cut_waits_for_the_next_one() -> None:
    """Asking the dead line again and again would hold up the app's whole loop, which has to notice that it is dead."""
    links: list[Link] = [Cut(asyncio.Event()), Whole()]

    async def linker() -> Link:
        return links.pop(0)

    async with BridgeApp(secret="s", linker=linker, timing=Timing(first_delay=0.01)) as app:
        assert await app.call("sendMessage", {}, idempotency_key="k", wait=30.0) == {"id": "1"}
    assert not links
