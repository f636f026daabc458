"""A private PostgreSQL server on 127.0.0.1 for the tests: made in a temporary folder, ended by its own process id.

    with postgres() as server:     # skips the test, with a notice, where there is no PostgreSQL
        server.stop()              # SIGQUIT, as a crash
        server.start()             # again, on the same port

Passwords are checked with SCRAM also on the loopback address. What does *not* live here: what the tests assert.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from phantom.testing.daemon_process import kept_port

ADMIN, USER, DATABASE = "admin", "phantom", "turns"
_ADMIN_PASSWORD = secrets.token_hex(16)
_WITHIN = 30.0


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`, None where there is none."""
    found = [Path(one).resolve().parent for one in (shutil.which("initdb"), shutil.which("postgres")) if one]
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    return next((one for one in (*found, *versions) if (one / "initdb").exists() and (one / "postgres").exists()), None)


def _unprivileged() -> Sequence[str]:
    """PostgreSQL refuses to run as root: the prefix of a command that runs as somebody else."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("NOTICE: PostgreSQL does not run as root, and there is no setpriv: turns on it are not tested")
    return (setpriv, f"--reuid={_account().pw_name}", f"--regid={_account().pw_gid}", "--clear-groups")


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("NOTICE: neither a user postgres nor nobody: turns on PostgreSQL are not tested")


@cache
def _cluster(programs: Path) -> Path:
    """A fresh cluster that each server gets a copy of: making one takes ten times as long."""
    folder = Path(tempfile.mkdtemp(prefix="phantom-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    password_file = folder / "password"
    password_file.write_text(_ADMIN_PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, password_file):
            shutil.chown(path, _account().pw_uid, _account().pw_gid)
    command = f"initdb -D data -A scram-sha-256 -U {ADMIN} --pwfile=password -E UTF8 --locale=C --no-sync".split()
    command[0] = str(programs / "initdb")
    subprocess.run([*_unprivileged(), *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return folder / "data"


@dataclass(kw_only=True)
class PostgresServer:
    """One cluster. `password` is what USER has now; `given` every password that USER ever had here."""

    folder: Path
    programs: Path
    port: int = 0
    admin_password: str = _ADMIN_PASSWORD
    password: str = field(default_factory=lambda: secrets.token_hex(20))
    given: list[str] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What PHANTOM_TURNS_DATABASE is set to."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}?sslmode=disable"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def make(self) -> None:
        """The cluster, its user and its database."""
        command = ["cp", "-R", str(_cluster(self.programs)), "data"]
        if os.geteuid() == 0:
            shutil.chown(self.folder, _account().pw_uid, _account().pw_gid)
        subprocess.run([*_unprivileged(), *command], check=True, cwd=self.folder)
        self._start_somewhere()
        self.run(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(USER), sql.Literal(self.password)))
        self.run(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(USER)))
        self.given.append(self.password)

    def _start_somewhere(self) -> None:
        """On another port when somebody was quicker, where ports cannot be kept."""
        for _ in range(5):
            self.port = kept_port(self)
            try:
                return self.start()
            except RuntimeError as error:
                if "could not bind" not in str(error):
                    raise
        raise RuntimeError("no free port was found")

    def start(self) -> None:
        """Begin to serve; returns once it does."""
        command = f"postgres -D data -p {self.port} -k {self.folder} -h 127.0.0.1 -F".split()
        command[0] = str(self.programs / "postgres")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_unprivileged(), *command], stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        until = time.monotonic() + _WITHIN
        while True:
            try:
                self.ask("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > until or not self.running:
                    raise RuntimeError((self.folder / "log").read_text()[-4000:]) from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """As if the power went: every connection breaks."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_WITHIN)
            self._process = None

    def run(self, statement: sql.Composed, *, database: str = "postgres") -> None:
        """One statement by the administrator."""
        with self.connect(database) as connection:
            connection.execute(statement)

    def ask(self, query: LiteralString, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of one query by the administrator."""
        with self.connect(database) as connection:
            return connection.execute(query).fetchall()

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection of the administrator's."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=ADMIN, password=self.admin_password, dbname=database, autocommit=True
        )

    def set_password(self, fresh: str) -> None:
        """From now on only this one is taken."""
        self.run(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(USER), sql.Literal(fresh)))
        self.password = fresh
        self.given.append(fresh)

    def cut(self) -> int:
        """End every connection of USER. Returns how many there were."""
        query: LiteralString = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'phantom'"
        return len(self.ask(query))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its processes do nothing any more, and every connection stays open."""
        assert self._process is not None
        clients = [pid for (pid,) in self.ask("SELECT pid FROM pg_stat_activity WHERE usename = 'phantom'")]
        pids = [self._process.pid, *clients]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """It gives USER no new connection, and leaves those that are open."""
        limit: LiteralString = "ALTER ROLE phantom CONNECTION LIMIT "
        self.run(sql.SQL(limit + "0").format())
        try:
            yield
        finally:
            self.run(sql.SQL(limit + "-1").format())

    def connections(self) -> int:
        """How many connections USER has."""
        return int(self.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'phantom'")[0][0])


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A server that runs, or a skipped test."""
    programs = binaries()
    if programs is None:
        pytest.skip("NOTICE: no PostgreSQL server is installed: turns on PostgreSQL are not tested")
    # Not below pytest's folders, which only their owner may enter.
    with tempfile.TemporaryDirectory(prefix="phantom-postgres-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(folder=Path(folder), programs=programs)
        try:
            server.make()
            yield server
        finally:
            server.stop()
