"""Base addresses: what is acceptable as one, and how one is shown. Never echoes the address it refuses."""

from __future__ import annotations

from urllib.parse import urlsplit


def base_url(value: str) -> str:
    """`value` without trailing slashes. Raises `ValueError` unless it is http(s), scheme, host, port and path only."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an http:// or https:// address") from None
    if parts.scheme not in {"http", "https"} or not host or not value.isprintable() or " " in value:
        raise ValueError("is not an http:// or https:// address")
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password, which an address must not")
    if "?" in value or "#" in value:
        raise ValueError("holds a query or fragment; give scheme, host, port and path only")
    return value.rstrip("/")


def without_credentials(value: str) -> str:
    """`value` fit for print: what stands before the `@` of an address is masked."""
    if "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    authority, slash, path = rest.partition("/")
    if "@" not in authority:
        return value
    return f"{scheme}://***@{authority.rpartition('@')[2]}{slash}{path}"
