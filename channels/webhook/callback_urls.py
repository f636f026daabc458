"""Which callback addresses are taken at all, judged by their text. Pure: no name is resolved here.

What does *not* live here: what a name resolves to, which is judged for every connection anew (`pinned.py`).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from yarl import URL

from channels.webhook.addresses import is_loopback, is_public

MAX_URL = 2048
_HTTPS = 443
_FIRST_UNPRIVILEGED = 1024
"""The other ports below belong to services of another kind, which a post must not be made to talk to."""
_UNLISTED = "names a host that is not on the list of callback hosts"
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_INTERNAL = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "onion")


def why_refused(url: str, *, hosts: tuple[str, ...] = (), insecure: bool = False) -> str:
    """Why `url` is no callback address, in a few words fit for an answer; "" when it is one.

    `hosts` is the allow-list, empty for every public host: `hooks.example.com` or `*.example.com`. `insecure` is the
    development setting: this machine itself is allowed, also over http.
    """
    if not url or len(url) > MAX_URL or not _PRINTABLE.fullmatch(url) or "\\" in url:
        return f"must be an address of at most {MAX_URL} printable ASCII characters"
    try:
        parts = urlsplit(url)
        port = parts.port
        parsed = URL(url)
    except ValueError:
        return "is not an address"
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http"):
        return "must begin with https://"
    if parts.username is not None or parts.password is not None or "#" in url:
        return "must have neither user name nor fragment"
    # Two parsers must agree on where it leads: what is checked here is what the client will connect to.
    if not host or port == 0 or (parsed.raw_host, parsed.scheme) != (host, parts.scheme):
        return "must name a host"
    if insecure and (host == "localhost" or is_loopback(host)):
        return "" if _listed(host, hosts) else _UNLISTED
    if port is not None and port != _HTTPS and port < _FIRST_UNPRIVILEGED:
        return f"must name no port below {_FIRST_UNPRIVILEGED} but {_HTTPS}"
    return _why_host_refused(parts.scheme, host, hosts)


def _why_host_refused(scheme: str, host: str, hosts: tuple[str, ...]) -> str:
    if scheme != "https":
        return "must begin with https://"
    if not _listed(host, hosts):
        return _UNLISTED
    return "" if _may_be_public(host) else "must name a public host"


def _may_be_public(host: str) -> bool:
    """Whether `host` is a public address, or a name that may have one."""
    if ":" in host:
        return is_public(host)
    labels = host.split(".")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        # What ends in a number is an IPv4 address to somebody: only the canonical form is.
        try:
            return str(ipaddress.IPv4Address(host)) == host and is_public(host)
        except ValueError:
            return False
    if len(host) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    return not any(host.endswith("." + name) for name in _INTERNAL)


def _listed(host: str, hosts: tuple[str, ...]) -> bool:
    if not hosts:
        return True
    return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in hosts)
