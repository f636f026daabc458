"""What the commands say of turns in PostgreSQL, against a real server: doctor, egress, secrets, config. No password."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phantom.cli.exposure_check import Asking, check
from phantom.cli.exposure_playbook import Family, playbook
from phantom.clock import SystemClock
from phantom.daemon import load_config
from phantom.secrets import held
from tests.scenario.cli_kit import phantom
from tests.scenario.postgres_kit import DATABASE, USER, PostgresServer, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as found:
        yield found


def rows(out: str, check: str) -> list[dict[str, Any]]:
    return [row for row in json.loads(out) if row["check"] == check]


def test_doctor_connects_and_names_the_cure(tmp_path: Path, server: PostgresServer) -> None:
    environ = {"PHANTOM_TURNS_DATABASE": server.url, "DATABASE_PASSWORD": server.password, "PORT": "0"}
    said = []

    def doctor(**other: str) -> dict[str, Any]:
        done = phantom("doctor", "--json", cwd=tmp_path, status=78, **environ | other)  # no channel is configured
        said.append(done.stdout + done.stderr)
        return rows(done.stdout, "turns database")[0]

    fine = doctor()
    assert fine["level"] == "ok"
    assert fine["seen"].startswith("PostgreSQL ")
    assert "no TLS" in fine["seen"]
    wrong = doctor(DATABASE_PASSWORD="some-other-password")
    assert wrong["level"] == "fail"
    assert USER in wrong["seen"]
    assert "database_password" in wrong["cure"]
    missing = doctor(PHANTOM_TURNS_DATABASE=server.url.replace(DATABASE, "nowhere"))
    assert missing["cure"].startswith("create it: CREATE DATABASE")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "database_password").write_text(server.password)
    by_file = {"SECRET_SOURCE": "file", "PHANTOM_SECRET_DIR": str(tmp_path / "secrets")}
    done = phantom("doctor", "--json", cwd=tmp_path, status=78, PHANTOM_TURNS_DATABASE=server.url, PORT="0", **by_file)
    assert rows(done.stdout, "turns database")[0]["level"] == "ok"
    assert not [text for text in [*said, done.stdout] if server.password in text or "some-other-password" in text]


def test_lists_of_secrets_hosts_and_settings(tmp_path: Path) -> None:
    password = secrets.token_hex(16)
    environ = {
        "PHANTOM_TURNS_DATABASE": "postgresql://phantom@db.example:6432/turns",
        "DATABASE_PASSWORD": password,
    }
    listed = phantom("secrets", "list", "--json", cwd=tmp_path, status=0, **environ).stdout
    row = next(one for one in json.loads(listed)["secrets"] if one["name"] == "database_password")
    assert (row["category"], row["users"], row["set"]) == ("database and broker credentials", ["turns database"], True)
    hosts = phantom("egress", "--json", cwd=tmp_path, status=0, **environ).stdout
    found = [(one["host"], one["port"]) for one in json.loads(hosts)["destinations"]]
    assert ("db.example", 6432) in found
    assert "no database server" not in hosts
    assert "no database server" in phantom("egress", "--json", cwd=tmp_path).stdout
    behind_socket = {"PHANTOM_TURNS_DATABASE": "postgresql://phantom@/turns?host=/run/postgresql"}
    assert "Unix socket" in phantom("egress", "--json", cwd=tmp_path, status=0, **behind_socket).stdout
    shown = phantom("config", "explain", cwd=tmp_path, status=0, **environ).stdout
    assert "***@db.example:6432/turns" in shown
    assert not [text for text in (listed, hosts, shown) if password in text]
    with_password = f"postgresql://phantom:{password}@db.example/turns"
    for command in (("config", "explain"), ("start",), ("doctor",)):
        refused = phantom(*command, cwd=tmp_path, status=78, PHANTOM_TURNS_DATABASE=with_password, PORT="0")
        assert password not in refused.stdout + refused.stderr
        assert "DATABASE_PASSWORD" in refused.stdout + refused.stderr


def test_an_exposed_password_is_tried_at_the_server(tmp_path: Path, server: PostgresServer) -> None:
    fresh, leaked = secrets.token_hex(16), server.password
    environ = {"PHANTOM_TURNS_DATABASE": server.url, "DATABASE_PASSWORD": fresh}
    loaded = load_config(None, environ, tmp_path, SystemClock())
    play = playbook("database_password", None, loaded)
    assert play.family is Family.DATABASE
    assert "pg_terminate_backend" in play.revoke
    asking = Asking(
        value=held("exposed", leaked),
        name="database_password",
        family=play.family,
        loaded=loaded,
        clock=SystemClock(),
    )
    assert asyncio.run(check(asking)).accepted is True
    server.set_password(fresh)
    assert asyncio.run(check(asking)).accepted is False
    server.stop()
    unknown = asyncio.run(check(asking))
    assert unknown.accepted is None
    assert leaked not in unknown.said
    server.start()
