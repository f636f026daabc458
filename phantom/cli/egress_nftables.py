"""The hosts as an nftables table that lets the daemon's user reach them and nothing else.

nftables knows addresses, not names: the sets hold the addresses that are known, and the comments say how a name's
addresses get into them. What does *not* live here: which hosts there are (`egress.py`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from phantom.cli.output import plain

if TYPE_CHECKING:
    from phantom.channel import Destination
    from phantom.cli.egress import Reach

TABLE = "phantom_egress"
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|\d{1,10}")
_NOT_PUBLIC_4 = (
    "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3"
)
_NOT_PUBLIC_6 = "::/96, ::ffff:0:0/96, 64:ff9b::/96, fc00::/7, fe80::/10, ff00::/8"

_HEAD = """\
#!/usr/sbin/nft -f
# What the user of the Phantom daemon may reach, by `phantom egress --format nftables`. Load it with `nft -f FILE`; that
# replaces the table as a whole and touches no other. The daemon needs a user of its own that exists when this is
# loaded; with systemd's DynamicUser=yes, give it one with User=.
#
# nftables keeps addresses, not names. {state}
# Whoever runs dnsmasq lets it keep the sets, as each name is asked for:
{dnsmasq}
"""


def render(reach: Reach, user: str) -> str:
    """The whole file. Raises `ConfigError` for a user's name that is none."""
    from phantom.errors import ConfigError

    if _USER.fullmatch(user) is None:
        raise ConfigError("is not a user's name or number", where="--user", hint="the user that runs the daemon")
    when = "resolved when this was written: that ages." if reach.resolved else "not resolved: --resolve does it once."
    head = _HEAD.format(state=f"The names were {when}", dnsmasq="\n".join(_dnsmasq(reach)) or "#     (no name)")
    ports = sorted({one.port for one in reach.destinations if one.host != "*"})
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    for port in ports:
        for version in (4, 6):
            lines += _set(reach, port, version)
    lines += ["    chain output {", "        type filter hook output priority 0; policy accept;"]
    lines += [f"        {rule}" for rule in _rules(reach, user, ports)]
    return head + "\n" + "\n".join([*lines, "    }", "}"]) + "\n"


def _dnsmasq(reach: Reach) -> Iterator[str]:
    for port in sorted({one.port for one in reach.destinations}):
        names = [one.host.removeprefix("*.") for one in reach.destinations if one.port == port and _is_name(one)]
        if names:  # a domain covers every name below it
            covered = {name for name in names if any(name.endswith("." + other) for other in names)}
            domains = "/".join(name for name in dict.fromkeys(names) if name not in covered)
            yield f"#     nftset=/{domains}/4#inet#{TABLE}#port{port}_4,6#inet#{TABLE}#port{port}_6"


def _set(reach: Reach, port: int, version: int) -> Iterator[str]:
    yield f"    set port{port}_{version} {{"
    yield f"        type ipv{version}_addr"
    listed: dict[str, str] = {}
    for one in reach.destinations:
        if one.port != port or one.host == "*":
            continue
        own = [text for text in reach.addresses[one.host] if ipaddress.ip_address(text).version == version]
        if own or (version == 4 and _is_name(one)):
            yield f"        # {_comment(f'{one.host}: {one.why}')}"
        listed.update({text: one.host for text in own if text not in listed})
    if listed:
        elements = ", ".join(f'{address} comment "{_comment(host)}"' for address, host in listed.items())
        yield f"        elements = {{ {elements} }}"
    yield "    }"


def _rules(reach: Reach, user: str, ports: list[int]) -> Iterator[str]:
    yield f"meta skuid != {user if user.isdecimal() else chr(34) + user + chr(34)} accept"
    yield 'oif "lo" accept'
    yield "ct state established,related accept"
    for version in (4, 6):
        servers = [one for one in reach.resolvers if ipaddress.ip_address(one).version == version]
        if servers:
            family = "ip" if version == 4 else "ip6"
            yield f"meta l4proto {{ tcp, udp }} th dport 53 {family} daddr {{ {', '.join(servers)} }} accept"
    for port in ports:
        yield f"tcp dport {port} ip daddr @port{port}_4 accept"
        yield f"tcp dport {port} ip6 daddr @port{port}_6 accept"
    for one in reach.destinations:
        if one.host == "*":
            yield f"# {_comment(one.why)}: every public host"
            yield f"tcp dport {one.port} ip daddr != {{ {_NOT_PUBLIC_4} }} accept"
            yield f"tcp dport {one.port} ip6 daddr != {{ {_NOT_PUBLIC_6} }} accept"
    yield "counter reject with icmpx type admin-prohibited"


def _is_name(one: Destination) -> bool:
    from phantom.cli.egress import literal

    return one.host != "*" and not literal(one.host)


def _comment(text: str) -> str:
    """Fit to stand in a comment of nftables, quoted or not."""
    return re.sub(r"[\"\\#{};]", " ", plain(text))[:120]
