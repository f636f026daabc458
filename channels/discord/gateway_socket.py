"""The gateway's WebSocket as discord.py sees it: one that notices silence by itself and does not outrun the journal.

What does *not* live here: frames and their meaning (`gateway_client.py`, `intake.py`).

discord.py asks for each frame with a deadline, and setting that up costs aiohttp about as much as everything else it
does for a small frame. Here one timer a connection looks now and then whether anything came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

LOOKS = 4
"""How often one looks within the time that a connection may be silent."""
DEAD = 4000
"""The close code with which discord.py gives up a silent connection; its session is resumed."""
CLOSE_SECONDS = 1.0
"""How long the other side may take to answer a goodbye. discord.py allows a peer that is gone half a minute, in which
a stop would wait, and so would the connection that takes its place.
"""


class Flow(Protocol):
    """Whether what was read is taken care of."""

    @property
    def behind(self) -> bool:
        """Whether so much waits for the journal that nothing more should be read."""
        ...

    async def caught_up(self) -> None:
        """Wait until reading may go on."""
        ...


class WatchedSocket:
    """Wraps aiohttp's. `contact` is called for each frame, also for those that are no dispatch."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, contact: Callable[[], None], flow: Flow) -> None:
        self._socket = socket
        self._contact = contact
        self._flow = flow
        self._frames = self._seen = self._silent = 0
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[Any] | None = None

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:  # noqa: ASYNC109 - discord.py's call
        """The next frame; that of a closing connection after `timeout` seconds (a quarter more at most) of silence."""
        if timeout and self._timer is None:
            self._look(timeout / LOOKS)
        if self._flow.behind:
            self._paused = True
            await self._flow.caught_up()
            self._paused = False
        message = await self._socket.receive()
        self._frames += 1
        self._contact()
        return message

    async def close(self, *, code: int = 1000, message: bytes = b"") -> bool:
        """Say goodbye and hang up. False when it was closed already, or nobody answered."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                return await self._socket.close(code=code, message=message)
        return False

    def _look(self, every: float) -> None:
        if self._socket.closed:
            return
        heard = self._paused or self._frames != self._seen
        self._silent = 0 if heard or self._timer is None else self._silent + 1
        self._seen = self._frames
        loop = asyncio.get_running_loop()
        if self._silent >= LOOKS:
            self._closing = loop.create_task(self.close(code=DEAD), name="discord-silent")
        else:
            self._timer = loop.call_later(every, self._look, every)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)
