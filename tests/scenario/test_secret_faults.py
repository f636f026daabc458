"""Secrets that go bad while a daemon runs, under load: nobody is refused who holds a good one, nothing is let in that
is signed with a bad one, the daemon lives, says what is wrong, and goes on when it is repaired.
"""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web

from phantom.testing import FakeMetadata
from phantom.testing.daemon_process import DaemonProcess, gateway_env
from phantom.testing.fake_slack import FakeSlack, sign_gateway_v1
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario import rotation_kit as kit
from tests.scenario.rotation_rounds import reread
from tests.scenario.rotation_webhook import BACKUP_FILE, DEFAULT_FILE, Deployment, Sender, post, until_known
from tests.scenario.webhook_kit import BACKUP, SECRET, plain, standard

HERE = Path(__file__).parent
NAME = "slack_gateway_signing_secret"
BAD = {
    "empty": b"",
    "blank": b" \t ",
    "short": b"tiny-secret-1",
    "spaced": b"a secret with blanks in it 0123456789",
    "lines": b"one-line-of-it-0123456789\nanother-line-of-it-0123456789\n",
    "not ascii": "schlüssel-über-alles-0123456789".encode(),
    "not text": b"\xff\xfe0123456789012345678901234567",
    "repeated": b"abababababababababababababababababab",
    "huge": b"x1y2z3w4" * 20_000,
    "identical": BACKUP.encode(),
    "missing": None,
}


class Files:
    """The files of the webhook's two secrets, the default in any state."""

    def __init__(self, place: Deployment) -> None:
        self.default = place.files / DEFAULT_FILE
        (place.files / BACKUP_FILE).write_text(BACKUP)
        (place.files / BACKUP_FILE).chmod(0o600)

    def put(self, content: bytes | None) -> None:
        if content is None:
            self.default.unlink()
            return
        fresh = self.default.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.chmod(0o600)
        fresh.replace(self.default)


async def signed_with(session: aiohttp.ClientSession, url: str, text: str) -> int:
    body = orjson.dumps({"text": "let me in"})
    return (await post(session, url, body, plain(body, secret=text)))[0]


async def test_a_webhook_secret_of_every_bad_kind(tmp_path: Path) -> None:
    place = Deployment("files", tmp_path)
    files = Files(place)
    async with place.daemon() as daemon, aiohttp.ClientSession() as session:
        url = f"{daemon.url}/webhook/default"
        async with kit.load(daemon) as load:
            for name, sign in {"standard": standard, "plain": plain}.items():
                load.keep(name, Sender(url=url, session=session, sign=sign, secret=BACKUP).ask)
            for kind, content in BAD.items():
                files.put(content)
                await reread(daemon)
                await load.further(1)
                if content is not None and kind not in ("not text", "identical"):
                    assert await signed_with(session, url, content.decode().strip("\n")) == 401, kind
                said = await daemon.until(lambda health: health["channels"]["webhook"]["detail"] != "")
                assert said["status"] == "ok", kind
                assert "WEBHOOK_SECRET_" in said["channels"]["webhook"]["detail"]
                await load.further(1)
            files.put(SECRET.encode())
            await reread(daemon)
            await until_known(session, url, SECRET)
            await load.further(1)
        skewed = {}
        for seconds in (-302, -270, 298, 330):  # the posts grow older on their way
            body = orjson.dumps({"text": f"from {seconds}"})
            skewed[seconds] = (await post(session, url, body, standard(body, at=time.time() + seconds)))[0]
        assert skewed == {-302: 401, -270: 200, 298: 200, 330: 401}, "clocks may differ by five minutes"
        assert not [line for line in daemon.lines if any(bad.decode("latin-1") in line for bad in _tellable())]


def _tellable() -> list[bytes]:
    return [content for kind, content in BAD.items() if content and kind not in ("blank", "huge", "lines", "not ascii")]


async def test_a_source_that_hangs_fails_lies_and_flips(tmp_path: Path) -> None:
    async with FakeSlack(transport="http") as slack, FakeMetadata() as metadata, aiohttp.ClientSession() as session:
        signer, other = kit.Signer(), kit.Signer()
        env = gateway_env(slack, metadata, secret=signer.secret) | {
            "PHANTOM_AGENT": "obedient_agent:make",
            "GATES": str(tmp_path),
        }
        async with DaemonProcess(env=env, data_dir=tmp_path / "data", python_path=[HERE]) as daemon:
            current = [signer.secret]
            schedule = RetrySchedule((0.1,), forever=True)
            slack.deliver_over_http(
                daemon.url, profile="gateway", secret=lambda: current[0], schedule=schedule, timeout=30.0
            )  # a slow answer is no refusal
            async with kit.load(daemon) as load:
                load.keep("slack", kit.ask_on_slack(slack, slack.owner))
                load.keep("forged", kit.forge(load, slack, signer, "gateway"), counts=False)
                await load.further(1)
                metadata.hang(path=NAME)
                await load.further(2)
                metadata.heal()
                metadata.answer_status(503, path=NAME)
                await reread(daemon)
                await load.further(1)
                metadata.heal()
                for lie in (b"", b"\xff" * 40, b"tiny", b" " * 40):
                    metadata.answer_body(lie, path=NAME, times=1)
                    await reread(daemon)
                    if lie.isascii():
                        assert await gateway_post(daemon, session, slack, lie.decode()) == 401
                    await load.further(1)
                await reread(daemon)
                answers = [signer.secret, other.secret]

                async def flip(request: web.Request) -> web.StreamResponse:
                    answers.reverse()
                    return web.Response(text=answers[0], headers={"X-Phantom-Rotation-Id": answers[0][:8]})

                metadata.plan(flip, path=NAME)
                for _ in range(6):
                    await reread(daemon)
                    current.append(current.pop(0))
                    await load.further(1)
                    if len(current) == 1:
                        current.append(other.secret)
                assert "two values in turn" in str((await daemon.health())["warnings"])
                await load.further(1)
            assert kit.refused(slack) == []
            assert not [secret for secret in (signer.secret, other.secret) if secret in daemon.output]


async def gateway_post(daemon: DaemonProcess, session: aiohttp.ClientSession, slack: FakeSlack, secret: str) -> int:
    """What a post is answered that is signed with `secret`."""
    body, now = f'{{"type":"event_callback","team_id":"{slack.team.id}"}}'.encode(), int(time.time() * 1000)
    headers = {
        "Content-Type": "application/json",
        "X-Phantom-Forwarded-At": str(now),
        "X-Phantom-Slack-Event-Id": "EvLie",
        "X-Phantom-Signature": sign_gateway_v1(secret, now, "EvLie", body),
    }
    async with session.post(f"{daemon.url}/slack/events", data=body, headers=headers) as answer:
        return answer.status


pytestmark = pytest.mark.timeout(300)
