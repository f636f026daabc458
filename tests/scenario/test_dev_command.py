"""`phantom dev` as a process: what it prints, who may reach its page, how it ends, what of the environment counts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from phantom.dev.discord.guild import LocalGuild
from phantom.dev.secret_desk import SecretDesk

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
KEPT = {name: os.environ[name] for name in _KEPT if name in os.environ}
BUDGET = 50.0
"""Seconds for one `phantom dev` from its start to its end; a busy machine is slow."""


@dataclass(frozen=True, slots=True)
class Dev:
    process: asyncio.subprocess.Process
    screen: str
    errors: Path

    @property
    def url(self) -> str:
        found = re.search(r"Talk to it\s+(http://\S+/)$", self.screen, re.MULTILINE)
        assert found, self.screen
        return found[1]

    @property
    def health(self) -> str:
        found = re.search(r"Health\s+(http://\S+)$", self.screen, re.MULTILINE)
        assert found, self.screen
        return found[1]


@asynccontextmanager
async def dev(folder: Path, *arguments: str, **variables: str) -> AsyncIterator[Dev]:
    errors = folder / "errors.txt"
    with errors.open("w") as stream:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "phantom", "dev", "--no-open", *(arguments or ("--port", "0"))),
            stdout=asyncio.subprocess.PIPE,
            stderr=stream,
            cwd=folder,
            env={**KEPT, **variables},
        )
    try:
        async with asyncio.timeout(BUDGET):
            screen = await first_screen(process)
            assert "Ctrl-C" in screen, f"{screen}\n{errors.read_text()}"
            yield Dev(process, screen, errors)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def first_screen(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    lines = []
    async for line in process.stdout:
        lines.append(line.decode())
        if "Ctrl-C" in lines[-1]:
            break
    return "".join(lines)


@pytest.mark.parametrize(("transport", "number"), [("socket", signal.SIGINT), ("http", signal.SIGTERM)])
async def test_it_prints_where_to_talk_and_ends_cleanly(tmp_path: Path, transport: str, number: signal.Signals) -> None:
    discord = {"socket": "gateway", "http": "http"}[transport]
    async with (
        dev(tmp_path, SLACK_TRANSPORT=transport, DISCORD_TRANSPORT=discord) as running,
        aiohttp.ClientSession() as client,
    ):
        assert "type: hi" in running.screen
        assert "offline agent" in running.screen
        assert "Discord over" in running.screen
        assert "docs/tutorials/first-minute.md" in running.screen
        async with client.get(running.url) as answer:
            assert answer.status == 200
            assert "<title>Phantom workspace</title>" in await answer.text()
        async with client.get(running.health) as answer:
            assert (await answer.json())["name"] == "phantom"
        running.process.send_signal(number)
        assert await running.process.wait() == 0
    assert running.errors.read_text() == ""


async def test_the_daemon_finds_every_secret_that_it_asks_for(tmp_path: Path) -> None:
    """One that is not there is asked for a second after the start, and told on the screen of whoever tries Phantom."""
    async with (
        SecretDesk("metadata", tmp_path) as desk,
        LocalGuild("http", desk, tmp_path / "commands").discord as discord,
        aiohttp.ClientSession(base_url=desk.variables()["PHANTOM_METADATA_URL"]) as client,
    ):
        for name, text in (("discord_bot_token", discord.token), ("discord_public_key", discord.public_key)):
            async with client.get(f"/v1/secrets/{name}") as answer:
                assert answer.status == 200, name
                assert (await answer.text()).strip() == text


async def test_one_platform_alone_starts_nothing_of_the_other(tmp_path: Path) -> None:
    async with dev(tmp_path, "--port", "0", "--only", "discord") as running, aiohttp.ClientSession() as client:
        assert "Discord over its gateway" in running.screen
        assert "Slack" not in running.screen.partition("Your own agent")[0]
        async with client.get(running.health) as answer:
            assert list((await answer.json())["channels"]) == ["discord"]
    assert b"--only" in await refused(tmp_path, "--only", "irc")
    assert b"DISCORD_TRANSPORT" in await refused(tmp_path, DISCORD_TRANSPORT="carrier pigeon")


async def test_a_kept_folder_fits_the_next_start(tmp_path: Path) -> None:
    """People, places and commands of both platforms are the same again, so that what was remembered is found."""
    seen = []
    for _ in range(2):
        arguments = ("--port", "0", "--data-dir", str(tmp_path / "kept"))
        async with dev(tmp_path, *arguments) as running, aiohttp.ClientSession() as client:
            own = {"Origin": running.url.rstrip("/")}
            async with client.ws_connect(running.url + "socket", headers=own, max_msg_size=0) as page:
                snapshot = await page.receive_json()
                found = {one["side"]: one for one in snapshot["sides"]}
                while not found["discord"]["commands"]:
                    change = await page.receive_json()
                    if change["what"] == "commands":
                        found["discord"]["commands"] = change["commands"]
            seen.append([[one["users"], one["channels"], one.get("commands")] for one in found.values()])
            running.process.send_signal(signal.SIGINT)
            assert await running.process.wait() == 0
    assert seen[0] == seen[1]


async def test_a_taken_port_gives_way_to_the_next_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with dev(tmp_path, "--port", str(port)) as running:
            assert f"Port {port} is in use, so the page is at " in running.screen
            assert f":{port}/" not in running.url
            running.process.send_signal(signal.SIGINT)
            assert await running.process.wait() == 0


async def refused(folder: Path, *arguments: str, **variables: str) -> bytes:
    """What it says on standard error when it ends by itself with the status for a wrong setting."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "phantom", "dev", "--no-open", "--port", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**KEPT, **variables},
    )
    try:
        _, told = await asyncio.wait_for(process.communicate(), BUDGET)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 78
    assert b"Traceback" not in told
    return told


async def test_only_this_machine_may_reach_the_page(tmp_path: Path) -> None:
    told = await refused(tmp_path, "--host", "0.0.0.0")
    assert b"this machine only" in told
    assert b"ssh -L" in told


async def test_foreign_names_and_foreign_pages_are_refused(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as client:
        for host in ("phantom.example", "127.0.0.1.example", "127.0.0.1:1", "localhost", ""):
            async with client.get(running.url, headers={"Host": host}) as answer:
                assert answer.status == 421, host
        for path in ("../run.py", "%2e%2e/run.py", "page_server.py", "..%2frun.py", "nothing"):
            async with client.get(running.url + path) as answer:
                assert answer.status == 404, path
        for origin in ("http://phantom.example", "null", running.url.rstrip("/") + "0", "https" + running.url[4:-1]):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect(running.url + "socket", headers={"Origin": origin})
            assert refused.value.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(running.url + "socket")
        own = {"Origin": running.url.rstrip("/")}
        for headers in ({}, own, {**own, "X-Page-Key": "wrong"}, {"X-Page-Key": ""}):
            async with client.post(running.url + "files?name=x", data=b"x", headers=headers) as answer:
                assert answer.status == 403


async def test_the_page_keeps_to_itself(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as client:
        async with client.get(running.url) as answer:
            policy = answer.headers["Content-Security-Policy"]
            page = await answer.text()
        for name in re.findall(r'(?:href|src)="([\w.-]+)"', page):
            async with client.get(running.url + name, headers={"Accept-Encoding": "identity"}) as answer:
                assert answer.status == 200, name
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                text = await answer.text()
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), name
            assert not re.search(r"(?:from|import|href=|src=|url\()\s*[\"']?https?:", text), name
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]* src=)| on\w+=| style=", page)


BAD: tuple[dict[str, object], ...] = (
    {"do": "fly"},
    {"do": "post", "as": "U9"},
    {"do": "post", "as": "9", "channel": "general", "text": "who am I?"},
    {"do": "details", "key": "c999"},
    {"do": "details", "key": "q999"},
    {"do": "replay", "key": "d999"},
    {"do": "click", "as": "U0000000001", "channel": "general", "message": "1", "action": "x", "block": "y"},
    {"do": "command", "as": "1", "channel": "general", "name": "phantom", "word": "dance", "text": 7},
    {"do": "submit_form", "as": "1", "form": "9", "values": {}},
    {"do": "select", "as": "1", "channel": "general", "message": "1", "action": "x", "values": 7},
)
"""Requests that name nothing there is, or are of another shape than the page's."""


async def test_bad_requests_over_the_socket_are_answered_and_change_nothing(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as client:
        own = {"Origin": running.url.rstrip("/")}
        async with client.ws_connect(running.url + "socket", headers=own, max_msg_size=0) as page:
            snapshot = await page.receive_json()
            assert snapshot["what"] == "snapshot"
            bad = ['"text"', "{", "[]", '{"id": 1}', '{"id": 2, "do": "fly"}', '{"id": 3, "side": "irc", "do": "post"}']
            for side in ("slack", "discord"):
                for request in BAD:
                    bad.append(json.dumps({"id": 4, "side": side, **request}))
            for text in bad:
                await page.send_str(text)
            told: list[dict[str, object]] = []
            while len(told) < len(bad):
                change = await page.receive_json()
                if change["what"] == "answer":
                    told.append(change)
            assert all(answer["error"] for answer in told), told
        running.process.send_signal(signal.SIGINT)
        assert await running.process.wait() == 0
    assert "Traceback" not in running.errors.read_text()


async def test_what_names_a_real_workspace_is_ignored_and_the_agent_counts(tmp_path: Path) -> None:
    (tmp_path / "my_agent.py").write_text(
        "from phantom.agent import Final\n\n\nasync def parrot(turn):\n    yield Final(text=f'polly: {turn.text}')\n"
    )
    (tmp_path / ".env").write_text("SLACK_ALLOWED_USERS=U9\nSLACK_HTTP_PROFILE=direct\nPHANTOM_NAME=polly\n")
    (tmp_path / "channels.yaml").write_text("work:\n  kind: slack\n  bot_token: ${env:NOT_THERE}\n")
    variables = {
        "SLACK_BOT_TOKEN": "xoxb-real-1",
        "SLACK_API_BASE_URL": "https://slack.com/api/",
        "DISCORD_BOT_TOKEN": "real.bot.token-of-somebody",
        "DISCORD_ALLOWED_USERS": "9",
        "OWNER_DISCORD_USER_ID": "9",
        "OWNER_SLACK_USER_ID": "U9",
        "PORT": "1",
        "PHANTOM_AGENT": "my_agent:parrot",
    }
    async with dev(tmp_path, SLACK_TRANSPORT="http", **variables) as running, aiohttp.ClientSession() as client:
        assert "my_agent:parrot" in running.screen
        own = {"Origin": running.url.rstrip("/")}
        async with client.ws_connect(running.url + "socket", headers=own, max_msg_size=0) as page:
            for side in (await page.receive_json())["sides"]:
                me = next(user["id"] for user in side["users"] if user["role"] == "owner")
                post = {"id": 1, "side": side["side"], "do": "post", "as": me, "channel": side["home"]}
                await page.send_json(post | {"text": "@phantom hello" if side["side"] == "discord" else "hello"})
                while True:
                    change = await page.receive_json()
                    if change["what"] == "message" and "polly: hello" in str(change["message"]):
                        break
        async with client.get(running.health) as answer:
            report = await answer.json()
        assert report["name"] == "polly"
        assert sorted(report["channels"]) == ["discord", "slack"]


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_a_model_without_its_key_is_one_clear_line(tmp_path: Path, transport: str) -> None:
    model = {"PHANTOM_MODEL": "anthropic:claude-sonnet-4-5", "SLACK_TRANSPORT": transport}
    assert b"ANTHROPIC_API_KEY" in await refused(tmp_path, **model)
