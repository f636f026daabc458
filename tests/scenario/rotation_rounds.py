"""Everything that can rotate, rotated `rounds` times in a running daemon under load: what the suite does twice and
`make prove` does twenty times. Each function starts a daemon of its own and asserts everything itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from phantom.bridge.protocol import Close
from phantom.bridge.secret_value import new_secret
from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_model import FakeModel
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from phantom.testing.fake_slack.model import FakeUser
from tests.scenario import rotation_kit as kit
from tests.scenario import rotation_webhook
from tests.scenario.bridge_kit import RawApp
from tests.scenario.webhook_kit import SECRET

HERE = Path(__file__).parent
RETRY = RetrySchedule((0.1,), forever=True)
ACK_WITHIN = 30.0
"""Ten times what Slack gives: it is a refusal that must not come, and a slow answer is none."""
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
    await daemon.until_logged("secrets_reread", count + 1, within=30)


async def phantom(*arguments: str, daemon: DaemonProcess) -> str:
    """What a `phantom` command printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "phantom", *arguments, "--data-dir", str(daemon.data_dir),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=daemon.data_dir.parent,
    )  # fmt: skip
    out, trouble = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, trouble.decode()
    return out.decode().strip()


@dataclass(kw_only=True)
class Tenant:
    """A daemon that has everything from the metadata service, both platforms, a model, and two programs."""

    slack: FakeSlack
    fake: FakeDiscord
    metadata: FakeMetadata
    model: FakeModel
    daemon: DaemonProcess
    load: kit.Load
    signer: kit.Signer
    board: kit.Program
    mod: kit.Program
    given: set[str]
    live: kit.Signer
    guesser: aiohttp.ClientSession

    async def guess(self, number: str) -> None:
        """Log in to the bridge with what is none of its secrets, and with the older values of one. Whoever guesses is
        locked out after a while; the apps, which come from the same address, must not notice.
        """
        forged = [new_secret(), *self.live.forged]
        async with self.guesser.ws_connect(self.board.url) as socket:
            app = RawApp(socket, 3)
            await app.send("auth.hello", {"secret": forged[self.load.done["guessed"] % len(forged)]})
            assert await app.closed() in (Close.BAD_SECRET, Close.TOO_MANY_ATTEMPTS)

    async def rotate_gateway_secret(self) -> None:
        fresh = secrets.token_hex(32)
        self.metadata.rotate("slack_gateway_signing_secret", fresh)
        await reread(self.daemon)
        self.signer.renew(fresh)
        await self.load.further()

    async def rotate_tokens(self) -> None:
        """The old ones are dead at that moment."""
        self.metadata.rotate("slack_bot_token", self.slack.app.rotate_bot_token())
        await self.load.further()
        self.metadata.rotate("discord_bot_token", self.fake.faults.revoke_token())
        await self.load.further()

    async def rotate_model_key(self) -> None:
        key = secrets.token_hex(16)
        self.model.keys = {key}
        self.metadata.rotate("openai_api_key", key)
        self.given.add(key)
        await self.load.further()

    async def rotate_bridge_secrets(self) -> None:
        live = secrets.token_hex(20)
        self.metadata.rotate("board_bridge_secret", live)
        self.live.renew(live)
        await reread(self.daemon)
        own = await phantom("bridge", "secret", "rotate", "mod", "--overlap-hours", "1", daemon=self.daemon)
        before = [await self.board.move(live), await self.mod.move(own)]
        await self.load.further()
        for app in before:
            assert app is not None
            assert app.connected, "the old value is good for the overlap"
            await app.close()
        self.given |= {live, own}

    def check(self, users: list[FakeUser]) -> None:
        """Everything was answered and done once, and no value was shown."""
        _no_refusals(self.slack)
        answers = kit.slack_answers(self.slack, users)
        for one in self.fake.messages(self.fake.general):
            if one.author.id == self.fake.bot.id:
                answers.update(kit.ANSWER.findall(one.content))
        assert {number: answers[number] for number in self.load.asked} == dict.fromkeys(self.load.asked, 1)
        posted = sorted(one.content for one in self.fake.messages(self.board.place))
        assert posted == sorted(self.board.posted + self.mod.posted)
        assert self.fake.violations == []
        values = {*self.given, *self.signer.retired, self.signer.secret, self.fake.token, self.slack.bot_token}
        assert not [value for value in values if value in self.daemon.output]


async def everything_of_a_tenant(folder: Path, rounds: int) -> dict[str, float]:
    """Gateway signing secret, Slack bot token, Discord token, model key, both kinds of bridge secrets."""
    async with AsyncExitStack() as stack:
        tenant, live = await _tenant(stack, folder)
        slack, daemon, load = tenant.slack, tenant.daemon, tenant.load
        own = await phantom("bridge", "secret", "new", "mod", "--action", "sendMessage", daemon=daemon)
        await tenant.board.move(live)
        await tenant.mod.move(own)
        tenant.given |= {live, own}
        users = [slack.add_user(f"u{number}") for number in range(2)]
        for name, user in zip("ab", users, strict=True):
            load.keep(f"slack{name}", kit.ask_on_slack(slack, user))
        load.keep("discord", kit.ask_on_discord(tenant.fake))
        load.keep("live", tenant.board.act, counts=False)
        load.keep("own", tenant.mod.act, counts=False)
        load.keep("forged", kit.forge(load, slack, tenant.signer, "gateway"), counts=False)
        load.keep("guessed", tenant.guess, counts=False)
        await load.further()
        for _ in range(rounds):
            await tenant.rotate_gateway_secret()
            await tenant.rotate_tokens()
            await tenant.rotate_model_key()
            await tenant.rotate_bridge_secrets()
        await load.end()
        tenant.check(users)
        return kit.figures(load)


async def _tenant(stack: AsyncExitStack, folder: Path) -> tuple[Tenant, str]:
    """Everything started, and the value of the bridge secret that follows its source."""
    (folder / "config").mkdir()
    (folder / "config/phantom.yaml").write_text(PHANTOM_YAML)
    slack = await stack.enter_async_context(FakeSlack(transport="http"))
    fake = await stack.enter_async_context(FakeDiscord())
    metadata = await stack.enter_async_context(FakeMetadata())
    key, live, signer = secrets.token_hex(16), secrets.token_hex(20), kit.Signer()
    model = await stack.enter_async_context(FakeModel(keys=[key]))
    model.answer_by(kit.say_answer)
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
    daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=folder / "data"))
    await daemon.until(lambda health: health["channels"]["discord"]["state"] == "ready", 30)
    slack.deliver_over_http(
        daemon.url, profile="gateway", secret=lambda: signer.secret, schedule=RETRY, timeout=ACK_WITHIN
    )
    place, url = fake.add_channel("board"), f"ws://127.0.0.1:{daemon.port}/bridge"
    tenant = Tenant(
        slack=slack,
        fake=fake,
        metadata=metadata,
        model=model,
        daemon=daemon,
        load=await stack.enter_async_context(kit.load(daemon)),
        signer=signer,
        board=kit.Program(url=url, place=place, stack=stack),
        mod=kit.Program(url=url, place=place, stack=stack),
        given={key},
        live=kit.Signer(secret=live),
        guesser=await stack.enter_async_context(aiohttp.ClientSession()),
    )
    return tenant, live


async def signing_secret_of_slack(folder: Path, rounds: int) -> dict[str, float]:
    """Profile `direct`: Slack itself signs, and its secret is regenerated."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="http"))
        metadata = await stack.enter_async_context(FakeMetadata())
        signer = kit.Signer()
        metadata.rotate("slack_bot_token", slack.bot_token)
        metadata.rotate("slack_signing_secret", signer.secret)
        env = {
            "SLACK_TRANSPORT": "http",
            "SLACK_HTTP_PROFILE": "direct",
            "SLACK_API_BASE_URL": slack.api_url,
            "SECRET_SOURCE": "metadata",
            "PHANTOM_METADATA_URL": metadata.url,
            "PHANTOM_AGENT": "obedient_agent:make",
            "GATES": str(folder),
        }
        daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=folder / "data", python_path=[HERE]))
        slack.deliver_over_http(
            daemon.url, profile="direct", secret=lambda: signer.secret, schedule=RETRY, timeout=ACK_WITHIN
        )
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
            metadata.rotate("slack_bot_token", slack.app.rotate_bot_token())
            await load.further()
        await load.end()
        _no_refusals(slack)
        answers = kit.slack_answers(slack, users)
        assert {number: answers[number] for number in load.asked} == dict.fromkeys(load.asked, 1)
        return kit.figures(load)


async def tokens_of_socket_mode(folder: Path, rounds: int) -> dict[str, float]:
    """App token: the new socket is there before the old one goes. Bot token: refused once, fetched, used. A webhook is
    posted to meanwhile.
    """
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(transport="socket"))
        metadata = await stack.enter_async_context(FakeMetadata())
        slack.sockets.schedule, slack.sockets.ack_timeout = RETRY, ACK_WITHIN
        metadata.rotate("slack_bot_token", slack.bot_token)
        metadata.rotate("slack_app_token", slack.app_token)
        env = {
            "SLACK_TRANSPORT": "socket",
            "SLACK_API_BASE_URL": slack.api_url,
            "SECRET_SOURCE": "metadata",
            "PHANTOM_METADATA_URL": metadata.url,
            "PHANTOM_AGENT": "obedient_agent:make",
            "GATES": str(folder),
            "WEBHOOK_SECRET_DEFAULT": SECRET,
        }
        daemon = await stack.enter_async_context(DaemonProcess(env=env, data_dir=folder / "data", python_path=[HERE]))
        users = [slack.add_user(f"u{number}") for number in range(2)]
        load = await stack.enter_async_context(kit.load(daemon))
        for name, user in zip("ab", users, strict=True):
            load.keep(f"slack{name}", kit.ask_on_slack(slack, user))
        await rotation_webhook.beside(stack, load, f"{daemon.url}/webhook/default")
        await load.further()
        served = slack.sockets.connections[0]
        metadata.rotate("slack_app_token", "xapp-1-of-another-app")
        os.kill(daemon.pid, signal.SIGHUP)
        await daemon.until_logged("slack_app_token_not_usable")
        await load.further()
        assert slack.sockets.connections == [served], "a token that Slack refuses costs no socket"
        for number in range(rounds):
            await _new_app_token(slack, metadata, daemon)
            await load.further()
            metadata.rotate(
                "slack_bot_token", slack.app.rotate_bot_token(("token_revoked", "token_expired")[number % 2])
            )
            await load.further()
        await load.end()
        # Slack is not told before the close that we leave a socket by ourselves: what it sent into the last moment is
        # not refused but sent again on the new one.
        _no_refusals(slack, excused="connection_lost")
        answers = kit.slack_answers(slack, users)
        asked = [number for number in load.asked if number.startswith("slack")]
        assert {number: answers[number] for number in asked} == dict.fromkeys(asked, 1)
        assert await rotation_webhook.turns(daemon) == len(load.asked)
        health = await daemon.health()
        assert health["channels"]["slack"]["restarts"] == 0
        return kit.figures(load)


async def _new_app_token(slack: FakeSlack, metadata: FakeMetadata, daemon: DaemonProcess) -> None:
    """Wait until the old socket has gone; there is never none."""
    before = slack.sockets.connections[0]
    calls = len(slack.calls_of("apps.connections.open"))
    metadata.rotate("slack_app_token", slack.app.rotate_app_token())
    least = 1
    async with slack.subscribe() as feed:
        os.kill(daemon.pid, signal.SIGHUP)
        async with asyncio.timeout(30):
            async for _ in feed:
                least = min(least, len(slack.sockets.connections))
                if before not in slack.sockets.connections:
                    break
    assert least == 1, "the old socket went before the new one was there"
    assert len(slack.calls_of("apps.connections.open")) == calls + 1


def _no_refusals(slack: FakeSlack, *, excused: str = "") -> None:
    found = kit.refused(slack, excused=excused)
    assert not found, f"{len(found)} of {len(slack.delivered.all)} were not taken at once: {found[:5]}"
