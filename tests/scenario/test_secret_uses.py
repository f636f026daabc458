"""A secret that verifies is used: `phantom secrets list` says when last, and which of two values fits is counted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from config.inventory_file import InventoryFile
from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_slack import FakeSlack
from tests.scenario.bridge_kit import RawApp
from tests.scenario.cli_kit import command
from tests.scenario.rotation_rounds import phantom, reread
from tests.scenario.webhook_kit import BACKUP, SECRET, plain, standard, until

HERE = Path(__file__).parent
OLD, NEW, LIVE, LATER = "old-signing-" * 4, "new-signing-" * 4, "one-live-bridge-value-1", "another-live-bridge-val"
USED = ("slack_gateway_signing_secret", "webhook_secret_default", "live_bridge_secret", "bridge:made")
PHANTOM_YAML = """
secrets: {declare: {live_bridge_secret: bridge}}
bridge:
  secrets:
    - {id: live, value: "${secret:live_bridge_secret}", allow: {actions: [slack.postMessage]}}
"""


async def login(daemon: DaemonProcess, session: aiohttp.ClientSession, secret: str) -> None:
    async with session.ws_connect(f"ws://127.0.0.1:{daemon.port}/bridge") as socket:
        app = RawApp(socket, 3)
        await app.send("auth.hello", {"secret": secret})
        await app.expect("auth.ok")


async def ask(daemon: DaemonProcess, session: aiohttp.ClientSession, headers: dict[str, str], body: bytes) -> None:
    async with session.post(f"{daemon.url}/webhook/default", data=body, headers=headers) as answer:
        assert answer.status == 200


async def rows(folder: Path, env: dict[str, str]) -> dict[str, dict[str, Any]]:
    environ = {**env, "PHANTOM_DATA_DIR": str(folder / "data")}
    done = await command("secrets", "list", "--json", "--offline", cwd=folder, environ=environ)
    return {row["name"]: row for row in json.loads(done.stdout)["secrets"]}


async def test_verifying_is_a_use_and_counted_by_value(tmp_path: Path) -> None:
    async with FakeSlack(transport="http") as slack, FakeMetadata() as metadata, aiohttp.ClientSession() as session:
        (tmp_path / "config").mkdir()
        (tmp_path / "config/phantom.yaml").write_text(PHANTOM_YAML)
        metadata.rotate("live_bridge_secret", LIVE)
        env = gateway_env(slack, metadata, secret=OLD) | {
            "SECRET_SOURCE": "metadata",
            "PHANTOM_AGENT": "obedient_agent:make",
            "PHANTOM_BRIDGE_ENABLED": "true",
            "PHANTOM_CONFIG_DIR": str(tmp_path / "config"),
            "WEBHOOK_SECRET_DEFAULT": SECRET,
            "WEBHOOK_SECRET_BACKUP": BACKUP,
        }
        async with DaemonProcess(env=env, data_dir=tmp_path / "data", cwd=tmp_path, python_path=[HERE]) as daemon:
            made = await phantom("bridge", "secret", "new", "made", "--action", "slack.postMessage", daemon=daemon)
            await until(lambda: seen(tmp_path / "data"))
            assert {name: InventoryFile(tmp_path / "data").load().secrets[name].last_used for name in USED} == (
                dict.fromkeys(USED)
            ), "being there, and being checked, is no use"
            signed_with = [OLD]
            slack.deliver_over_http(daemon.url, profile="gateway", secret=lambda: signed_with[0], timeout=30.0)
            await answered(slack)
            body = orjson.dumps({"text": "hello"})
            await ask(daemon, session, standard(body), body)
            await login(daemon, session, LIVE)
            await login(daemon, session, made)
            metadata.rotate("slack_gateway_signing_secret", NEW)
            metadata.rotate("live_bridge_secret", LATER)
            await reread(daemon)
            later = await phantom("bridge", "secret", "rotate", "made", "--overlap-hours", "1", daemon=daemon)

            async def old_counts_as_previous() -> bool:
                await answered(slack)
                return (await daemon.metrics())['phantom_slack_verified_total{secret="previous"}'] >= 1

            await until(old_counts_as_previous)
            for secret in (LIVE, LATER, LATER, later, made):
                await login(daemon, session, secret)
            signed_with[0] = NEW
            await answered(slack)
            await ask(daemon, session, plain(body, secret=BACKUP), body)
            found = await daemon.metrics()
            counted = {name.partition("phantom_")[2]: value for name, value in found.items() if "_verified_" in name}
            assert counted.pop('slack_verified_total{secret="current"}') >= 2
            del counted['slack_verified_total{secret="previous"}']
            assert counted == {
                'webhook_verified_total{endpoint="default",secret="default"}': 1,
                'webhook_verified_total{endpoint="default",secret="backup"}': 1,
                'bridge_verified_total{secret="live",value="current"}': 3,
                'bridge_verified_total{secret="live",value="previous"}': 1,
                'bridge_verified_total{secret="made",value="current"}': 2,
                'bridge_verified_total{secret="made",value="previous"}': 1,
            }
            os.kill(daemon.pid, signal.SIGTERM)
            assert await daemon.wait() == 0
        listed = await rows(tmp_path, env)
        for name in (*USED, "webhook_secret_backup"):
            assert listed[name]["last_used"] is not None, name


async def seen(data: Path) -> bool:
    return InventoryFile(data).load().secrets.keys() >= set(USED)


async def answered(slack: FakeSlack) -> None:
    question = await slack.post(slack.owner, slack.dm(slack.owner), "hello")
    await slack.wait_for(lambda: slack.replies(question))
