"""A real daemon with an encryption key in a file, conversations through Slack and a webhook, and a search of everything
that is in its data folder.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from phantom.storage.key_ring import Ring, fresh_key, parse_ring
from phantom.testing.daemon_process import DaemonProcess, socket_env
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from tests.scenario import rotation_kit
from tests.scenario.webhook_kit import SECRET, standard

HERE = Path(__file__).parent
WITHIN = 30.0


def forms(sentence: str) -> Iterator[bytes]:
    """How a sentence may stand in a file: as it is, in UTF-16, and in base64 at each of its three alignments."""
    plain = sentence.encode()
    yield plain
    yield sentence.encode("utf-16-le")
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
        yield text[(0, 2, 3)[shift] : -2]


def hits(folder: Path, sentence: str) -> list[str]:
    """The files below `folder` that hold the sentence in any form."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with contextlib.suppress(FileNotFoundError):  # a daemon that runs may have replaced it meanwhile
                data = path.read_bytes()
                found += [path.name for form in forms(sentence) if form in data]
    return found


@dataclass(kw_only=True)
class Place:
    """One deployment. `ring` is what its key file holds; `planted` every word that was said."""

    folder: Path
    slack: FakeSlack
    env: dict[str, str] = field(default_factory=dict)
    planted: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def key_file(self) -> Path:
        return self.folder / "keys" / "encryption_key"

    @property
    def ring(self) -> Ring:
        return parse_ring(self.key_file.read_text().strip())

    def put(self, ring: str) -> None:
        """Replace the key file in one step, as an operator's tool does."""
        self.key_file.parent.mkdir(exist_ok=True)
        fresh = self.key_file.with_name("new")
        fresh.write_text(ring)
        fresh.chmod(0o600)
        fresh.replace(self.key_file)

    def daemon(self, *, key: bool = True, **env: str) -> DaemonProcess:
        """A daemon on this data folder."""
        keyed = {"ENCRYPTION_KEY_FILE": str(self.key_file)} if key else {}
        return DaemonProcess(
            env=socket_env(self.slack) | self.env | keyed | env, data_dir=self.data, python_path=[HERE]
        )

    async def say(self, text: str) -> None:
        """The owner says it in the direct conversation, and the agent repeats it."""
        self.planted.append(text)
        question = await self.slack.post(self.slack.owner, self.slack.dm(self.slack.owner), text)
        await self.slack.wait_for(lambda: any(text in one.shown for one in self.slack.replies(question)), WITHIN)

    async def recall(self) -> str:
        """What the agent says was said before."""
        slack = self.slack
        question = await slack.post(slack.owner, slack.dm(slack.owner), "history")
        said = lambda: [one.shown for one in slack.replies(question) if "before:" in one.shown]  # noqa: E731
        return str((await slack.wait_for(said, WITHIN))[0])

    async def ask_over_webhook(self, daemon: DaemonProcess, text: str) -> None:
        """Another system asks, and has its answer."""
        self.planted.append(text)
        body = json.dumps({"text": text}).encode()
        url = f"{daemon.url}/webhook/default"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=standard(body)) as answer:
            said = await answer.text()
            assert text in said, f"{answer.status} {said}"

    async def refused(self, *, key: bool = True, **env: str) -> str:
        """Start; what it says when it ends with 78, before it has asked for any connection."""
        asked = len(self.slack.calls_of("apps.connections.open"))
        daemon = self.daemon(key=key, **env)
        await daemon.start(ready=False)
        assert await daemon.wait() == 78, daemon.output[-3000:]
        assert len(self.slack.calls_of("apps.connections.open")) == asked
        (said,) = daemon.events("cannot_start")
        assert said["where"] == "ENCRYPTION_KEY"
        return f"{said['what']} | {said['cure']}"

    def command(self, *arguments: str, status: int = 0, key: bool = True) -> str:
        """What `phantom secrets …` prints."""
        done = self.phantom("secrets", *arguments, "--data-dir", str(self.data), key=key)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def phantom(self, *arguments: str, key: bool = True, **extra: str) -> subprocess.CompletedProcess[str]:
        """Any command, in the deployment's folder."""
        env = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}
        env |= {"HOME": str(self.folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        env |= self.env | extra | ({"ENCRYPTION_KEY_FILE": str(self.key_file)} if key else {})
        return subprocess.run(
            [sys.executable, "-m", "phantom", *arguments],
            env=env, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def add_history(self, count: int, text: str) -> int:
        """Plain lines of an old conversation, while no daemon runs."""
        self.planted.append(text)
        sql = "INSERT INTO history (session, epoch, turn, role, text, at) VALUES ('old', 0, ?, 'user', ?, 1.0)"
        with closing(sqlite3.connect(self.data / "phantom.sqlite")) as db:
            db.executemany(sql, [(f"old-{number}", f"{text} {number}") for number in range(count)])
            db.commit()
        return count

    async def until_resealing(self) -> None:
        """Wait until a daemon that has just been started has sealed something with the ring's first key."""
        mark = f"ff504531{self.ring.keys[0].id}"
        async with asyncio.timeout(WITHIN):
            while mark not in self.starts_of_sealed():
                await asyncio.sleep(0.01)

    def count_history(self, text: str) -> int:
        """How many plain lines begin so."""
        with closing(sqlite3.connect(self.data / "phantom.sqlite")) as db:
            ((count,),) = db.execute("SELECT count(DISTINCT text) FROM history WHERE text LIKE ?", (f"{text} %",))
        return int(count)

    def found(self) -> dict[str, list[str]]:
        """What of all that was said can be read in the data folder, and where."""
        searched = {text: hits(self.data, text) for text in self.planted}
        return {text: files for text, files in searched.items() if files}

    def starts_of_sealed(self, table: str = "history", column: str = "text") -> set[str]:
        """The first bytes of a column's values, in hex; "str" for plain text."""
        with closing(sqlite3.connect(self.data / "phantom.sqlite")) as db:
            values = [value for (value,) in db.execute(f"SELECT {column} FROM {table}")]  # noqa: S608 - our own names
        return {"str" if isinstance(value, str) else value[:8].hex() for value in values}


def encryption(health: Mapping[str, Any]) -> Mapping[str, Any]:
    """That part of the health document, {} in plain mode."""
    found: Mapping[str, Any] = health.get("encryption") or {}
    return found


async def until_under(daemon: DaemonProcess, key_id: str | None, within: float = 30.0) -> Mapping[str, Any]:
    """Wait until everything is under that key (None: plain) and old ones are let go."""

    def reached(health: Mapping[str, Any]) -> bool:
        found = encryption(health)
        return (found.get("sealing"), found.get("state"), found.get("values_left")) == (key_id, "done", 0)

    return encryption(await daemon.until(reached, within))


@asynccontextmanager
async def place(folder: Path, *, first_key: bool = True) -> AsyncIterator[Place]:
    """A deployment with Slack and a webhook. `first_key`: its key file holds one."""
    async with FakeSlack(transport="socket") as slack:
        slack.sockets.schedule = RetrySchedule((0.1,), forever=True)
        made = Place(folder=folder, slack=slack)
        made.env = {
            "PHANTOM_AGENT": "obedient_agent:make",
            "GATES": str(folder),
            "WEBHOOK_SECRET_DEFAULT": SECRET,
        }
        if first_key:
            made.put(fresh_key().text)
        yield made


__all__ = ["Place", "encryption", "hits", "place", "rotation_kit", "until_under"]
