"""The hosts as a drop-in for the daemon's systemd unit.

systemd filters by address and not by name or port, so names cannot be allowed: what stands here keeps the daemon away
from private networks, where its own hosts are few and known. What does *not* live here: which hosts there are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from phantom.cli.output import plain

if TYPE_CHECKING:
    from phantom.cli.egress import Reach

PRIVATE = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)

_HEAD = """\
# A drop-in by `phantom egress --format systemd`: save it as /etc/systemd/system/phantom.service.d/egress.conf, then
# `systemctl daemon-reload && systemctl restart phantom`.
#
# IPAddressAllow= takes addresses, not names, and knows no ports; the hosts of this configuration are:
{hosts}
"""


def render(reach: Reach) -> str:
    """The whole file."""
    head = _HEAD.format(
        hosts="\n".join(f"#     {plain(f'{one.host}:{one.port}  {one.why}')}" for one in reach.destinations)
    )
    return head + "\n" + "\n".join(_lines(reach)) + "\n"


def _lines(reach: Reach) -> Iterator[str]:
    yield "[Service]"
    yield "# Talk over the network and to the machine's own sockets, and nothing else (no raw packets, no netlink)."
    yield "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"
    allowed = ["localhost", *_private(reach.resolvers)]
    everyone = any(one.host.startswith("*") for one in reach.destinations)
    if reach.resolved and not everyone:
        yield "# The addresses of the names as they were when this was written. They age: write it anew, or leave it."
        addresses = [text for listed in reach.addresses.values() for text in listed]
        yield "IPAddressDeny=any"
        yield from _allow([*allowed, *reach.resolvers, *addresses])
        return
    if reach.resolved:
        yield "# A host with * cannot be listed by address, so the public internet stays open."
    yield "# The public internet stays open, since names cannot be listed; private networks are closed but for what is"
    yield "# known by address: this machine, its name servers, and hosts that are configured by address. A host of a"
    yield "# private network that is configured by name needs an IPAddressAllow= line of its own."
    yield f"IPAddressDeny={' '.join(PRIVATE)}"
    yield from _allow([*allowed, *_private(text for listed in reach.addresses.values() for text in listed)])


def _allow(addresses: list[str]) -> Iterator[str]:
    for one in dict.fromkeys(addresses):
        yield f"IPAddressAllow={one}"


def _private(addresses: Iterable[str]) -> list[str]:
    """Those that the denied networks hold."""
    parsed = [(one, ipaddress.ip_address(one)) for one in addresses]
    return [text for text, one in parsed if not one.is_global and not one.is_loopback]
