"""The bridge in the real daemon beside a live Discord: events, actions, a kill in between, secrets changed live."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from phantom.bridge.client import BridgeApp, Event, Gap, SecretRefused, Timing
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord

QUICK = Timing(first_delay=0.05, longest_delay=0.3, action=15.0)


async def phantom(*arguments: str, data_dir: Path) -> str:
    """What a `phantom` command printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "phantom",
        *arguments,
        "--data-dir",
        str(data_dir),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=data_dir.parent,
    )
    out, trouble = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, trouble.decode()
    return out.decode().strip()


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[tuple[FakeDiscord, DaemonProcess, str]]:
    """A Discord, a daemon that serves it and the bridge, and the address of the bridge."""
    async with FakeDiscord() as fake:
        env = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url, "PHANTOM_BRIDGE_ENABLED": "true"}
        daemon = DaemonProcess(env=env, data_dir=tmp_path / "data")
        try:
            await daemon.start()
            yield fake, daemon, f"ws://127.0.0.1:{daemon.port}/bridge"
            assert fake.violations == []
        finally:
            await daemon.aclose()


async def test_a_kill_under_load_loses_no_event_and_doubles_no_action(tmp_path: Path) -> None:
    async with world(tmp_path) as (fake, daemon, url):
        secret = await phantom(
            "bridge", "secret", "new", "board", "--event", "messageCreate", "--event", "ready",
            "--action", "sendMessage", data_dir=daemon.data_dir,
        )  # fmt: skip
        alice = fake.add_user("alice")
        seen: list[str] = []
        gaps: list[Gap] = []
        arrived = asyncio.Event()

        def note(event: Event) -> None:
            message: Any = event.data["message"]
            if message["author"]["id"] == alice.id:
                seen.append(message["content"])
            arrived.set()

        async with BridgeApp(url, secret, app_name="board", timing=QUICK) as app:
            app.on("messageCreate", note)
            app.on_gap(gaps.append)
            granted = await app.ready(timeout=30)
            assert granted.actions == ("sendMessage",)

            async def talk() -> None:
                for number in range(60):
                    await fake.post(alice, fake.general, f"talk {number}")

            async def act() -> None:
                for number in range(20):
                    await app.actions.send_message(
                        channel_id=fake.general.id, content=f"posted {number}", idempotency_key=f"k{number}", timeout=60
                    )

            talking, acting = asyncio.ensure_future(talk()), asyncio.ensure_future(act())
            await fake.wait_for(lambda: any(one.content == "posted 6" for one in fake.messages(fake.general)))
            await daemon.kill()
            await daemon.start()
            await asyncio.wait_for(asyncio.gather(talking, acting), 60)
            async with asyncio.timeout(30):
                while len(set(seen)) < 60:
                    arrived.clear()
                    await arrived.wait()
            # Events come at least once: what was told before the kill, and not journaled yet, is told again.
            assert set(seen) == {f"talk {number}" for number in range(60)}
            posted = [one.content for one in fake.messages(fake.general) if one.content.startswith("posted")]
            assert sorted(posted) == sorted(f"posted {number}" for number in range(20))
            assert {gap.reason for gap in gaps} <= {"source_interrupted"}
        health = await daemon.health()
        assert health["bridge"]["state"] == "serving"
        assert secret not in daemon.output


async def test_secrets_are_made_rotated_and_revoked_while_it_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as (fake, daemon, url):
        data = daemon.data_dir
        first = await phantom("bridge", "secret", "new", "mod", "--action", "sendMessage", data_dir=data)
        async with BridgeApp(url, first, timing=QUICK) as old:
            await old.ready(timeout=30)
            second = await phantom("bridge", "secret", "rotate", "mod", "--overlap-hours", "1", data_dir=data)
            async with BridgeApp(url, second, timing=QUICK) as new:
                await new.ready(timeout=30)
                sent: Any = await new.actions.send_message(channel_id=fake.general.id, content="hello")
                assert sent["content"] == "hello"
                assert old.connected
                await phantom("bridge", "secret", "revoke", "mod", data_dir=data)
                for app in (old, new):
                    await refused(app)
        rows = json.loads(await phantom("bridge", "audit", "--json", data_dir=data))
        assert {row.get("action") for row in rows} >= {"secret new", "secret rotate", "secret revoke", "sendMessage"}
        assert not any(text in json.dumps(rows) for text in (first, second, "hello"))


async def refused(app: BridgeApp) -> None:
    """Wait until the bridge has cut the app for good."""
    with pytest.raises(SecretRefused):
        await asyncio.wait_for(app.until(asyncio.Event()), 30)
