"""Stored values that do not open, keys from live sources, and sources that fail."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from phantom.storage.key_ring import Ring, fresh_key
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_metadata import FakeMetadata
from phantom.testing.fake_slack.message import FakeMessage
from tests.scenario.daemon_kit import soon
from tests.scenario.encryption_kit import Place, encryption, place, until_under


def damage(path: Path, table: str, column: str, where: str) -> None:
    """Flip a bit at the end of the values."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchall()  # noqa: S608 - a test's own
        assert rows
        for rowid, value in rows:
            if isinstance(value, bytes):
                changed: bytes | str = value[:-1] + bytes([value[-1] ^ 1])
            else:
                changed = value[:-8] + ("AAAA" if value[-8:-4] != "AAAA" else "BBBB") + value[-4:]
            db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (changed, rowid))  # noqa: S608
        db.commit()


async def killed_in_the_middle(here: Place, daemon: DaemonProcess) -> FakeMessage:
    """A question whose turn a kill cut short."""
    question = await here.slack.post(here.slack.owner, here.slack.dm(here.slack.owner), "gate g with an otter")
    await soon((here.folder / "g.begun").exists)  # a file: Slack would not tell of it
    await daemon.kill()
    (here.folder / "g").touch()
    return question


async def test_an_event_that_does_not_open_fails_alone_and_is_kept(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.daemon() as daemon:
        await here.say("otters are first")
        question = await killed_in_the_middle(here, daemon)
        damage(here.data / "phantom.sqlite", "inbox", "body", "state < 3")
        damage(here.data / "phantom.sqlite", "history", "text", "role = 'assistant'")
        key = here.ring.keys[0]
        await daemon.start()
        await here.say("otters go on")
        assert "otters are first" in await here.recall(), "the lines that open are there"
        (told,) = {line["what"] for line in await daemon.until_logged("event_does_not_open")}
        assert "inbox.body" in told
        assert key.id in told
        await daemon.until_logged("line_does_not_open")
        assert not [one for one in here.slack.replies(question) if "passed" in one.shown]
        with closing(sqlite3.connect(here.data / "phantom.sqlite")) as db:
            ((state, kept),) = db.execute("SELECT state, body IS NOT NULL FROM inbox WHERE detail = 'damaged'")
        assert (state, kept) == (6, 1)
        here.put(Ring(keys=(fresh_key(), key)).text)
        health = await daemon.until(lambda health: encryption(health)["damaged"] == 2)
        assert any("do not open" in one for one in health["warnings"])
        await soon(
            lambda: (
                {line["what"].split(",")[0] for line in daemon.events("row_does_not_open")}
                == {"inbox.body", "history.text"}
            )
        )
        assert "2 stored value(s)" in here.command("retire", "encryption", "--write", status=1)
        here.command("retire", "encryption", "--write", "--force")


async def test_a_turn_whose_checkpoints_do_not_open_is_begun_anew(tmp_path: Path) -> None:
    async with place(tmp_path) as here, here.daemon() as daemon:
        question = await killed_in_the_middle(here, daemon)
        damage(here.data / "turns.sqlite", "workflow_input", "inputs", "inputs IS NOT NULL")
        damage(here.data / "turns.sqlite", "operation_outputs", "output", "output IS NOT NULL")
        await daemon.start()
        await here.slack.wait_for(lambda: any("otter" in one.shown for one in here.slack.replies(question)))
        await here.say("otters again")


async def test_the_key_from_the_metadata_service_rotates_live_and_must_be_there_to_start(tmp_path: Path) -> None:
    first, second = fresh_key(), fresh_key()
    async with place(tmp_path, first_key=False) as here:
        async with FakeMetadata() as metadata:
            env = {"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": metadata.url}
            async with here.daemon(key=False, **env) as daemon:
                await here.say("badgers without a key")
                assert encryption(await daemon.health()) == {}
                await daemon.stop()
            metadata.rotate("encryption_key", first.text)
            async with here.daemon(key=False, PHANTOM_ENCRYPTION="required", **env) as daemon:
                await until_under(daemon, first.id)
                metadata.rotate("encryption_key", Ring(keys=(second, first)).text)
                os.kill(daemon.pid, signal.SIGHUP)
                await until_under(daemon, second.id)
                assert here.found() == {}
                await daemon.stop()
            metadata.rotate("encryption_key", first.text)
            assert second.id in await here.refused(key=False, **env), "an old value of the service's"
        said = await here.refused(key=False, **env)
        assert "cannot be read" in said, "the service is away"


async def test_required_is_no_start_without_a_key(tmp_path: Path) -> None:
    async with place(tmp_path, first_key=False) as here:
        assert "PHANTOM_ENCRYPTION=required" in await here.refused(key=False, PHANTOM_ENCRYPTION="required")
        assert "cannot be read" in await here.refused(), "its file is missing"
