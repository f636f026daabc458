"""Where a PostgreSQL server is and how it is talked to, as libpq wants it.

What does *not* live here: whether an address is acceptable (`config/database_url.py` has checked that), and passwords.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    import sqlalchemy as sa

DEFAULT_PORT = 5432
CONNECT_SECONDS = 5
UNPROTECTED = ("disable", "allow", "prefer")
"""Values of sslmode with which a connection may be made without TLS."""
_LIVELINESS: dict[str, str | int] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Seconds (the last: milliseconds) after which a server that vanished without a word is given up."""

_NO_FILE = f"{os.devnull}/none"
"""No file can be there. An empty name would mean the one in the home folder."""
_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Linux distributions and macOS keep the certificates that they trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """One database on one server. `host` is a name, an address, or the folder of a Unix socket."""

    user: str
    host: str
    port: int
    database: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of a checked `postgresql://user@host:port/database?…`."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        return cls(
            user=unquote(parts.username or ""),
            host=options.pop("host", "") or parts.hostname or "",
            port=parts.port or DEFAULT_PORT,
            database=unquote(parts.path.removeprefix("/")),
            options=options,
        )

    @property
    def local(self) -> bool:
        """Whether the server is on this machine."""
        if self.host.startswith("/") or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def socket(self) -> bool:
        """Whether it is reached through a Unix socket."""
        return self.host.startswith("/")

    @property
    def ssl_mode(self) -> str:
        """As set; else a server on another machine must prove who it is, and one on this machine need not."""
        return self.options.get("sslmode") or ("prefer" if self.local else "verify-full")

    def __str__(self) -> str:
        """Fit for print."""
        where = self.host if self.socket else f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        return f'{where}, database "{self.database}", user "{self.user}"'

    def url(self) -> sa.URL:
        """As SQLAlchemy has it, without a password and without options: for what wants a URL and does not connect."""
        import sqlalchemy as sa

        host = "localhost" if self.socket else self.host
        return sa.URL.create(
            "postgresql+psycopg", username=self.user, host=host, port=self.port, database=self.database
        )

    def arguments(self, application: str) -> dict[str, str | int]:
        """The parameters of a connection, with an empty password. What libpq would take from `PG…` variables of the
        environment and matters is set.
        """
        mode = self.ssl_mode
        found: dict[str, str | int] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "dbname": self.database,
            "sslmode": mode,
            "connect_timeout": CONNECT_SECONDS,
            "application_name": application,
            "target_session_attrs": "read-write",
            "client_encoding": "UTF8",
            "options": "",
            # Neither PGPASSWORD nor ~/.pgpass: such a password would be in no inventory, and nothing would mask it.
            "password": "",
            "passfile": _NO_FILE,
        }
        if mode == "verify-full":
            found["sslrootcert"] = _authorities()
        if mode in UNPROTECTED:
            # Whoever sits between must not be able to ask for the password in the clear.
            found["require_auth"] = "!password"
        found.update(_LIVELINESS)
        found.update({name: value for name, value in self.options.items() if name != "sslmode"})
        return found


def _authorities() -> str:
    """The certificates that this machine trusts. The driver's wheel brings an OpenSSL that looks elsewhere."""
    told = ssl.get_default_verify_paths().cafile
    return next((one for one in (told or "", *_AUTHORITIES) if one and Path(one).is_file()), "system")
