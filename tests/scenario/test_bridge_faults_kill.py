"""SIGKILL while an action runs, and after it was done: what its key is worth in the next life of the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from phantom.bridge.secret_file import SecretFile, StoredAllow, StoredSecret, StoredValue
from phantom.bridge.secret_value import digest
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord
from tests.scenario.bridge_kit import RawApp

SECRET = "dashboard-secret-0001"


class Link:
    """A version-2 app that logs in."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._url = f"ws://127.0.0.1:{daemon.port}/shardwire"

    async def __aenter__(self) -> RawApp:
        self._http = aiohttp.ClientSession()
        app = RawApp(await self._http.ws_connect(self._url), 2)
        await app.send("auth.hello", {"secret": SECRET, "appName": "board"})
        await app.expect("auth.ok")
        return app

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.close()


async def test_keys_outlive_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    allow = StoredAllow(actions=("sendMessage", "createThread"))
    board = StoredSecret(allow=allow, values=(StoredValue(hash=digest(SECRET), created_at=0.0),))
    SecretFile(data / "bridge").change(lambda stored: type(stored)(secrets={"board": board}))
    async with FakeDiscord() as fake:
        env = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url}
        daemon = DaemonProcess(env=env, data_dir=data)
        try:
            await daemon.start()
            send: dict[str, Any] = {"channelId": fake.general.id, "content": "once and for all"}
            make: dict[str, Any] = {"parentChannelId": fake.general.id, "name": "lobby"}
            async with Link(daemon) as app:
                first = await app.act("sendMessage", send, idempotencyKey="sent")
                assert first["ok"], first
                fake.faults.hang("create_thread")
                asked = {"name": "createThread", "data": make, "idempotencyKey": "made"}
                await app.send("action.request", asked, "made")
                await fake.wait_for(lambda: bool(fake.calls_of("create_thread")))
                await daemon.kill()
            await daemon.start()
            async with Link(daemon) as app:
                again = await app.act("sendMessage", send, idempotencyKey="sent")
                assert again["data"]["id"] == first["data"]["id"]
                reused = await app.act("sendMessage", send | {"content": "another"}, idempotencyKey="sent")
                assert reused["error"]["details"]["reason"] == "idempotency_key_reused"
                unknown = await app.act("createThread", make, idempotencyKey="made")
                assert unknown["error"]["code"] == "SERVICE_UNAVAILABLE"
                assert unknown["error"]["details"]["unknown"] is True
                assert unknown["error"]["details"]["retryable"] is False
                anew = await app.act("createThread", make, idempotencyKey="on purpose")
                assert anew["ok"], anew
            assert [one.content for one in fake.messages(fake.general)].count("once and for all") == 1
            rows = [json.loads(line) for line in (data / "bridge" / "audit.jsonl").read_text().splitlines()]
            assert [row["outcome"] for row in rows if row["kind"] == "auth"] == ["ok", "ok"]
            assert [row["outcome"] for row in rows if row["kind"] == "action"] == ["ok", "ok", "failed", "failed", "ok"]
            assert "once and for all" not in json.dumps(rows)
        finally:
            await daemon.aclose()
