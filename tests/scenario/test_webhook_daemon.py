"""The webhook channel in the real daemon: one after another what an integrator meets, and SIGKILL in between."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from channels.webhook import usage
from phantom.testing.daemon_process import DaemonProcess
from tests.scenario.webhook_kit import (
    BACKUP,
    SECRET,
    CallbackServer,
    callback_server,
    plain,
    standard,
    until,
)

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/how-to/webhook.md"
PATIENT, HASTY = "100", "1"
"""Seconds that a post waits for its answer: where it is to come, however busy the machine is, and where it is not."""


class Sender:
    """Another program that talks to the daemon."""

    def __init__(self, daemon: DaemonProcess, session: aiohttp.ClientSession) -> None:
        self.daemon = daemon
        self.session = session

    async def post(self, fields: dict[str, Any], headers: dict[str, str], path: str) -> tuple[int, dict[str, Any]]:
        body = orjson.dumps(fields)
        async with self.session.post(self.daemon.url + path, data=body, headers=headers) as answer:
            found: dict[str, Any] = orjson.loads(await answer.read())
            return answer.status, found

    async def ask(self, text: str, *, secret: str = SECRET, **more: Any) -> tuple[int, dict[str, Any]]:
        fields = {"text": text, "user": {"id": "ann"}} | more
        return await self.post(fields, standard(orjson.dumps(fields), secret=secret), "/webhook/default")

    async def fetch(self, task: str) -> tuple[int, dict[str, Any]]:
        fields = {"task": task}
        return await self.post(fields, plain(orjson.dumps(fields)), "/webhook/default/tasks")

    async def answered(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            status, found = await self.fetch(task)
            return status == 200

        await until(there)
        return found


async def test_a_day_of_an_integration(tmp_path: Path) -> None:
    gates = tmp_path / "gates"
    gates.mkdir()
    env = {
        "WEBHOOK_SECRET_DEFAULT": SECRET,
        "WEBHOOK_SECRET_BACKUP": BACKUP,
        "WEBHOOK_DEADLINE": PATIENT,
        "WEBHOOK_INSECURE_CALLBACKS": "true",
        "WEBHOOK_CALLBACK_RETRY_SECONDS": "0.1",
        "WEBHOOK_CALLBACK_ATTEMPTS": "20",
        "WEBHOOK_ALLOWED_USERS": "ann bob",
        "PHANTOM_AGENT": "obedient_agent:make",
        "GATES": str(gates),
        "HTTP_PROXY": "http://127.0.0.1:9",  # nobody there: a callback through it would not arrive
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    daemon = DaemonProcess(env=env, data_dir=tmp_path / "data", python_path=[HERE])
    async with callback_server() as server, daemon, aiohttp.ClientSession() as session:
        sender = Sender(daemon, session)
        await _talks(sender)
        await _is_refused(sender)
        await _survives_a_kill_while_the_agent_works(sender, gates)
        await _survives_a_kill_between_answer_and_callback(sender, server)
        await _follows_the_page(sender)
        await _is_observed(sender, tmp_path / "data")
        assert await daemon.stop() == 0
        assert SECRET not in daemon.output
        assert BACKUP not in daemon.output


async def _talks(sender: Sender) -> None:
    status, answer = await sender.ask("hello", conversation="ops")
    assert (status, answer["text"], answer["conversation"]) == (200, "heard: hello", "ops")
    status, answer = await sender.ask("history", secret=BACKUP, conversation="ops")
    assert (status, answer["text"]) == (200, "before: user:hello | assistant:heard: hello")
    status, answer = await sender.ask("history")
    assert (status, answer["text"]) == (200, "before: "), "another conversation, another history"
    status, answer = await sender.ask("raise something")
    assert (status, answer["status"]) == (502, "failed")


async def _is_refused(sender: Sender) -> None:
    status, answer = await sender.ask("hello", user={"id": "eve"})
    assert (status, answer["status"]) == (403, "refused")
    assert (await sender.ask("hello", secret=SECRET[:-8] + "AAAAAAA="))[0] == 401


async def _survives_a_kill_while_the_agent_works(sender: Sender, gates: Path) -> None:
    assert await sender.daemon.stop() == 0
    sender.daemon.env["WEBHOOK_DEADLINE"] = HASTY
    await sender.daemon.start()
    status, late = await sender.ask("gate slow")
    assert (status, late["status"]) == (504, "pending")
    await sender.daemon.kill()
    sender.daemon.env["WEBHOOK_DEADLINE"] = PATIENT
    await sender.daemon.start()
    assert (await sender.fetch(late["task"]))[0] == 202
    (gates / "slow").touch()
    assert (await sender.answered(late["task"]))["text"] == "passed slow"


async def _survives_a_kill_between_answer_and_callback(sender: Sender, server: CallbackServer) -> None:
    """The receiver refuses, then says nothing until the daemon was killed: it is called again, by the same id with the
    same body.
    """
    server.script = [500]
    status, accepted = await sender.ask("call me", callback_url=server.url)
    assert status == 202
    await server.until(1)
    held = server.hold = asyncio.Event()
    await server.until(2)
    await sender.daemon.kill()
    server.hold = None
    held.set()
    await sender.daemon.start()

    async def delivered() -> bool:
        return (await sender.fetch(accepted["task"]))[1].get("callback") == "delivered"

    await until(delivered)
    assert {one.id for one in server.taken} == {accepted["task"]}
    assert len({one.body for one in server.taken}) == 1
    assert len(server.taken) == 3
    assert server.taken[-1].data["text"] == "heard: call me"


async def _follows_the_page(sender: Sender) -> None:
    """The commands of the how-to page, as they stand there."""
    if shutil.which("curl") is None or shutil.which("openssl") is None:
        warnings.warn("curl or openssl is not installed: the page's examples were not tried", stacklevel=1)
        return
    page = await asyncio.to_thread(PAGE.read_text)
    ask, fetch = (block for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "curl" in block)

    async def shell(script: str, **more: str) -> dict[str, Any]:
        script = script.replace("http://127.0.0.1:3100", sender.daemon.url).replace(
            '{"text"', '{"user":{"id":"bob"},"text"'
        )
        env = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET_DEFAULT": SECRET} | more
        process = await asyncio.create_subprocess_exec(
            "sh", "-euc", script, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, errors = await asyncio.wait_for(process.communicate(), 100)
        assert process.returncode == 0, errors.decode()
        found: dict[str, Any] = orjson.loads(out)
        return found

    answer = await shell(ask)
    assert answer["text"] == "heard: hello"
    assert await shell(fetch, task=answer["task"]) == answer


async def _is_observed(sender: Sender, data: Path) -> None:
    health = await sender.daemon.health()
    (channel,) = health["channels"] if isinstance(health["channels"], list) else health["channels"].values()
    assert channel["state"] == "ready"
    _, metrics = await sender.daemon.get("/metrics", accept="text/plain")
    assert 'phantom_webhook_verified_total{endpoint="default",secret="default"}' in metrics

    async def written() -> bool:
        slots = (await asyncio.to_thread(usage.read, data / "webhook")).get("default")
        return slots is not None and slots["backup"].count == 1 and slots["default"].count > 5

    await until(written)
