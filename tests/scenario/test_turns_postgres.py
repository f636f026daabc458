"""A daemon whose turns are in PostgreSQL: it resumes them, waits for a server that is away, follows its password."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from phantom.testing.daemon_process import DaemonProcess, socket_env
from tests.scenario.daemon_kit import HERE, World, soon, world
from tests.scenario.postgres_kit import DATABASE, USER, PostgresServer, postgres

REFUSED, AWAY = "refuses the password", "cannot be used"


@pytest.fixture(scope="module")
def one_server() -> Iterator[PostgresServer]:
    with postgres() as found:
        yield found


@pytest.fixture
def server(one_server: PostgresServer) -> PostgresServer:
    """It runs, however the test before ended."""
    if not one_server.running:
        one_server.start()
    return one_server


def env(server: PostgresServer) -> dict[str, str]:
    return {"PHANTOM_TURNS_DATABASE": server.url, "DATABASE_PASSWORD": server.password, "PHANTOM_LOG_LEVEL": "debug"}


async def waiting(daemon: DaemonProcess, what: str) -> dict[str, Any]:
    """Health, once turns wait because of `what`."""
    health = await daemon.until(lambda found: what in (found["turns"]["fault"] or ""), 60)
    assert (health["status"], health["turns"]["state"]) == ("unhealthy", "waiting")
    assert health["turns"]["cure"]
    assert (await daemon.get("/ready"))[0] == 200, "it still takes in what is said"
    return health


async def running(daemon: DaemonProcess) -> None:
    await daemon.until(lambda found: found["turns"]["state"] == "running", 60)


def logins(daemon: DaemonProcess, which: str) -> list[dict[str, Any]]:
    """The lines that say that the server takes this one of two passwords. Where the daemon was without the server at
    the moment of a change, it says so as it says that it is back.
    """
    events = ("turns_database_password_taken", "turns_database_ready")
    return [line for event in events for line in daemon.events(event) if line["password"] == which]


async def leaks_nothing(here: World, server: PostgresServer) -> None:
    """No password that was ever given is in anything that the daemon shows or keeps."""
    shown = [here.daemon.output, (await here.daemon.get("/health"))[1], (await here.daemon.get("/metrics"))[1]]
    shown.append((await here.daemon.get("/health", accept="text/html"))[1])
    kept = []
    for path in here.daemon.data_dir.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # the daemon runs, and may replace a file
            kept.append(path.read_bytes())
    for password in {*server.given, server.password}:
        assert not [text for text in shown if password in text]
        assert not [body for body in kept if password.encode() in body]


async def test_a_kill_and_a_restart_of_the_server_in_the_middle_of_a_turn(
    tmp_path: Path, server: PostgresServer
) -> None:
    async with world(tmp_path, env=env(server)) as here:
        await here.answered(await here.ask("hello"), "heard: hello")
        schema = (here.daemon.data_dir / "turns-schema").read_text().strip()
        rows = server.ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'phantom_%'", database=DATABASE)
        assert (schema,) in rows
        assert not (here.daemon.data_dir / "turns.sqlite").exists()

        killed = await here.ask("gate kill")
        await here.begun("kill")
        await here.daemon.kill()
        await here.daemon.start()
        here.open("kill")
        await here.answered(killed, "passed kill")

        cut = await here.ask("gate cut")
        await here.begun("cut")
        server.stop()
        health = await waiting(here.daemon, AWAY)
        assert "start the server" in health["turns"]["cure"]
        meanwhile = await here.tell("meanwhile")
        here.open("cut")
        server.start()
        await here.answered(cut, "passed cut", 30)
        await here.answered(meanwhile, "heard: meanwhile", 30)
        await here.quiet()
        for question in (killed, cut, meanwhile):
            assert len(here.said(question)) == 1, here.said(question)
        assert (await here.daemon.metrics())["phantom_turns_database_up"] == 1
        await leaks_nothing(here, server)
        assert "Traceback" not in here.daemon.output
        assert await here.daemon.stop() == 0


async def test_an_approval_that_is_given_while_the_server_is_away(tmp_path: Path, server: PostgresServer) -> None:
    async with world(tmp_path, env=env(server)) as here:
        question = await here.ask("approve to launch")
        asked = await here.answered(question, "May I to launch?")
        server.stop()
        await waiting(here.daemon, AWAY)
        assert (await here.slack.click(here.slack.owner, asked, "phantom_button:approval:yes")).acked
        server.start()
        await here.answered(question, "decided True on to launch", 30)
        second = await here.ask("approve to land")
        asked = await here.answered(second, "May I to land?")
        assert server.cut() > 1, "the connection that hears of approvals, too"
        await here.slack.click(here.slack.owner, asked, "phantom_button:approval:no")
        await here.answered(second, "decided False on to land", 30)
        await here.quiet()
        assert [sum("decided" in text for text in here.said(one)) for one in (question, second)] == [1, 1]


async def test_a_server_that_is_away_at_the_start_and_at_the_end(tmp_path: Path, server: PostgresServer) -> None:
    server.stop()
    async with world(tmp_path, env=env(server) | {"PHANTOM_DRAIN_SECONDS": "1"}) as here:
        question = await here.ask("anybody?")
        await waiting(here.daemon, AWAY)
        assert not here.said(question)
        server.start()
        await here.answered(question, "heard: anybody?", 30)
        gone = await here.ask("gate gone")
        await here.begun("gone")
        server.stop()
        try:
            await waiting(here.daemon, AWAY)
            here.daemon.terminate()
            assert await here.daemon.wait(60) == 0
        finally:
            server.start()
        await here.daemon.start()
        here.open("gone")
        await here.answered(gone, "passed gone", 30)
        assert len(here.said(gone)) == 1


async def test_the_password_changes_on_either_side_first(tmp_path: Path, server: PostgresServer) -> None:
    own = env(server)
    del own["DATABASE_PASSWORD"]
    async with world(tmp_path, env=own, start=False) as here:
        here.daemon.env |= {"SECRET_SOURCE": "metadata", "PHANTOM_METADATA_URL": here.metadata.url}
        here.metadata.rotate("database_password", server.password)
        await here.daemon.start()
        await here.answered(await here.ask("first"), "heard: first")

        # The server first: every connection breaks, and the source does not know yet.
        fresh = secrets.token_hex(16)
        server.set_password(fresh)
        assert server.cut() > 1
        health = await waiting(here.daemon, REFUSED)
        assert "give the source" in health["turns"]["cure"]
        assert USER in health["turns"]["fault"]
        assert str(server.port) in health["turns"]["fault"]
        question = await here.ask("second")
        here.metadata.rotate("database_password", fresh)
        await here.answered(question, "heard: second", 30)

        # The source first: the value before is tried too, while the overlap lasts.
        fresh = secrets.token_hex(16)
        here.metadata.rotate("database_password", fresh)
        os.kill(here.daemon.pid, signal.SIGHUP)
        await soon(lambda: logins(here.daemon, "previous"))
        server.cut()
        await here.answered(await here.ask("third"), "heard: third", 30)
        before = len(logins(here.daemon, "current"))
        server.set_password(fresh)
        await soon(lambda: len(logins(here.daemon, "current")) > before, 60)
        server.cut()
        await here.answered(await here.ask("fourth"), "heard: fourth", 30)
        await running(here.daemon)
        await here.quiet()
        await leaks_nothing(here, server)
        assert "Traceback" not in here.daemon.output
        assert here.daemon.starts == 1


async def test_a_password_that_the_server_does_not_know_cuts_nobody_off(tmp_path: Path, server: PostgresServer) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    file = folder / "database_password"
    file.touch(mode=0o600)
    file.write_text(server.password)
    own = {
        "PHANTOM_TURNS_DATABASE": server.url,
        "SECRET_SOURCE": "file",
        "PHANTOM_SECRET_DIR": str(folder),
        "PHANTOM_SECRET_OVERLAP": "1",
    }
    async with world(tmp_path, env=own) as here:
        await here.answered(await here.ask("first"), "heard: first")
        file.write_text("a slip of the pen")
        os.kill(here.daemon.pid, signal.SIGHUP)
        await here.daemon.until_logged("turns_database_password_not_taken", within=30)
        asked = [await here.ask(f"second {number}") for number in range(8)]
        for number, question in enumerate(asked):
            await here.answered(question, f"heard: second {number}")
        health = await here.daemon.until(lambda found: bool(found["warnings"]))
        assert "give the source" in str(health["warnings"])
        assert health["turns"]["state"] == "running"
        server.cut()
        await waiting(here.daemon, REFUSED)
        file.write_text(server.password)
        await here.answered(await here.ask("third"), "heard: third", 30)
        await here.daemon.until(lambda found: not found["warnings"])


async def test_turns_go_on_while_the_server_gives_no_new_connection(tmp_path: Path, server: PostgresServer) -> None:
    async with world(tmp_path, env=env(server)) as here:
        await here.answered(await here.ask("hello"), "heard: hello")
        with server.full():
            asked = [await here.ask(f"crowd {number}") for number in range(12)]
            for number, question in enumerate(asked):
                await here.answered(question, f"heard: crowd {number}", 30)
        await here.quiet()
        assert [len(here.said(question)) for question in asked] == [1] * 12


async def test_turns_under_way_begin_again_when_the_database_is_another(tmp_path: Path, server: PostgresServer) -> None:
    async with world(tmp_path) as here:
        question = await here.ask("gate move")
        await here.begun("move")
        await here.daemon.kill()
        here.daemon.env |= env(server)
        await here.daemon.start()
        here.open("move")
        await here.answered(question, "passed move", 30)
        await here.quiet()
        assert len(here.said(question)) == 1
        later = await here.ask("gate back")
        await here.begun("back")
        await here.daemon.kill()
        del here.daemon.env["PHANTOM_TURNS_DATABASE"]
        await here.daemon.start()
        here.open("back")
        await here.answered(later, "passed back", 30)
        await here.quiet()
        assert len(here.said(later)) == 1


async def test_a_schema_belongs_to_one_data_folder(tmp_path: Path, server: PostgresServer) -> None:
    async with world(tmp_path, env=env(server)) as here:
        await here.answered(await here.ask("mine"), "heard: mine")
        copied = tmp_path / "copy"
        copied.mkdir()
        shutil.copy(here.daemon.data_dir / "turns-schema", copied)
        elsewhere = env(server) | socket_env(here.slack) | {"PHANTOM_AGENT": "obedient_agent:make"}
        async with DaemonProcess(env=elsewhere, data_dir=copied, python_path=[HERE]) as copy:
            health = await waiting(copy, "in use by another Phantom")
            assert "turns-schema" in health["turns"]["cure"]
            assert await here.daemon.stop() == 0
            await running(copy)


async def test_a_right_that_is_missing_is_named(tmp_path: Path, server: PostgresServer) -> None:
    password = secrets.token_hex(16)
    server.run(sql.SQL("CREATE ROLE guest LOGIN PASSWORD {}").format(sql.Literal(password)))
    server.given.append(password)
    own = {
        "PHANTOM_TURNS_DATABASE": server.url.replace(f"{USER}@", "guest@"),
        "DATABASE_PASSWORD": password,
        "PHANTOM_LOG_LEVEL": "debug",
    }
    async with world(tmp_path, env=own) as here:
        health = await waiting(here.daemon, "may not create tables")
        cure = health["turns"]["cure"].partition(", or ")[0]
        question = await here.ask("may I?")
        with server.connect(DATABASE) as connection:
            connection.execute(cure)
        await here.answered(question, "heard: may I?", 30)
        await leaks_nothing(here, server)
