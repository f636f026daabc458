"""How a server is talked to, and that a failed login leaves nothing of the password behind."""

from __future__ import annotations

import gc
import socket
from pathlib import Path

import pytest

from phantom.errors import ConfigError, SecretError, StorageError
from phantom.secrets import HeldSource, Secret, held
from phantom.storage.postgres_address import PostgresAddress
from phantom.storage.postgres_link import AWAY, NO_PASSWORD, REFUSED, PostgresLink, ServerFacts, why_unfit
from phantom.storage.turns_schema import FILE, known_schema_name, lock_key, schema_name
from tests.scenario.postgres_kit import ADMIN, DATABASE, USER, postgres

FIT = ServerFacts(
    version="15.1", number=150001, encoding="UTF8", standby=False, schema_exists=False, may_create=True, tls=True
)


@pytest.mark.parametrize(
    ("url", "mode", "local"),
    [
        ("postgresql://u@127.0.0.1/d", "prefer", True),
        ("postgresql://u@[::1]:1/d", "prefer", True),
        ("postgresql://u@localhost/d", "prefer", True),
        ("postgresql://u@/d?host=/run/postgresql", "prefer", True),
        ("postgresql://u@db.example/d", "verify-full", False),
        ("postgresql://u@10.0.0.1/d", "verify-full", False),
        ("postgresql://u@db.example/d?sslmode=disable", "disable", False),
    ],
)
def test_another_machine_must_prove_who_it_is_unless_told_otherwise(url: str, mode: str, local: bool) -> None:
    address = PostgresAddress.parse(url)
    arguments = address.arguments("test")
    assert (address.ssl_mode, arguments["sslmode"], address.local) == (mode, mode, local)
    assert ("sslrootcert" in arguments) == (mode == "verify-full")
    assert ("require_auth" in arguments) == (mode in ("prefer", "disable")), "no password in the clear"
    assert arguments["password"] == ""
    assert str(address).endswith('database "d", user "u"')


def test_what_follows_the_question_mark_is_for_libpq() -> None:
    address = PostgresAddress.parse("postgresql://u%40x@h:6432/d%20b?sslrootcert=/ca.pem&target_session_attrs=any")
    arguments = address.arguments("test")
    assert (address.user, address.port, address.database) == ("u@x", 6432, "d b")
    assert (arguments["sslrootcert"], arguments["target_session_attrs"]) == ("/ca.pem", "any")


def test_a_failed_login_says_where_and_what_to_do_and_keeps_no_password() -> None:
    with postgres() as server:
        wrong, older = "wrong-password-1234", "older-password-5678"
        source = HeldSource("database_password", wrong, previous=older)
        link = PostgresLink(PostgresAddress.parse(server.url), lambda: Secret("database_password", source), "test")
        with pytest.raises(StorageError) as refused:
            link.connect()
        error = refused.value
        assert error.code == REFUSED
        assert all(one in error.message for one in ("127.0.0.1", str(server.port), USER, DATABASE))
        assert "database_password" in error.hint
        assert (error.__cause__, error.__context__) == (None, None), "psycopg's error holds the password"
        gc.collect()
        kept = [one for one in gc.get_objects() if type(one).__name__ in ("FinishedPGconn", "OperationalError")]
        assert not [one for one in kept if wrong in repr(one) or older in repr(one)]

        # While the overlap lasts either value will do, and the one that did is tried first.
        source.rotate(server.password)
        link.connect().close()
        assert link.accepted == "current"
        source.rotate("not-yet-in-the-server")
        link.connect().close()
        assert link.accepted == "previous"
        server.set_password("not-yet-in-the-server")
        link.connect().close()
        assert link.accepted == "current"

        elsewhere = PostgresAddress.parse(server.url.replace(f"/{DATABASE}", "/nowhere"))
        with pytest.raises(StorageError) as nowhere:
            PostgresLink(elsewhere, lambda: held("database_password", server.password), "test").connect()
        assert nowhere.value.code == AWAY
        assert nowhere.value.hint.startswith('create it: CREATE DATABASE "nowhere"')
        strict = PostgresAddress.parse(server.url.replace("sslmode=disable", "sslmode=require"))
        with pytest.raises(StorageError) as plain:
            PostgresLink(strict, lambda: held("database_password", server.password), "test").connect()
        assert "sslmode=disable" in plain.value.hint


def test_a_server_that_is_away_may_come_back() -> None:
    with socket.socket() as nobody:  # keeps the port, and does not listen
        nobody.bind(("127.0.0.1", 0))
        address = PostgresAddress.parse(f"postgresql://{ADMIN}@127.0.0.1:{nobody.getsockname()[1]}/x")
        with pytest.raises(StorageError) as away:
            PostgresLink(address, lambda: held("x", "admin-password-1234"), "test").connect()
    assert (away.value.code, away.value.retryable) == (AWAY, True)


def test_a_password_that_no_inventory_knows_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres() as server:
        (tmp_path / ".pgpass").write_text(f"*:*:*:*:{server.password}\n")
        (tmp_path / ".pgpass").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PGPASSWORD", server.password)
        link = PostgresLink(PostgresAddress.parse(server.url), lambda: None, "test")
        with pytest.raises(StorageError) as missing:
            link.connect()
        assert missing.value.code == NO_PASSWORD


def test_a_password_that_cannot_be_had_is_told_with_its_own_cure() -> None:
    def broken() -> Secret:
        raise SecretError("the file is gone", hint="put it back")

    link = PostgresLink(PostgresAddress.parse("postgresql://u@127.0.0.1:1/d"), broken, "test")
    with pytest.raises(StorageError) as error:
        link.connect()
    assert (error.value.code, error.value.hint) == (NO_PASSWORD, "put it back")


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ({"number": 120000}, "13 is the oldest"),
        ({"standby": True}, "name the primary"),
        ({"encoding": "SQL_ASCII"}, "ENCODING 'UTF8'"),
        ({"may_create": False}, "GRANT CREATE ON DATABASE"),
        ({"may_create": False, "schema_exists": True}, "GRANT USAGE, CREATE ON SCHEMA"),
    ],
)
def test_a_server_that_will_not_do_is_told_with_the_cure(change: dict[str, object], cure: str) -> None:
    address = PostgresAddress.parse("postgresql://u@h/d")
    assert why_unfit(FIT, address, "phantom_1") is None
    values = {name: getattr(FIT, name) for name in ServerFacts.__slots__} | change
    found = why_unfit(ServerFacts(**values), address, "phantom_1")
    assert found is not None
    assert cure in found.hint


def test_a_data_folder_remembers_its_schema(tmp_path: Path) -> None:
    assert known_schema_name(tmp_path) == ""
    name = schema_name(tmp_path)
    assert schema_name(tmp_path) == known_schema_name(tmp_path) == name
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert -(2**63) <= lock_key(name) < 2**63
    (tmp_path / FILE).write_text('x"; DROP SCHEMA public; --')
    with pytest.raises(ConfigError) as error:
        schema_name(tmp_path)
    assert "DROP" not in str(error.value)
