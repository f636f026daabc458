"""`phantom secrets rotate|retire webhook`: kills at each step, two at once, refusals, and a daemon under load."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from channels.webhook import usage
from config.dotenv import read_dotenv
from config.whole_file import folder_lock
from phantom.errors import ConfigError
from phantom.testing.daemon_process import DaemonProcess
from tests.scenario import rotation_child
from tests.scenario.cli_kit import CLEAN, PATIENCE, phantom
from tests.scenario.rotation_child import OLD, OLDER
from tests.scenario.rotation_webhook import (
    BACKUP_FILE,
    DEFAULT_FILE,
    Deployment,
    known,
    until_known,
    write_env,
)
from tests.scenario.webhook_kit import BACKUP, SECRET, standard

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACE = 0.04
"""Seconds between two posts of one sender: a steady load, which leaves the commands a processor."""


def killed_at_each_step(folder: Path) -> dict[str, int]:
    """What `rotation_child.py` leaves in the folder; how many steps each kind has."""
    done = subprocess.run(
        [sys.executable, HERE / "rotation_child.py", folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    deaths: dict[str, int] = json.loads(done.stdout)
    return deaths


async def test_a_daemon_started_in_the_middle_of_a_rotation_serves(tmp_path: Path) -> None:
    """The kill between the two files: both hold the old secret, which is a default without a backup."""
    steps = await asyncio.to_thread(killed_at_each_step, tmp_path)
    folders = [tmp_path / "files" / str(number) for number in range(steps["files"])]
    pairs = {folder: rotation_child.files_place(folder).read() for folder in folders}
    place = Deployment("files", tmp_path)
    middle = next(folder for folder, pair in pairs.items() if pair.default == pair.backup)
    place.use_files(middle)
    async with place.daemon() as daemon, aiohttp.ClientSession() as session:
        url = f"{daemon.url}/webhook/default"
        assert await known(session, url, OLD)
        assert not await known(session, url, OLDER)
        health = await daemon.until(lambda health: any("is the same as" in one for one in health["warnings"]))
        assert "is the same secret as" in health["channels"]["webhook"]["detail"]
        assert (await daemon.metrics())['phantom_webhook_verified_total{endpoint="default",secret="default"}'] == 1
        (warned,) = await daemon.until_logged("webhook_backup_not_used")
        assert "rotate webhook" in warned["cure"]
        listed = json.loads(await place.run("list", "--json", status=1))["secrets"]
        odd = {row["name"]: row["malformed"] for row in listed if row["malformed"]}
        assert odd == {"webhook_secret_backup": "is the same as webhook_secret_default"}
        await place.run("rotate", "webhook", "--write")
        await until_known(session, url, place.default)
        assert await known(session, url, OLD), "it is the backup now"
        assert OLD not in daemon.output
        await daemon.until(lambda health: not any("is the same as" in one for one in health["warnings"]))


def test_a_kill_at_any_step_leaves_the_old_or_the_new_file_whole(tmp_path: Path) -> None:
    deaths = killed_at_each_step(tmp_path)
    assert deaths == {"env": 6, "files": 12}
    fresh = rotation_child.FRESH
    text = "# mine\nWEBHOOK_SECRET_BACKUP={}\nX='1'\nWEBHOOK_SECRET_DEFAULT={}\n"
    seen = set()
    for number in range(deaths["env"] + 1):
        folder = tmp_path / "env" / str(number)
        found = (folder / ".env").read_text()
        assert found in {text.format(OLDER, OLD), text.format(OLD, fresh)}
        seen.add(found)
        rotation_child.env_place(folder).rotate(fresh, lambda name: None)
        assert [path.name for path in folder.iterdir()] == [".env"], "what the killed one left is gone"
    assert len(seen) == 2
    for number in range(deaths["files"] + 1):
        folder = tmp_path / "files" / str(number)
        place = rotation_child.files_place(folder)
        pair = place.read()
        assert (pair.default, pair.backup) in {(OLD, OLDER), (OLD, OLD), (fresh, OLD)}
        if pair.default == OLD:
            place.rotate(fresh, lambda name: None)
        assert ((folder / DEFAULT_FILE).read_text().strip(), (folder / BACKUP_FILE).read_text()) == (fresh, OLD)


def test_a_failure_keeps_the_original(tmp_path: Path) -> None:
    place = rotation_child.prepare(tmp_path / "a", "env", OLD, OLDER)
    before = (tmp_path / "a/.env").read_bytes()

    def full(name: str) -> None:
        if name == "sync":
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        place.rotate(rotation_child.FRESH, full)
    assert (tmp_path / "a/.env").read_bytes() == before
    assert len(list((tmp_path / "a").iterdir())) == 1
    with folder_lock(place.folder), pytest.raises(ConfigError, match="under way"), folder_lock(place.folder):
        pass


async def test_of_two_at_once_one_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    path = write_env(real, WEBHOOK_SECRET_DEFAULT="ab12cd34" * 8)
    path.chmod(0o644)
    (tmp_path / ".env").symlink_to(path)

    async def one() -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "phantom", "secrets", "rotate", "webhook", "--write"),
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.DEVNULL,
        )
        return await process.wait()

    assert sorted(await asyncio.gather(one(), one())) == [0, 1]
    found = read_dotenv(path)
    assert found["WEBHOOK_SECRET_BACKUP"] == "ab12cd34" * 8
    assert len(bytes.fromhex(found["WEBHOOK_SECRET_DEFAULT"])) == 32, "as hex as the one before"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / ".env").is_symlink()


def test_what_is_refused(tmp_path: Path) -> None:
    path = write_env(tmp_path, WEBHOOK_SECRET_DEFAULT=SECRET)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    rotate = ("secrets", "rotate", "webhook")
    subprocess.run(["git", "-C", tmp_path, "add", ".env"], check=True)
    with unchanged(path):
        done = phantom(*rotate, "--write", "--force", cwd=tmp_path, status=1)
        assert "git tracks it" in done.stdout
        assert "add it to .gitignore" not in done.stdout, "that does not help a file that git has"
        done = phantom(*rotate, "--write", cwd=tmp_path, status=1, WEBHOOK_SECRET_DEFAULT=BACKUP)
        assert "comes from env WEBHOOK_SECRET_DEFAULT" in done.stdout
        assert "restart the daemon" in done.stdout
    named = tmp_path / "named"
    named.mkdir()
    (named / "new").write_text(SECRET)
    (named / "old").write_text(BACKUP)
    files = {"WEBHOOK_SECRET_DEFAULT_FILE": str(named / "new"), "WEBHOOK_SECRET_BACKUP_FILE": str(named / "old")}
    with unchanged(named / "new"), unchanged(named / "old"):
        done = phantom(*rotate, "--write", cwd=named, status=1, **files)
        assert "copy the file that WEBHOOK_SECRET_DEFAULT_FILE names" in done.stdout
    (tmp_path / "other").mkdir()
    same = write_env(tmp_path / "other", WEBHOOK_SECRET_DEFAULT=SECRET, WEBHOOK_SECRET_BACKUP=SECRET)
    with unchanged(same):
        script = [sys.executable, str(ROOT / "scripts/rotate_webhook_secret.py"), "--write", "--file", "other/.env"]
        ran = subprocess.run(script, cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=False)
        assert ran.returncode == 1
        assert "is the same secret as" in ran.stdout
        assert SECRET not in ran.stdout


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    yield
    assert path.read_bytes() == before


class Load:
    """Two senders that never pause: one keeps the secret that it has, one takes whatever `held` holds."""

    def __init__(self, daemon: DaemonProcess, session: aiohttp.ClientSession) -> None:
        self.url = f"{daemon.url}/webhook/default"
        self.session = session
        self.held = SECRET
        self.accepted = {True: 0, False: 0}
        self.refused: list[tuple[int, str]] = []

    async def post(self, secret: str) -> int:
        body = orjson.dumps({"text": "hello"})
        async with self.session.post(self.url, data=body, headers=standard(body, secret=secret)) as answer:
            await answer.read()
            return answer.status

    async def run(self, *, follows: bool) -> None:
        while True:
            status = await self.post(self.held if follows else SECRET)
            self.accepted[follows] += status == 200
            if status != 200:
                self.refused.append((status, "follows" if follows else "stays"))
            await asyncio.sleep(PACE)

    async def more(self, count: int = 5) -> None:
        """Wait until both have sent some more."""
        wanted = {who: number + count for who, number in self.accepted.items()}
        async with asyncio.timeout(PATIENCE):
            while any(self.accepted[who] < number for who, number in wanted.items()):
                await asyncio.sleep(PACE)


@pytest.mark.parametrize("kind", ["env", "files"])
async def test_no_post_is_refused_while_the_secret_is_rotated(kind: str, tmp_path: Path) -> None:
    place = Deployment(kind, tmp_path)
    async with place.daemon() as daemon, aiohttp.ClientSession() as session:
        load = Load(daemon, session)
        senders = [asyncio.create_task(load.run(follows=follows)) for follows in (True, False)]
        await load.more()
        shown = await place.run("rotate", "webhook", "--write")
        assert place.default != SECRET
        assert place.default not in shown
        load.held = await taken_up(load, place.default)
        await load.more(10)
        assert load.refused == [], "with no overlap of its own: the backup is what lets the old secret in"
        if kind == "env":
            await counted(tmp_path / "data/webhook")
            refusal = await place.run("retire", "webhook", "--write", status=1)
            assert "old; senders get 24 hours" in refusal
            assert "it verified a post" in refusal
        assert load.refused == []
        for sender in senders:
            sender.cancel()
        await asyncio.wait(senders)
        await place.run("retire", "webhook", "--write", "--force")
        async with asyncio.timeout(PATIENCE):
            while await load.post(SECRET) != 401:
                await asyncio.sleep(0.05)
        assert await load.post(place.default) == 200
        health = await daemon.health()
        assert not [one for one in health.get("warnings", []) if "webhook" in one], health
        assert daemon.starts == 1
        assert SECRET not in daemon.output


async def counted(folder: Path) -> None:
    """Wait until the daemon has written down that the backup is used."""
    async with asyncio.timeout(PATIENCE):
        while (found := usage.read(folder).get("default")) is None or found["backup"].last_used is None:
            await asyncio.sleep(PACE)


async def taken_up(load: Load, secret: str) -> str:
    """The secret, once the daemon accepts it. Whoever hands it out does so after that."""
    async with asyncio.timeout(PATIENCE):
        while await load.post(secret) != 200:
            await asyncio.sleep(0.05)
    return secret
