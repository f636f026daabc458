"""Programs that post signed questions to a webhook while its secret is rotated by the real commands, and forgers beside
them. `secret_of_webhooks` starts a daemon of its own and asserts everything itself.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from config.dotenv import read_dotenv
from phantom.testing.daemon_process import DaemonProcess
from tests.scenario import rotation_kit as kit
from tests.scenario.cli_kit import COMMAND, PATIENCE
from tests.scenario.webhook_kit import OTHER, SECRET, plain, standard

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPT = (sys.executable, str(ROOT / "scripts/rotate_webhook_secret.py"))
DEFAULT_FILE, BACKUP_FILE = "webhook_secret_default", "webhook_secret_backup"
Sign = Callable[..., dict[str, str]]


def write_env(folder: Path, **values: str) -> Path:
    path = folder / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    path.chmod(0o600)
    return path


class Deployment:
    """The secrets in a `.env` file or in two files, and the environment that daemon and commands share."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.folder, self.kind = folder, kind
        self.env = {"PHANTOM_AGENT": "obedient_agent:make", "PHANTOM_SECRET_OVERLAP": "0"}
        if kind == "env":
            self.env |= {"PHANTOM_ENV": "development"}
            write_env(folder, WEBHOOK_SECRET_DEFAULT=SECRET)
        else:
            (folder / "secrets").mkdir()
            self.use_files(folder / "secrets")
            (folder / "channels.yaml").write_text("webhook: {}\n")
            (folder / "secrets" / DEFAULT_FILE).write_text(SECRET)
            (folder / "secrets" / DEFAULT_FILE).chmod(0o600)

    def daemon(self) -> DaemonProcess:
        return DaemonProcess(env=self.env, data_dir=self.folder / "data", cwd=self.folder, python_path=[HERE])

    def use_files(self, secrets: Path) -> None:
        """Take the secrets from the files of that folder."""
        self.files = secrets
        self.env |= {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(secrets)}

    @property
    def default(self) -> str:
        if self.kind == "env":
            return read_dotenv(self.folder / ".env")["WEBHOOK_SECRET_DEFAULT"]
        return (self.files / DEFAULT_FILE).read_text().strip()

    async def run(self, *arguments: str, status: int = 0) -> str:
        """What `phantom secrets …` prints."""
        code, said = await self._ran(*COMMAND, "secrets", *arguments)
        assert code == status, f"exit {code}, not {status}: {said}"
        return said

    async def rotate(self, *, script: bool) -> None:
        """Rotate at once, whoever still uses the backup."""
        begun = SCRIPT if script else (*COMMAND, "secrets", "rotate", "webhook")
        code, said = await self._ran(*begun, "--write", "--force")
        assert code == 0, said
        assert self.default not in said

    async def retire(self) -> None:
        """Retire without force: refused until the backup has verified nothing for two seconds."""
        async with asyncio.timeout(PATIENCE):
            while (await self._ran(*COMMAND, "secrets", "retire", "webhook", "--write", "--window", "2s"))[0]:
                pass

    async def _ran(self, *command: str) -> tuple[int, str]:
        environ = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            **self.env,
            "PHANTOM_DATA_DIR": str(self.folder / "data"),
            "PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT))),
        }
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=environ, stdout=asyncio.subprocess.PIPE, stderr=subprocess.STDOUT
        )
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode or 0, out.decode()


@dataclass(kw_only=True)
class Sender:
    """A program that asks one question after the other. `twice`: it sends each again, as one that never saw the answer
    would, and hears the same answer.
    """

    url: str
    session: aiohttp.ClientSession
    sign: Sign
    secret: str
    twice: bool = False

    async def ask(self, number: str) -> None:
        body = orjson.dumps({"text": f"question {number}."})
        first = await post(self.session, self.url, body, self.sign(body, secret=self.secret, event_id=f"e-{number}"))
        assert first[0] == 200, f"{number}: {first}"
        assert first[1]["text"] == f"heard: question {number}."
        if self.twice:
            again = self.sign(body, secret=self.secret, event_id=f"e-{number}")
            assert await post(self.session, self.url, body, again) == first


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    async with session.post(url, data=body, headers=headers) as answer:
        found: dict[str, Any] = orjson.loads(await answer.read())
        return answer.status, found


def forge_posts(
    found: kit.Load, session: aiohttp.ClientSession, url: str, forbidden: Callable[[], list[str]]
) -> kit.Ask:
    """Questions in both profiles under every secret that must not count, and a right signature on another body."""

    async def forge(number: str) -> None:
        secrets = forbidden()
        secret = secrets[found.forged // 2 % len(secrets)]
        sign: Sign = (standard, plain)[found.forged % 2]
        body = orjson.dumps({"text": f"forged {number}."})
        status, _ = await post(session, url, body, sign(body, secret=secret))
        assert status == 401, f"a forged post was answered {status}"
        found.forged += 1

    return forge


async def known(session: aiohttp.ClientSession, url: str, secret: str) -> bool:
    """Whether the daemon takes what `secret` signs. Asks for a task that there is not, which is no question."""
    body = orjson.dumps({"task": "none"})
    status, _ = await post(session, f"{url}/tasks", body, plain(body, secret=secret))
    return status != 401


async def until_known(session: aiohttp.ClientSession, url: str, secret: str, wanted: bool = True) -> None:
    async with asyncio.timeout(PATIENCE):
        while await known(session, url, secret) is not wanted:
            await asyncio.sleep(0.05)


async def turns(daemon: DaemonProcess) -> float:
    """How many turns the daemon has ended."""
    found = await daemon.metrics()
    return sum(value for name, value in found.items() if name.startswith("phantom_turn_seconds_count"))


@dataclass
class Hands:
    """Who holds what: the secret that the prompt ones sign with, and all that went before it."""

    signer: kit.Signer
    backup_gone: bool = False

    def forbidden(self) -> list[str]:
        gone = self.signer.retired if self.backup_gone else self.signer.retired[:-1]
        return [OTHER, *gone]


async def secret_of_webhooks(folder: Path, rounds: int, kind: str) -> dict[str, float]:
    """Prompt senders take the new secret at once, slow ones stay with the backup for a while; in every other round the
    backup is retired when they have followed, else the next rotation drops it.
    """
    place = Deployment(kind, folder)
    async with AsyncExitStack() as stack:
        daemon = await stack.enter_async_context(place.daemon())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"{daemon.url}/webhook/default"
        hands = Hands(kit.Signer(secret=SECRET))
        prompt = [Sender(url=url, session=session, sign=sign, secret=SECRET) for sign in (standard, plain)]
        slow = [Sender(url=url, session=session, sign=sign, secret=SECRET) for sign in (standard, plain)]
        prompt[0].twice = slow[0].twice = True
        load = await stack.enter_async_context(kit.load(daemon))
        for name, sender in zip(("promptA", "promptB", "slowA", "slowB"), (*prompt, *slow), strict=True):
            load.keep(name, sender.ask)
        load.keep("forged", forge_posts(load, session, url, hands.forbidden), counts=False)
        await load.further()
        for number in range(rounds):
            await place.rotate(script=number % 2 == 1)
            await until_known(session, url, place.default)
            hands.signer.renew(place.default)
            hands.backup_gone = False
            for sender in prompt:
                sender.secret = place.default
            await load.further()
            for sender in slow:
                sender.secret = place.default
            await load.further()
            if number % 2 == 0:
                await place.retire()
                await until_known(session, url, hands.signer.retired[-1], wanted=False)
                hands.backup_gone = True
                await load.further()
        await load.end()
        metrics = await daemon.metrics()
        assert metrics['phantom_webhook_verified_total{endpoint="default",secret="backup"}'] > 0
        assert await turns(daemon) == len(load.asked), "a question was asked of the agent twice, or never"
        assert not [one for one in (*hands.signer.retired, hands.signer.secret) if one in daemon.output]
        return kit.figures(load)


async def beside(stack: AsyncExitStack, load: kit.Load, url: str) -> list[Sender]:
    """The same senders and forgers beside another load, all with the one secret `SECRET`."""
    session = await stack.enter_async_context(aiohttp.ClientSession())
    await load.daemon.until(lambda health: health["channels"]["webhook"]["state"] == "ready")
    senders = [Sender(url=url, session=session, sign=sign, secret=SECRET) for sign in (standard, plain)]
    for name, sender in zip(("hookA", "hookB"), senders, strict=True):
        load.keep(name, sender.ask)
    load.keep("forged", forge_posts(load, session, url, lambda: [OTHER]), counts=False)
    return senders
