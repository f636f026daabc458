"""Thirty secrets in a daemon whose agent, apps and people try to get them out: searched for in all that it writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest

from phantom.bridge.client import ActionFailed, BridgeApp, SecretRefused, Timing
from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.application import FakeApplication
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.hunt_record import HUNT, Kind, leave, leave_secrets, secrets_in
from scripts.leak_hunt import COUNT, Hunt, encoded, hits_in_records, planted
from tests.scenario.test_bridge_daemon import phantom
from tests.scenario.webhook_kit import callback_server, plain

HERE = Path(__file__).parent
ROLES = (
    "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "PROVIDER_TOKEN", "SLACK_SIGNING_SECRET",
    "SLACK_APP_TOKEN", "WEBHOOK_SECRET_DEFAULT", "WEBHOOK_SECRET_BACKUP", "DATABASE_PASSWORD", "GITHUB_TOKEN",
)  # fmt: skip
"""Variables that get a planted secret, beside those that only lie about."""


@dataclass
class Stage:
    """Everything around one daemon, and what was read from it."""

    slack: FakeSlack
    discord: FakeDiscord
    metadata: FakeMetadata
    daemon: DaemonProcess
    secrets: dict[str, str]
    read: list[tuple[str, str]]

    async def ask(self, text: str, *, shows: str) -> None:
        """Ask on both platforms at once and wait for both answers."""
        slack, discord = self.slack, self.discord
        first = await slack.post(slack.owner, slack.general, f"{slack.mention} {text}")
        second = await discord.post(discord.owner, discord.general, f"{discord.mention} {text}")
        for fake, holds in (
            (slack, lambda: any(shows in one.shown for one in slack.replies(first))),
            (discord, lambda: any(shows in str(one.content) + str(one.embeds) for one in discord.replies(second))),
        ):
            try:
                await fake.wait_for(holds, timeout=60)
            except TimeoutError:
                raise TimeoutError(f"nobody showed {shows!r}:\n{self.daemon.output[-6000:]}") from None

    async def look(self) -> None:
        """Read every page."""
        for path, accept in (("/health", "text/html"), ("/health", "application/json"), ("/metrics", "*/*")):
            self.read.append((path, (await self.daemon.get(path, accept=accept))[1]))

    def said(self) -> Iterator[tuple[str, str]]:
        """What arrived at the platforms, but for the header that carries the token."""
        for call in self.slack.calls:
            yield f"Slack {call.method}", str({name: value for name, value in call.args.items() if name != "token"})
        for place in (self.slack.general, self.slack.dm(self.slack.owner)):
            for message in self.slack.messages(place):
                if message.user == self.slack.bot.id:
                    yield "a Slack message", str(message.to_slack(with_metadata=True))
        for file in self.slack.core.workspace.files.values():
            yield "a Slack file", bytes(file.data).decode("utf-8", "replace")
        for request in self.discord.calls:
            yield f"Discord {request.route}", f"{request.path} {request.query} {request.body} {request.files}"
        for said in self.discord.messages(self.discord.general):
            for attachment in said.attachments:
                yield "a Discord file", bytes(attachment.data).decode("utf-8", "replace")


@pytest.fixture
def secrets() -> dict[str, str]:
    made = list(planted(7).values())
    names = ["SLACK_BOT_TOKEN", "GATEWAY", "DISCORD_BOT_TOKEN", *ROLES]
    names += [f"PLANTED_{number:02}_TOKEN" for number in range(COUNT - len(names))]
    found = dict(zip(names, made, strict=True))
    # What a platform or a loader accepts in these places has a shape.
    found["DISCORD_BOT_TOKEN"] = FakeApplication().token
    found["SLACK_APP_TOKEN"] = "xapp-1-A0PLANTED01-1234567890123-" + made[1] * 2
    return found


@asynccontextmanager
async def stage(tmp_path: Path, secrets: dict[str, str]) -> AsyncIterator[Stage]:
    loot = tmp_path / "loot" / "loot.json"
    loot.parent.mkdir()
    loot.write_text(json.dumps({name: encoded(value) for name, value in secrets.items()}))
    async with AsyncExitStack() as stack:
        app = FakeApp()
        app.bot_token = secrets["SLACK_BOT_TOKEN"]
        slack = await stack.enter_async_context(FakeSlack(transport="http", app=app))
        application = FakeApplication(token=secrets["DISCORD_BOT_TOKEN"])
        discord = await stack.enter_async_context(FakeDiscord(app=application))
        metadata = await stack.enter_async_context(FakeMetadata())
        env = gateway_env(slack, metadata, secret=secrets["GATEWAY"]) | {
            "DISCORD_API_BASE_URL": discord.api_url,
            "PHANTOM_BRIDGE_ENABLED": "true",
            "PHANTOM_LOG_LEVEL": "debug",
            "PHANTOM_AGENT": "leaky_agent:make",
            "WEBHOOK_INSECURE_CALLBACKS": "true",
            "LOOT": str(loot),
        }
        env |= {name: value for name, value in secrets.items() if name not in ("SLACK_BOT_TOKEN", "GATEWAY")}
        daemon = DaemonProcess(env=env, data_dir=tmp_path / "data", python_path=[HERE])
        stack.push_async_callback(daemon.aclose)
        slack.deliver_over_http(daemon.url, profile="gateway", secret=secrets["GATEWAY"], timeout=60)
        await daemon.start()
        await daemon.until(lambda health: all(one["ok"] for one in health["channels"].values()))
        yield Stage(slack, discord, metadata, daemon, secrets, [])


async def strangers(here: Stage) -> None:
    """Machines that do everything wrong, with secrets in hand; and people who paste them."""
    sender = here.slack.sender
    for secret in here.secrets.values():
        odd = secret.encode()
        await sender.post_raw("/slack/events", odd, {"Content-Type": "application/json", "X-Phantom-Signature": "v1=0"})
        await sender.post_signed("events_api", odd, event_id="EvLeak")
        reader, writer = await asyncio.open_connection("127.0.0.1", here.daemon.port)
        writer.write(f"GET /nowhere?token={quote(secret)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        here.read.append(("an error page", (await reader.read(65536)).decode("utf-8", "replace")))
        writer.close()
    pasted = "\n".join(here.secrets.values())
    await here.ask(f"look {pasted[:1500]}", shows="heard")
    await here.ask(f"and {pasted[1400:2900]}", shows="heard")
    here.slack.faults.reply("chat.postMessage", 500, f"token={here.secrets['SLACK_BOT_TOKEN']}".encode())
    here.metadata.answer_body(here.secrets["GATEWAY"].encode() + b"\xff", path="slack_gateway_signing_secret", times=1)


async def programs(here: Stage) -> None:
    """Other systems that ask over a webhook, get answered, called back and told what is wrong with their posts."""
    secret = here.secrets["WEBHOOK_SECRET_DEFAULT"]
    pasted = "\n".join(here.secrets.values())[:2000]

    async def post(body: bytes, path: str = "") -> dict[str, Any]:
        headers = plain(body, secret=secret)
        async with session.post(f"{here.daemon.url}/webhook/default{path}", data=body, headers=headers) as answer:
            said = await answer.text()
        here.read.append((f"a webhook's answer {path}", said))
        found: dict[str, Any] = json.loads(said)
        return found

    async with callback_server() as server, aiohttp.ClientSession() as session:
        waited = await post(orjson.dumps({"text": "all"}))
        assert "that was all" in waited["text"]
        await post(orjson.dumps({"task": waited["task"]}), "/tasks")
        await post(orjson.dumps({"text": "crash"}))
        called = {"text": "all", "callback_url": server.url, "metadata": {"about": pasted[:500]}}
        await post(orjson.dumps(called))
        (taken,) = await server.until(1, within=60)
        assert "that was all" in taken.data["text"]
        here.read.append(("a callback", taken.data["text"]))
        await post(orjson.dumps({"text": pasted}))
        for odd in (pasted.encode(), orjson.dumps({pasted[:100]: "x"}), orjson.dumps({"text": "x", "mode": secret})):
            await post(odd)


async def apps(here: Stage) -> None:
    """Programs that would have the bot say them, and one with a wrong secret."""
    data, url = here.daemon.data_dir, f"ws://127.0.0.1:{here.daemon.port}/bridge"
    own = await phantom(
        "bridge", "secret", "new", "board", "--event", "messageCreate", "--action", "sendMessage",
        "--action", "slack.uploadFile", data_dir=data,
    )  # fmt: skip
    quick = Timing(first_delay=0.05, longest_delay=0.3, action=60.0)
    name = here.secrets["WEBHOOK_SECRET_DEFAULT"]
    async with BridgeApp(url, own, app_name=name, timing=quick) as app:
        await app.ready(timeout=60)
        app.on("messageCreate", lambda event: here.read.append(("an event", json.dumps(event.data))))
        general = here.discord.general.id
        for secret in here.secrets.values():
            try:
                said: Any = await app.call("sendMessage", {"channelId": general, "content": f"{secret}\n{secret[:20]}"})
                here.read.append(("a result", json.dumps(said)))
                await app.call("sendMessage", {"channelId": secret, "content": "x"})
            except ActionFailed as error:
                here.read.append(("a refusal", f"{error.message} {error.details}"))
    refused = BridgeApp(url, here.secrets["DATABASE_PASSWORD"], timing=quick)
    with pytest.raises(SecretRefused) as why:
        async with refused as app:
            await app.ready(timeout=60)
    here.read.append(("a refused login", str(why.value)))


async def test_thirty_secrets_in_eight_encodings_show_nowhere(tmp_path: Path, secrets: dict[str, str]) -> None:
    assert len(secrets) == COUNT
    assert all(len(spelled) == 8 for spelled in map(encoded, secrets.values()))
    async with stage(tmp_path, secrets) as here:
        await asyncio.gather(here.ask("stream", shows="streamed"), here.ask("all", shows="that was all"))
        for word, shows in (
            ("file", "a file"),
            ("buttons", "choose"),
            ("approve", "May I use"),
            ("crash", "Something"),
        ):
            await here.ask(word, shows=shows)
        await here.ask("print", shows="printed")
        await here.ask("children", shows="children see")
        await apps(here)
        await programs(here)
        await strangers(here)  # while the bridge still keeps events for the app that left
        await here.daemon.until(lambda health: health["journal"]["backlog"] <= 2)  # the questions for approval wait
        await here.look()
        health = await here.daemon.health()
        metrics = await here.daemon.metrics()
        await here.daemon.kill()  # whatever a clean end would tidy up stays as it is
        hunt = Hunt(secrets)
        hits = [
            *hunt.text("the log", here.daemon.output),
            *hunt.folder(here.daemon.data_dir),
            *(hit for where, text in (*here.read, *here.said()) for hit in hunt.text(where, text)),
        ]
        assert not hits, "\n".join(str(hit) for hit in hits[:20])
        half = secrets["GATEWAY"][:16]  # what a draft ended with for seconds
        assert not [where for where, text in here.said() if half in text]
        assert "messageCreate" in (here.daemon.data_dir / "bridge" / "replay-1.jsonl").read_text()
        alerts = here.daemon.events("secret_in_reply")
        assert {name for alert in alerts for name in alert["secrets"]} >= {"slack_bot_token", "discord_bot_token"}
        assert {"answer", "progress", "notice", "button", "file", "bridge"} <= {alert["place"] for alert in alerts}
        assert all(alert["turn"] for alert in alerts)
        assert any("phantom secrets exposed slack_bot_token" in line for line in health["warnings"])
        assert metrics['phantom_secret_leaks_stopped_total{place="answer"}'] >= 2
        children = next(text for where, text in here.said() if "children see" in text)
        assert "core (0, 0) 0," in children
        assert "PATH" in children
        assert "SLACK_SIGNING_SECRET" not in children
        assert "DISCORD_BOT_TOKEN" not in children


def test_the_hunt_finds_each_secret_in_each_encoding_wherever_it_was_written(tmp_path: Path) -> None:
    """Or its silence would mean nothing."""
    import sqlite3

    secrets = planted(3)
    hunt = Hunt(secrets)
    for name, secret in secrets.items():
        for encoding, text in encoded(secret).items():
            found = {(hit.secret, hit.encoding) for hit in hunt.text("a text", f"before {text} after")}
            assert (name, encoding) in found, f"{name} in {encoding}"
    with sqlite3.connect(tmp_path / "some.sqlite") as db:
        db.execute("CREATE TABLE t (a BLOB)")
        db.execute("INSERT INTO t VALUES (?)", (b"x" * 9000 + secrets["PLANTED_03_TOKEN"].encode() + b"y" * 9000,))
    db.close()
    assert {hit.secret for hit in hunt.folder(tmp_path)} == {"PLANTED_03_TOKEN"}


def test_a_hunted_run_finds_its_daemons_secrets_in_what_they_answered_and_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, stray = "xoxb-1-hunted-token-0123456789", planted(4)
    monkeypatch.setenv(HUNT, str(tmp_path))
    leave("pages", "before any secret was there")
    leave_secrets(
        secrets_in({"SLACK_BOT_TOKEN": token, "PHANTOM_DATABASE_URL": "x://u:pass-word-0123456789@h/", "A": "b"})
    )
    said: tuple[tuple[Kind, str], ...] = (
        ("pages", token), ("outgoing", "pass-word-0123456789"), ("commands", stray["PLANTED_00_TOKEN"]),
    )  # fmt: skip
    for kind, text in said:
        leave(kind, f"it says {text}")
    monkeypatch.delenv(HUNT)
    leave("pages", "nothing is kept outside of a hunted run")
    found = {
        (hit.where.partition("-")[0], hit.secret.partition(" (")[0]) for hit in hits_in_records(Hunt(stray), tmp_path)
    }
    assert found == {
        ("pages", "SLACK_BOT_TOKEN"),
        ("outgoing", "PHANTOM_DATABASE_URL"),
        ("commands", "PLANTED_00_TOKEN"),
    }
    assert "outside" not in "".join(path.read_text() for path in tmp_path.iterdir())
