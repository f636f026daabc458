"""Makes connections to a PostgreSQL server with whatever the password is at that moment, and says why one failed.

Blocking: for worker threads. psycopg's error of a failed connection carries all parameters of it, the password too, so
no such error leaves this module, nor hangs on one that does. What does *not* live here: when to try again
(`postgres_turns.py`).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phantom.errors import PhantomError, StorageError
from phantom.secrets import Secret
from phantom.storage.postgres_address import PostgresAddress

if TYPE_CHECKING:
    from psycopg import Connection

SECRET = "database_password"  # noqa: S105 - a name
AWAY = "turns_database_away"
REFUSED = "turns_database_password_refused"
NO_PASSWORD = "turns_database_no_password"  # noqa: S105 - a code
UNFIT = "turns_database_unfit"
LEAST_VERSION = 130000
"""DBOS's tables use gen_random_uuid(), built in since PostgreSQL 13."""

Password = Callable[[], Secret | None]
"""The handle on the password, None when none is configured. May raise `SecretError`."""


class NoNewConnection(StorageError):
    """The connections that are open work, but the server gives no new one now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What a server says of itself, and what the user may do there."""

    version: str
    number: int
    encoding: str
    standby: bool
    schema_exists: bool
    may_create: bool
    tls: bool


class PostgresLink:
    """Connections of one user to one database. `accepted` says which password the server took last: "current",
    "previous", or "none" when there is none to give.
    """

    def __init__(self, address: PostgresAddress, password: Password, application: str) -> None:
        self.address = address
        self.accepted = ""
        self._password = password
        self._application = application

    def connect(self) -> Connection[Any]:
        """A connection in autocommit mode. Raises `StorageError` whose code says what is wrong and whose hint cures
        it. Inside a rotation's overlap both passwords are tried, the one first that was taken last.
        """
        trouble: StorageError | None = None
        for which, text in self._candidates():
            made = self._attempt(text)
            if not isinstance(made, StorageError):
                self.accepted = which
                return made
            trouble = trouble or made
            if made.code != REFUSED:
                break
        raise trouble or StorageError("no password to try", code=NO_PASSWORD)

    def _candidates(self) -> list[tuple[str, str | None]]:
        try:
            secret = self._password()
            if secret is None:
                return [("none", None)]
            found: list[tuple[str, str | None]] = [("current", secret.reveal())]
            previous = secret.reveal_previous()
        except PhantomError as error:
            what = f"the password for PostgreSQL at {self.address} cannot be had: {error.message}"
            raise StorageError(what, hint=error.hint or _GIVE, code=NO_PASSWORD) from error
        if previous is not None:
            found.append(("previous", previous))
        if self.accepted == "previous":
            found.reverse()
        return found

    def _attempt(self, password: str | None) -> Connection[Any] | StorageError:
        import psycopg

        arguments: dict[str, Any] = self.address.arguments(self._application)
        if password is not None:
            arguments["password"] = password
        elif "require_auth" in arguments:
            del arguments["require_auth"]
        try:
            return psycopg.connect(**arguments, autocommit=True)
        except psycopg.Error as error:
            said = " ".join(str(error).split())
            if password:
                said = said.replace(password, "***")
            asked = error.pgconn is not None and error.pgconn.used_password
        return _explained(said, self.address, password_asked=asked, password_given=password is not None)


_FULL = ("53300", "too many", "remaining connection slots")
_NO_LOGIN = "not permitted to log in"
_GIVE = f"set the secret {SECRET} (DATABASE_PASSWORD, a file, or another source); see docs/how-to/postgresql.md"


def _explained(said: str, address: PostgresAddress, *, password_asked: bool, password_given: bool) -> StorageError:
    """What the failure of a connection means. libpq gives no SQLSTATE for it and servers may speak any language, so
    that a password was asked for is told by libpq itself; words only sharpen the cure.
    """
    if password_asked and not password_given:
        return StorageError(f"PostgreSQL at {address} wants a password", hint=_GIVE, code=NO_PASSWORD)
    what = f"PostgreSQL at {address} cannot be used: {said[-300:]}"
    missing = "does not exist" in said and "database" in said.rpartition("FATAL")[2]
    if password_asked and not missing and not any(word in said for word in (*_FULL, _NO_LOGIN)):
        what = f"PostgreSQL at {address} refuses the password: {said[-300:]}"
        cure = f"give the source of {SECRET} the new password; Phantom takes it up by itself"
        return StorageError(what, hint=cure, code=REFUSED)
    return StorageError(what, hint=_cure(said, address, missing=missing), code=AWAY, retryable=True)


def _cure(said: str, address: PostgresAddress, *, missing: bool) -> str:
    if missing:
        return f'create it: CREATE DATABASE "{address.database}" OWNER "{address.user}"'
    if any(word in said for word in _FULL):
        return (
            "let the user have turn_concurrency + 24 connections: max_connections of the server, CONNECTION LIMIT of"
            " the user; or end those of others"
        )
    if _NO_LOGIN in said:
        return f'let the user log in: ALTER ROLE "{address.user}" LOGIN'
    if "pg_hba.conf" in said:
        return "let the server's pg_hba.conf admit this user from this machine"
    if "SSL" in said or "certificate" in said:
        return (
            "give the server a certificate that this machine trusts (sslrootcert=FILE names its authority); in a"
            " network that is yours alone, sslmode=disable goes without"
        )
    return "start the server, and check host, port and network; turns wait and go on by themselves"


def hung_up(address: PostgresAddress, error: Exception) -> StorageError:
    """A connection broke while it was set up."""
    what = f"PostgreSQL at {address} hung up ({type(error).__name__})"
    return StorageError(what, hint="see the server's log; turns wait and go on by themselves", code=AWAY)


def hang_up(connection: Connection[Any]) -> None:
    """End what waits on the connection in another thread, without a word to the server."""
    import psycopg

    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


_FACTS = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
       current_setting('server_encoding'), pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s),
       coalesce((SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
                 FROM pg_namespace WHERE nspname = %(schema)s),
                has_database_privilege(current_database(), 'CREATE'))
"""


def facts_of(connection: Connection[Any], schema: str) -> ServerFacts:
    """What the server says. Raises psycopg's errors, which on an open connection hold no password."""
    row = connection.execute(_FACTS, {"schema": schema}).fetchone()
    if row is None:
        raise StorageError("PostgreSQL answered nothing", code=UNFIT)
    version, number, encoding, standby, exists, may_create = row
    return ServerFacts(
        version=version,
        number=number,
        encoding=encoding,
        standby=standby,
        schema_exists=exists,
        may_create=may_create,
        tls=connection.pgconn.ssl_in_use,
    )


def why_unfit(facts: ServerFacts, address: PostgresAddress, schema: str) -> StorageError | None:
    """Why turns cannot be kept there, None when they can."""
    if facts.number < LEAST_VERSION:
        return StorageError(
            f"PostgreSQL {facts.version} at {address} is too old", hint="13 is the oldest that will do", code=UNFIT
        )
    if facts.standby:
        return StorageError(
            f"PostgreSQL at {address} is a standby and takes no writes", hint="name the primary", code=UNFIT
        )
    if facts.encoding not in ("UTF8", "UTF-8"):
        return StorageError(
            f"the database at {address} is encoded as {facts.encoding}",
            hint="create it anew with ENCODING 'UTF8' TEMPLATE template0",
            code=UNFIT,
        )
    if not facts.may_create:
        right = (
            f'GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{address.user}"'
            if facts.schema_exists
            else f'GRANT CREATE ON DATABASE "{address.database}" TO "{address.user}",'
            f' or CREATE SCHEMA "{schema}" AUTHORIZATION "{address.user}"'
        )
        return StorageError(f"the user may not create tables in PostgreSQL at {address}", hint=right, code=UNFIT)
    return None
