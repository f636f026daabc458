"""Tokens that come from the metadata service: a daemon without any in its environment, one that is revoked under load
while the other platform goes on, and one that changes while everything runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord, FakeMessage
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario.daemon_kit import soon

HERE = Path(__file__).parent


@dataclass
class World:
    """One daemon that has its tokens from `metadata` alone."""

    slack: FakeSlack
    fake: FakeDiscord
    metadata: FakeMetadata
    daemon: DaemonProcess
    gates: Path

    async def state(self, channel: str, *states: str, within: float = 30.0) -> dict[str, Any]:
        """Wait for the channel's state, and return its part of the health document."""
        health = await self.daemon.until(lambda found: found["channels"][channel]["state"] in states, within)
        found: dict[str, Any] = health["channels"][channel]
        return found

    async def on_slack(self, text: str, within: float = 30.0) -> None:
        """Ask there, and wait for the answer."""
        await self.heard_on_slack(text, await self.ask_on_slack(text), within)

    async def ask_on_slack(self, text: str) -> Any:
        slack = self.slack
        return await slack.post(slack.owner, slack.general, f"{slack.mention} {text}")

    async def heard_on_slack(self, text: str, asked: Any, within: float = 30.0) -> None:
        await self.slack.wait_for(
            lambda: [one for one in self.slack.replies(asked) if one.shown == f"heard: {text}"], timeout=within
        )

    async def on_discord(self, text: str, within: float = 30.0) -> None:
        """Ask there, and wait for the answer."""
        await self.seen_on_discord(f"heard: {text}", await self.ask_on_discord(text), within)

    async def ask_on_discord(self, text: str) -> FakeMessage:
        fake = self.fake
        return await fake.post(fake.owner, fake.general, f"{fake.mention} {text}")

    async def seen_on_discord(self, text: str, asked: FakeMessage, within: float = 30.0) -> None:
        try:
            await self.fake.wait_for(
                lambda: [one for one in self.fake.replies(asked) if one.content == text], timeout=within
            )
        except TimeoutError:
            raise TimeoutError(f"{text}\n{self.daemon.output[-5000:]}") from None

    async def quiet(self) -> None:
        """Wait until everything is worked off."""
        await self.daemon.until(lambda health: health["journal"]["backlog"] == 0 and not health["turns"]["running"])


@dataclass
class Steady:
    """One question after the other, each answered before the next."""

    ask: Callable[[str], Awaitable[None]]
    answers: int = 0
    _more: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        while True:
            await self.ask(f"steady {self.answers}")
            async with self._more:
                self.answers += 1
                self._more.notify_all()

    async def further(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = self.answers + count
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: self.answers >= wanted)


@asynccontextmanager
async def steadily(ask: Callable[[str], Awaitable[None]]) -> AsyncIterator[Steady]:
    """Somebody keeps asking meanwhile, and is answered as ever."""
    steady = Steady(ask)
    asking = asyncio.create_task(steady.run())
    try:
        await steady.further(2)
        yield steady
        assert not asking.done(), asking
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@asynccontextmanager
async def world(tmp_path: Path, **env: str) -> AsyncIterator[World]:
    """Not started yet, and the metadata service holds no token."""
    gates = tmp_path / "gates"
    gates.mkdir()
    async with FakeSlack(transport="socket") as slack, FakeDiscord() as fake, FakeMetadata() as metadata:
        slack.sockets.schedule = RetrySchedule((0.1,), forever=True)
        metadata.identity = {
            "tenant_id": "t1",
            "discord": {"application_id": fake.application_id, "public_key": "0" * 64},
        }
        daemon = DaemonProcess(
            env={
                "PHANTOM_METADATA_URL": metadata.url,
                "DISCORD_TRANSPORT": "gateway",
                "DISCORD_API_BASE_URL": fake.api_url,
                "PHANTOM_AGENT": "obedient_agent:make",
                "GATES": str(gates),
            }
            | env,
            data_dir=tmp_path / "data",
            python_path=[HERE],
            ready_within=30,
        )
        try:
            yield World(slack, fake, metadata, daemon, gates)
            assert fake.violations == []
            assert fake.token not in daemon.output
            assert slack.bot_token not in daemon.output
        finally:
            await daemon.aclose()


async def test_revoking_one_token_leaves_the_other_platform_answering(tmp_path: Path) -> None:
    both = {"SECRET_SOURCE": "metadata", "SLACK_TRANSPORT": "socket"}
    async with world(tmp_path, **both) as here:
        slack, fake, metadata = here.slack, here.fake, here.metadata
        here.daemon.env["SLACK_API_BASE_URL"] = slack.api_url
        metadata.rotate("slack_bot_token", slack.bot_token)
        metadata.rotate("slack_app_token", slack.app_token)
        metadata.rotate("discord_bot_token", fake.token)
        await here.daemon.start()
        await here.state("slack", "ready")
        await here.state("discord", "ready")

        async with steadily(here.on_discord) as steady:
            fresh = slack.app.rotate_bot_token()
            waiting = await here.ask_on_slack("are you there?")
            down = await here.state("slack", "revoked", "auth_failed")
            assert down["cure"]
            await steady.further(8)
            assert (await here.state("discord", "ready"))["ok"]
            assert not slack.replies(waiting)
            metadata.rotate("slack_bot_token", fresh)
            await here.state("slack", "ready")
            await here.heard_on_slack("are you there?", waiting)
            await steady.further(2)

        async with steadily(here.on_slack) as steady:
            fresh = fake.faults.revoke_token()
            down = await here.state("discord", "revoked", "auth_failed")
            assert "DISCORD_BOT_TOKEN" in down["cure"]
            missed = await here.ask_on_discord("are you there?")
            await steady.further(8)
            assert (await here.state("slack", "ready"))["ok"]
            assert not fake.replies(missed)
            metadata.rotate("discord_bot_token", fresh)
            await here.state("discord", "ready")
            await here.seen_on_discord("heard: are you there?", missed)
            await steady.further(2)

        await here.quiet()
        assert [one.shown for one in slack.replies(waiting)] == ["heard: are you there?"]
        assert [one.content for one in fake.replies(missed)] == ["heard: are you there?"]


async def test_a_token_that_only_the_metadata_service_has_and_that_changes(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fake, metadata = here.fake, here.metadata
        await here.daemon.start(ready=False)
        # The service has none yet: the daemon says so, lives, and begins by itself once there is one.
        await metadata.wait_for(2, "/discord_bot_token")
        down = await here.state("discord", "backing_off", "auth_failed")
        assert "discord_bot_token" in down["detail"]
        metadata.rotate("discord_bot_token", fake.token)
        await here.daemon.until_ready()
        await here.on_discord("hello")

        # The operator resets the token in the portal and puts the new one where Phantom looks, in mid-turn.
        cut = await here.ask_on_discord("gate g through")
        await soon((here.gates / "g.begun").exists)  # a file: Discord would not tell of it
        before = len(fake.gateway.identifies)
        fresh = fake.app.rotate_token()
        missed = [await here.ask_on_discord(f"meanwhile {number}") for number in range(3)]
        metadata.rotate("discord_bot_token", fresh)
        fake.faults.close_gateway(4004)
        fake.gateway.sessions.clear()
        missed.append(await here.ask_on_discord("meanwhile 3"))
        (here.gates / "g").touch()
        await here.seen_on_discord("passed g through", cut)
        for number, message in enumerate(missed):
            await here.seen_on_discord(f"heard: meanwhile {number}", message)
        await here.state("discord", "ready")
        assert [one.code for one in fake.gateway.identifies[before:]][-1] is None
        await here.on_discord("as ever")
        await here.quiet()
        assert all(len(fake.replies(one)) == 1 for one in (cut, *missed))

        # Nothing of it is kept: the next start asks again.
        await here.daemon.kill()
        late = await here.ask_on_discord("while you were gone")
        await here.daemon.start()
        await here.seen_on_discord("heard: while you were gone", late)
