"""The address of a PostgreSQL database: what is acceptable as one. Never echoes the address it refuses.

An address names a server, a user and a database, never a password: that is the secret `database_password`, which can
rotate. What does *not* live here: connecting (`phantom/storage/`), and addresses of web services (`urls.py`).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

SHAPE = "postgresql://USER@HOST:PORT/DATABASE?sslmode=…"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "target_session_attrs", "host")
"""What may follow the `?`: names of libpq's own (PostgreSQL manual, "Parameter Key Words"). `host` is the folder of a
Unix socket.
"""
_PASSWORDS = ("password", "passfile", "sslpassword", "service", "servicefile")
_WRITTEN = re.compile(r"[^/@:?#]{1,190}")
_NAME = re.compile(r"[^\x00-\x1f\x7f/:]{1,63}")
"""A user or a database: as written in the address, and what it means (`%40` is an @)."""
_NO_PASSWORD = "holds a password, which it must not: set it as the secret database_password (DATABASE_PASSWORD)"  # noqa: S105 - a text


def database_url(value: str) -> str:
    """`value`, or "" for none. Raises `ValueError`, which tells nothing of the value."""
    value = value.strip()
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(f"is not of the shape {SHAPE}") from None
    if parts.password is not None or any(key.lower() in _PASSWORDS for key, _ in options):
        raise ValueError(_NO_PASSWORD)
    if parts.scheme not in {"postgresql", "postgres"} or not value.isprintable() or " " in value or parts.fragment:
        raise ValueError(f"is not of the shape {SHAPE}")
    database = parts.path.removeprefix("/")
    names = (parts.username or "", database)
    if any(_WRITTEN.fullmatch(name) is None or _NAME.fullmatch(unquote(name)) is None for name in names):
        raise ValueError(f"does not name a user and a database, as in {SHAPE}")
    _check_options(options)
    if bool(host) == ("host" in dict(options)):
        raise ValueError("needs a host, or else the folder of a Unix socket as ?host=/run/postgresql")
    return value


def _check_options(options: list[tuple[str, str]]) -> None:
    names = [key for key, _ in options]
    if any(key not in OPTIONS for key in names) or len(set(names)) < len(names):
        raise ValueError(f"may have these options, each once: {', '.join(OPTIONS)}")
    given = dict(options)
    if given.get("sslmode", "require") not in SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
    if not given.get("host", "/").startswith("/"):
        raise ValueError("has a ?host= that is no folder; a server's name belongs before the database")
