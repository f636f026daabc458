"""The data folder in trouble: a full disk, a folder that cannot be written, two daemons on one, a newer file."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
from pathlib import Path

import pytest

from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_slack.deliveries import Attempt
from tests.scenario.daemon_kit import World, world

BOTH = pytest.mark.parametrize("transport", ["socket", "http"])
NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def fill_disk(here: World) -> None:
    """From now on no file of the daemon can grow: a full disk, as the kernel tells it (EFBIG)."""
    sizes = [path.stat().st_size for path in here.daemon.data_dir.glob("*.sqlite*") if not path.name.endswith("-shm")]
    resource.prlimit(here.daemon.pid, resource.RLIMIT_FSIZE, (min(sizes), resource.RLIM_INFINITY))


def free_disk(here: World) -> None:
    """There is space again."""
    resource.prlimit(here.daemon.pid, resource.RLIMIT_FSIZE, NO_LIMIT)


def tried(here: World) -> list[Attempt]:
    """Every attempt at what is not delivered yet."""
    return [attempt for delivery in here.slack.delivered.pending for attempt in delivery.attempts]


async def answers(here: World, path: str, status: int) -> None:
    """Wait until a page answers so."""
    async with asyncio.timeout(30):
        while (await here.daemon.get(path))[0] != status:
            await asyncio.sleep(0.05)


@BOTH
async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as here:
        running = await here.ask("gate a one")
        await here.begun("a")
        await here.slack.settled()
        fill_disk(here)
        refused = await here.ask("two")
        line = (await here.daemon.until_logged("journal_cannot_write"))[0]
        assert "free space" in line["cure"]
        health = await here.daemon.until(lambda found: bool(found["journal"]["fault"]))
        assert health["status"] == "unhealthy"
        await answers(here, "/ready", 503)
        assert not here.slack.delivered.idle
        here.open("a")
        await here.slack.wait_for(lambda: [one for one in tried(here) if transport == "socket" or one.status == 503])
        free_disk(here)
        await here.daemon.until_logged("journal_writes_again")
        await here.answered(running, "passed a one", within=30)
        await here.answered(refused, "heard: two", within=30)
        await here.slack.settled(30)
        await here.quiet()
        assert [text for text in here.said(running) if "passed" in text] == ["passed a one"]
        assert here.said(refused) == ["heard: two"]
        await answers(here, "/ready", 200)


async def test_a_disk_that_is_full_from_the_start_is_one_clear_line(tmp_path: Path) -> None:
    def no_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    async with world(tmp_path, start=False) as here:
        daemon = DaemonProcess(env=here.daemon.env, data_dir=tmp_path / "full", before_exec=no_space)
        await daemon.start(ready=False)
        assert await daemon.wait() == 78
        assert "Traceback" not in daemon.output
        (line,) = daemon.events("cannot_start")
        assert "free some space" in line["cure"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    async with world(tmp_path, start=False) as here:
        await here.daemon.start(ready=False)
        assert await here.daemon.wait() == 78
        assert "PHANTOM_DATA_DIR" in here.daemon.output
        assert "Traceback" not in here.daemon.output


@pytest.mark.parametrize("folder", ["/proc/phantom", "/dev/null/phantom"])
async def test_a_folder_where_nobody_can_write_is_one_clear_line(tmp_path: Path, folder: str) -> None:
    async with world(tmp_path, env={"PHANTOM_DATA_DIR": folder}, start=False) as here:
        await here.daemon.start(ready=False)
        assert await here.daemon.wait() == 78
        lines = here.daemon.events("cannot_start")
        assert len(lines) == 1
        assert lines[0]["where"] == "PHANTOM_DATA_DIR"
        assert "write access" in lines[0]["cure"]
        assert "Traceback" not in here.daemon.output


async def test_a_second_daemon_on_the_folder_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        second = DaemonProcess(env=here.daemon.env | {"PORT": "0"}, data_dir=here.daemon.data_dir)
        await second.start(ready=False)
        assert await second.wait() == 78
        (line,) = second.events("cannot_start")
        assert f"process {here.daemon.pid}" in line["what"]
        assert "folder of its own" in line["cure"]
        await here.answered(await here.ask("still here"), "heard: still here")


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        second = DaemonProcess(env=here.daemon.env, data_dir=tmp_path / "other", port=here.daemon.port)
        second.env["PHANTOM_DATA_DIR"] = str(tmp_path / "other")
        await second.start(ready=False)
        assert await second.wait() == 78
        (line,) = second.events("cannot_start")
        assert str(here.daemon.port) in line["what"]


async def test_a_folder_of_a_newer_phantom_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as here:
        here.daemon.data_dir.mkdir()
        with sqlite3.connect(here.daemon.data_dir / "phantom.sqlite") as db:
            db.execute("PRAGMA user_version = 999")
        db.close()
        await here.daemon.start(ready=False)
        assert await here.daemon.wait() == 1
        assert "newer Phantom" in here.daemon.output
        assert "Traceback" not in here.daemon.output


async def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as here:
        here.daemon.data_dir.mkdir()
        (here.daemon.data_dir / "phantom.sqlite").write_bytes(b"this is not a database" * 100)
        await here.daemon.start(ready=False)
        assert await here.daemon.wait() == 1
        assert "phantom.sqlite" in here.daemon.output
        assert "Traceback" not in here.daemon.output
