"""Everything that can rotate, rotated `rounds` times in a running daemon under load: what the suite does twice and
`make prove` does twenty times. Each function starts a daemon of its own and asserts everything itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from phantom.bridge.client import BridgeApp, SecretRefused
from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_model import FakeModel
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario import rotation_kit as kit

RETRY = RetrySchedule((0.1,), forever=True)
PHANTOM_YAML = """
secrets:
  declare: {board_bridge_secret: bridge}
bridge:
  secrets:
    - id: board
      value: ${secret:board_bridge_secret}
      allow: {actions: [sendMessage]}
"""


async def reread(daemon: DaemonProcess) -> None:
    """SIGHUP, and wait until the daemon has read its sources."""
    count = len(daemon.events("secrets_reread"))
    os.kill(daemon.pid, signal.SIGHUP)
    await daemon.until_logged("secrets_reread", count + 1, within=20)


async def phantom(*arguments: str, daemon: DaemonProcess) -> str:
    """What a `phantom` command printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "phantom", *arguments, "--data-dir", str(daemon.data_dir),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=daemon.data_dir.parent,
    )  # fmt: skip
    out, trouble = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, trouble.decode()
    return out.decode().strip()


async def everything_of_a_tenant(folder: Path, rounds: int) -> dict[str, float]:
    """Gateway signing secret, Slack bot token, Discord token, model key, both kinds of bridge secrets."""
    (folder / "config").mkdir()
    (folder / "config/phantom.yaml").write_text(PHANTOM_YAML)
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="http"))
        fake = await stack.enter_async_context(FakeDiscord())
        metadata = await stack.enter_async_context(FakeMetadata())
        key = secrets.token_hex(16)
        model = await stack.enter_async_context(FakeModel(keys=[key]))
        model.answer_by(kit.say_answer)
        signer = kit.Signer()
        live = secrets.token_hex(20)
        env = gateway_env(slack, metadata, secret=signer.secret) | {
            "SECRET_SOURCE": "metadata",
            "DISCORD_TRANSPORT": "gateway",
            "DISCORD_API_BASE_URL": fake.api_url,
            "PHANTOM_MODEL": "openai:any",
            "PHANTOM_MODEL_BASE_URL": model.openai_url,
            "PHANTOM_BRIDGE_ENABLED": "true",
            "PHANTOM_CONFIG_DIR": str(folder / "config"),
        }
        metadata.identity["discord"] = {"application_id": fake.application_id, "public_key": "0" * 64}
        metadata.rotate("discord_bot_token", fake.token)
        metadata.rotate("openai_api_key", key)
        metadata.rotate("board_bridge_secret", live)
        daemon = await stack.enter_async_context(
            DaemonProcess(env=env, data_dir=folder / "data", ready_within=30)
        )
        await daemon.until(lambda health: health["channels"]["discord"]["state"] == "ready", 30)
        slack.deliver_over_http(daemon.url, profile="gateway", secret=lambda: signer.secret, schedule=RETRY)
        url = f"ws://127.0.0.1:{daemon.port}/bridge"
        own = await phantom("bridge", "secret", "new", "mod", "--action", "sendMessage", daemon=daemon)
        users = [slack.add_user(f"u{number}") for number in range(2)]
        given = {live, own, key}

        load = await stack.enter_async_context(kit.load(daemon))
        board = fake.add_channel("board")
        programs = [kit.Program(url=url, place=board, stack=stack) for _ in range(2)]
        await programs[0].move(live)
        await programs[1].move(own)
        for name, user in zip("ab", users, strict=True):
            load.keep(f"slack{name}", kit.ask_on_slack(slack, user))
        load.keep("discord", kit.ask_on_discord(fake))
        load.keep("live", programs[0].act, counts=False)
        load.keep("own", programs[1].act, counts=False)
        load.keep("forged", kit.forge(load, slack, signer, "gateway"), counts=False)
        await load.further()
        for _ in range(rounds):
            fresh = secrets.token_hex(32)
            metadata.rotate("slack_gateway_signing_secret", fresh)
            await reread(daemon)
            signer.renew(fresh)
            await load.further()

            metadata.rotate("slack_bot_token", slack.app.rotate_bot_token())
            await load.further()

            metadata.rotate("discord_bot_token", fake.faults.revoke_token())
            await load.further()

            key = secrets.token_hex(16)
            model.keys = {key}
            metadata.rotate("openai_api_key", key)
            await load.further()

            live = secrets.token_hex(20)
            metadata.rotate("board_bridge_secret", live)
            await reread(daemon)
            own = await phantom("bridge", "secret", "rotate", "mod", "--overlap-hours", "1", daemon=daemon)
            before = [await programs[0].move(live), await programs[1].move(own)]
            await load.further()
            for app in before:
                assert app is not None
                assert app.connected, "the old value is good for the overlap"
                await app.close()
            given |= {live, own, key}
        await load.end()

        assert kit.refused(slack) == []
        answers = kit.slack_answers(slack, users)
        answers.update(
            number
            for one in fake.messages(fake.general)
            for number in kit.ANSWER.findall(one.content)
            if one.author.id == fake.bot.id
        )
        assert {number: answers[number] for number in load.asked} == dict.fromkeys(load.asked, 1)
        posted = sorted(one.content for one in fake.messages(board))
        assert posted == sorted(text for program in programs for text in program.posted)
        assert await _bridge_refuses(url, "phb_nobody-ever-made-this-one")
        assert fake.violations == []
        assert not [value for value in {*given, *signer.retired, signer.secret, fake.token} if value in daemon.output]
        return _figures(load)


async def signing_secret_of_slack(folder: Path, rounds: int) -> dict[str, float]:
    """Profile `direct`: Slack itself signs, and its secret is regenerated."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="http"))
        metadata = await stack.enter_async_context(FakeMetadata())
        model = await stack.enter_async_context(FakeModel())
        model.answer_by(kit.say_answer)
        signer = kit.Signer()
        metadata.rotate("slack_bot_token", slack.bot_token)
        metadata.rotate("slack_signing_secret", signer.secret)
        metadata.rotate("openai_api_key", secrets.token_hex(16))
        env = {
            "SLACK_TRANSPORT": "http",
            "SLACK_HTTP_PROFILE": "direct",
            "SLACK_API_BASE_URL": slack.api_url,
            "SECRET_SOURCE": "metadata",
            "PHANTOM_METADATA_URL": metadata.url,
            "PHANTOM_MODEL": "openai:any",
            "PHANTOM_MODEL_BASE_URL": model.openai_url,
        }
        daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=folder / "data"))
        slack.deliver_over_http(daemon.url, profile="direct", secret=lambda: signer.secret, schedule=RETRY)
        users = [slack.add_user(f"u{number}") for number in range(2)]
        load = await stack.enter_async_context(kit.load(daemon))
        for name, user in zip("ab", users, strict=True):
            load.keep(f"slack{name}", kit.ask_on_slack(slack, user))
        await load.further()
        for _ in range(rounds):
            fresh = secrets.token_hex(16)
            metadata.rotate("slack_signing_secret", fresh)
            signer.renew(fresh)  # no announcement: the first post under the new one makes Phantom look
            await load.further()
        load.keep("forged", kit.forge(load, slack, signer, "direct"), counts=False)
        for _ in range(rounds):
            fresh = secrets.token_hex(16)
            metadata.rotate("slack_signing_secret", fresh)
            await reread(daemon)
            signer.renew(fresh)
            await load.further()
        await load.end()
        assert kit.refused(slack) == []
        answers = kit.slack_answers(slack, users)
        assert {number: answers[number] for number in load.asked} == dict.fromkeys(load.asked, 1)
        return _figures(load)


async def tokens_of_socket_mode(folder: Path, rounds: int) -> dict[str, float]:
    """App token: the new socket is there before the old one goes. Bot token: refused once, fetched, used."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="socket"))
        metadata = await stack.enter_async_context(FakeMetadata())
        model = await stack.enter_async_context(FakeModel())
        model.answer_by(kit.say_answer)
        slack.sockets.schedule = RETRY
        metadata.rotate("slack_bot_token", slack.bot_token)
        metadata.rotate("slack_app_token", slack.app_token)
        metadata.rotate("openai_api_key", secrets.token_hex(16))
        env = {
            "SLACK_TRANSPORT": "socket",
            "SLACK_API_BASE_URL": slack.api_url,
            "SECRET_SOURCE": "metadata",
            "PHANTOM_METADATA_URL": metadata.url,
            "PHANTOM_MODEL": "openai:any",
            "PHANTOM_MODEL_BASE_URL": model.openai_url,
        }
        daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=folder / "data"))
        users = [slack.add_user(f"u{number}") for number in range(2)]
        load = await stack.enter_async_context(kit.load(daemon))
        for name, user in zip("ab", users, strict=True):
            load.keep(f"slack{name}", kit.ask_on_slack(slack, user))
        await load.further()
        for number in range(rounds):
            before = slack.sockets.connections[0]
            calls = len(slack.calls_of("apps.connections.open"))
            metadata.rotate("slack_app_token", slack.app.rotate_app_token())
            least = 1
            async with slack.subscribe() as feed:
                os.kill(daemon.pid, signal.SIGHUP)
                async with asyncio.timeout(20):
                    async for _ in feed:
                        least = min(least, len(slack.sockets.connections))
                        if before not in slack.sockets.connections:
                            break
            assert least == 1, "the old socket went before the new one was there"
            assert len(slack.calls_of("apps.connections.open")) == calls + 1
            await load.further()
            metadata.rotate("slack_bot_token", slack.app.rotate_bot_token(("token_revoked", "token_expired")[number % 2]))
            await load.further()
        await load.end()
        assert kit.refused(slack) == []
        answers = kit.slack_answers(slack, users)
        assert {number: answers[number] for number in load.asked} == dict.fromkeys(load.asked, 1)
        health = await daemon.health()
        assert health["channels"]["slack"]["restarts"] == 0
        return _figures(load)


async def _bridge_refuses(url: str, secret: str) -> bool:
    async with BridgeApp(url, secret, timing=kit.QUICK) as app:
        try:
            await app.ready(timeout=10)
        except SecretRefused:
            return True
    return False


def _figures(load: kit.Load) -> dict[str, float]:
    """What to show: answered by asker, forged posts that were refused, the slowest answer in seconds."""
    figures = {**load.done, "forged": load.forged, "slowest": round(load.slowest, 2)}
    sys.stdout.write(json.dumps(figures) + "\n")
    return figures
