"""A real daemon with an obedient agent beside a FakeSlack (and, over HTTP, a FakeMetadata), for the scenario tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import GATEWAY_SECRET, DaemonProcess, gateway_env, socket_env
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from phantom.testing.fake_slack.message import FakeMessage

HERE = Path(__file__).parent
T = TypeVar("T")


@dataclass
class World:
    """Everything around one daemon. `metadata` is there over HTTP only, as the type does not say."""

    slack: FakeSlack
    daemon: DaemonProcess
    gates: Path
    metadata: FakeMetadata

    async def ask(self, text: str, *, thread: FakeMessage | None = None) -> FakeMessage:
        """The owner mentions the bot in the general channel."""
        ts = None if thread is None else thread.thread_ts or thread.ts
        return await self.slack.post(self.slack.owner, self.slack.general, f"{self.slack.mention} {text}", thread_ts=ts)

    async def tell(self, text: str) -> FakeMessage:
        """The owner writes to the bot in their direct conversation."""
        return await self.slack.post(self.slack.owner, self.slack.dm(self.slack.owner), text)

    def said(self, message: FakeMessage) -> list[str]:
        """What the bot's answers in the message's thread (or later in the DM) show."""
        return [reply.shown for reply in self.slack.replies(message)]

    async def answered(self, message: FakeMessage, text: str, within: float = 30.0) -> FakeMessage:
        """The reply that shows `text`. Raises `TimeoutError` with the daemon's output."""
        return await self.until(
            lambda: next((one for one in self.slack.replies(message) if text in one.shown), None), within
        )

    async def until(self, holds: Callable[[], T | None], within: float = 30.0) -> T:
        """Wait until the workspace is so. Raises `TimeoutError` with the daemon's output."""
        try:
            found = await self.slack.wait_for(holds, timeout=within)
        except TimeoutError:
            shown = [(one.user, one.shown) for place in (self.slack.general,) for one in self.slack.messages(place)]
            raise TimeoutError(f"{shown}\n{self.daemon.output[-6000:]}") from None
        assert found is not None
        return found

    async def told(self, text: str) -> None:
        """Wait for a private answer that shows `text`."""
        await self.until(lambda: [one for one in self.slack.ephemerals if text in one.shown])

    async def quiet(self) -> None:
        """Wait until everything that was delivered is worked off: what did not happen by then never will."""
        await self.slack.settled()
        await self.daemon.until(lambda health: health["journal"]["backlog"] == 0 and not health["turns"]["running"])

    async def begun(self, gate: str) -> None:
        """Wait until the agent stands before the gate."""
        async with asyncio.timeout(30):
            while not (self.gates / f"{gate}.begun").exists():
                await asyncio.sleep(0.01)

    def open(self, gate: str) -> None:
        """Let the agent through."""
        (self.gates / gate).touch()


async def soon(holds: Callable[[], object], within: float = 30.0) -> None:
    """Wait for something that tells nobody of its changes. Raises `TimeoutError`."""
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def world(
    tmp_path: Path,
    transport: str = "socket",
    *,
    env: Mapping[str, str] | None = None,
    start: bool = True,
    ack_within: float = 3.0,
) -> AsyncIterator[World]:
    """One daemon in its world, by default already ready. `ack_within`: seconds that Slack waits for an ack, after which
    a click or a command is lost; on a machine that is busy a daemon may take longer than Slack's own three.
    """
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport=transport))
        metadata = await stack.enter_async_context(FakeMetadata())
        needed = socket_env(slack) if transport == "socket" else gateway_env(slack, metadata)
        gates = tmp_path / "gates"
        gates.mkdir()
        daemon = DaemonProcess(
            env=needed | {"PHANTOM_AGENT": "obedient_agent:make", "GATES": str(gates)} | dict(env or {}),
            data_dir=tmp_path / "data",
            python_path=[HERE],
        )
        stack.push_async_callback(daemon.aclose)
        quick = RetrySchedule((0.1,), forever=True)
        if transport == "http":
            slack.deliver_over_http(
                daemon.url, profile="gateway", secret=GATEWAY_SECRET, schedule=quick, timeout=ack_within
            )
        else:
            slack.sockets.schedule, slack.sockets.ack_timeout = quick, ack_within
        if start:
            await daemon.start()
        yield World(slack, daemon, gates, metadata)
