"""What a connection of the bridge's client leaves behind when it ends: nothing."""

from __future__ import annotations

import asyncio
import gc
import warnings

from phantom.bridge.client_handlers import HandlerTable
from phantom.bridge.client_link import LinkClosed
from phantom.bridge.client_session import Session
from phantom.clock import SystemClock


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
    assert [str(one.message) for one in said] == []
