"""Every secret in use, hunted in everything that leaves the daemon: logs, errors, pages, metrics, chat, details."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from pathlib import Path
from urllib.parse import quote, quote_plus

from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.server import FakeSlack
from tests.scenario.daemon_kit import HERE, World, world

GATEWAY = "gateway+signing/secret=with-odd&characters%0123456789"
MODEL_KEY = "sk-model-key-that-nobody-may-see-0123456789"
PROVIDER = "provider-token/with+slashes==and-more-9876543210"
OLD_TOKEN, NEW_TOKEN, WRONG_TOKEN = "xoxb-1111-first-bot-token", "xoxb-2222-second-bot-token", "xoxb-3333-wrong-place"
APP_TOKEN = "xapp-1-A0-4444-app-level-token"


def spellings(secret: str) -> set[str]:
    """The secret as it may travel."""
    raw = secret.encode()
    shifted = {base64.b64encode(b"\0" * n + raw).decode().rstrip("=")[4:-2] for n in range(3)}
    return {secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), *shifted} - {""}


def assert_clean(where: str, text: str, secrets: list[str]) -> None:
    """No spelling of any secret is in `text`; the failure names the secret by its beginning only."""
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in text, f"{secret[:8]}… shows in {where}: …{text[text.find(spelling) - 200 :][:200]}…"


async def bad_traffic(here: World, secrets: list[str]) -> None:
    """People and machines who do everything wrong, with secrets in hand."""
    slack, sender = here.slack, here.slack.sender
    for secret in secrets:
        headers = {"Authorization": f"Bearer {secret}", "X-Phantom-Signature": f"v1={secret}"}
        headers |= {"X-Phantom-Forwarded-At": secret, "Content-Type": "application/json"}
        await sender.post_raw("/slack/events", secret.encode(), headers)
        await sender.post_raw(f"/nowhere?token={quote(secret)}", secret.encode(), headers)
        await sender.post_signed("events_api", secret.encode(), event_id="EvLeak")
        await raw(here, f"GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: {secret}{'x' * 9000}\r\n\r\n".encode())
        await raw(here, f"NONSENSE {secret}\r\n\r\n".encode())
    slack.faults.corrupt_signature(2)
    await sender.post_signed("events_api", b"{}", event_id="EvLeak1")
    slack.faults.reply("chat.postMessage", 500, f"token={slack.bot_token}".encode())
    await here.answered(await here.ask("through an error"), "heard: through an error", within=60)
    slack.faults.reply(
        "chat.postMessage", 200, f'{{"ok":false,"error":"{slack.bot_token}"}}'.encode(), content_type="application/json"
    )
    await here.ask("refused with a secret")
    await here.daemon.until_logged("delivery_refused")
    for secret in secrets:
        question = await here.ask(f"say {secret} again")
        await here.answered(question, "heard: say", within=60)
    await here.ask(f"raise {MODEL_KEY}")
    await here.daemon.until_logged("agent_crashed")
    here.metadata.answer_body(GATEWAY.encode() + b"\xff", path="slack_gateway_signing_secret", times=2)
    slack.faults.corrupt_signature()
    await sender.post_signed("events_api", b"{}", event_id="EvLeak2")


async def raw(here: World, request: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.daemon.port)
    writer.write(request)
    answer = await reader.read(65536)
    writer.close()
    assert answer


async def test_no_secret_shows_anywhere_over_http(tmp_path: Path) -> None:
    env = {
        "PHANTOM_LOG_LEVEL": "debug",
        "ANTHROPIC_API_KEY": MODEL_KEY,
        "OPENAI_API_KEY": PROVIDER,
        "SLACK_SIGNING_SECRET": "direct-signing-secret-0123456789ab",
    }
    async with world(tmp_path, "http", env=env, start=False) as here:
        slack, metadata = here.slack, here.metadata
        slack.app.bot_token = OLD_TOKEN
        here.daemon.env |= gateway_env(slack, metadata, secret=GATEWAY)
        slack.deliver_over_http(here.daemon.url, profile="gateway", secret=GATEWAY, timeout=60)
        await here.daemon.start()
        secrets = [OLD_TOKEN, GATEWAY, MODEL_KEY, PROVIDER, env["SLACK_SIGNING_SECRET"]]
        await bad_traffic(here, secrets)
        slack.faults.revoke_bot_token()
        await here.ask("revoked now")
        await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == "revoked")
        pages = [(await here.daemon.get("/health"))[1], (await here.daemon.get("/health", accept="text/html"))[1]]
        slack.app.bot_token = NEW_TOKEN
        slack.faults.restore_bot_token()
        metadata.rotate("slack_bot_token", NEW_TOKEN)
        secrets.append(NEW_TOKEN)
        await here.daemon.until(lambda found: found["channels"]["slack"]["ok"], within=60)
        again = await here.ask(f"say {NEW_TOKEN} and {OLD_TOKEN}")
        await here.answered(again, "heard: say", within=60)
        pages += [(await here.daemon.get(path))[1] for path in ("/health", "/ready", "/metrics")]
        await here.quiet()
        chat = "\n".join(
            str(message.to_slack(with_metadata=True))
            for place in (slack.general, slack.dm(slack.owner))
            for message in slack.messages(place)
            if message.user == slack.bot.id
        )
        assert await here.daemon.stop() == 0
        assert_clean("the log", here.daemon.output, secrets)
        for page in pages:
            assert_clean("a page", page, secrets)
        assert_clean("chat", chat, secrets)
        with sqlite3.connect(here.daemon.data_dir / "phantom.sqlite") as db:
            details = str(db.execute("SELECT detail FROM inbox UNION ALL SELECT detail FROM outbox").fetchall())
        db.close()
        assert_clean("the journal's details", details, secrets)


async def test_no_secret_shows_over_socket_mode_or_in_a_failed_start(tmp_path: Path) -> None:
    app = FakeApp()
    app.bot_token, app.app_token = OLD_TOKEN, APP_TOKEN
    async with FakeSlack(app=app) as slack:
        slack.sockets.ack_timeout = 60  # the machine may be busy
        env = {
            "SLACK_API_BASE_URL": slack.api_url,
            "SLACK_BOT_TOKEN": OLD_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "PHANTOM_LOG_LEVEL": "debug",
        }
        secrets = [OLD_TOKEN, APP_TOKEN, WRONG_TOKEN]
        async with DaemonProcess(env=env, data_dir=tmp_path / "one", python_path=[HERE]) as daemon:
            question = await slack.post(slack.owner, slack.general, f"{slack.mention} echo {APP_TOKEN}")
            await slack.wait_for(lambda: slack.replies(question), timeout=60)
            slack.sockets.drop()
            slack.faults.revoke_app_token()
            await daemon.until(lambda found: found["channels"]["slack"]["state"] == "auth_failed", within=60)
            pages = [(await daemon.get(path))[1] for path in ("/health", "/metrics")]
            await daemon.stop()
            assert_clean("chat", "\n".join(reply.shown for reply in slack.replies(question)), secrets)
            for page in pages:
                assert_clean("a page", page, secrets)
            assert_clean("the log", daemon.output, secrets)
        wrong = (
            {"SLACK_APP_TOKEN": WRONG_TOKEN},
            {"SLACK_BOT_TOKEN": APP_TOKEN},
            {"SLACK_TRANSPORT": WRONG_TOKEN},
            {"PORT": WRONG_TOKEN},
            {"PHANTOM_METADATA_URL": f"http://user:{WRONG_TOKEN}@127.0.0.1/"},
            {"SLACK_API_BASE_URL": f"https://slack.com/?token={WRONG_TOKEN}"},
            {"PHANTOM_MODEL": WRONG_TOKEN},
            {"PHANTOM_AGENT": f"{WRONG_TOKEN}:make"},
        )
        for number, variables in enumerate(wrong):
            broken = DaemonProcess(env=env, data_dir=tmp_path / f"wrong{number}")
            broken.env |= variables
            await broken.start(ready=False)
            assert await broken.wait() == 78, variables
            assert_clean(f"the log with {variables.keys()}", broken.output, secrets)
            assert "Traceback" not in broken.output
