"""`phantom egress`: the hosts that this configuration must reach, as a list, for nftables or for systemd.

What does *not* live here: which hosts a channel needs (its descriptor names a function of its own), and how a firewall
writes them (`egress_nftables.py`, `egress_systemd.py`).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phantom.agents.model_choice import PROVIDERS
from phantom.channel import Destination
from phantom.cli.loading import load_config
from phantom.cli.output import plain, print_json, print_rows
from phantom.errors import ConfigError
from phantom.identity import SupportsConfigured
from phantom.plugins import descriptors, resolve

if TYPE_CHECKING:
    from config import LoadedConfig

FORMATS = ("list", "nftables", "systemd")
RESOLVERS = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What must be reachable. `addresses` are those of a destination: its own, or what its name resolves to now.

    `resolvers` are the name servers of this machine; `notes` are what no list of hosts can say.
    """

    destinations: tuple[Destination, ...]
    addresses: Mapping[str, tuple[str, ...]]
    resolvers: tuple[str, ...]
    resolved: bool
    notes: tuple[str, ...]


def main(
    form: str, *, config_dir: Path | None, environ: Mapping[str, str], user: str, resolve_names: bool, as_json: bool
) -> int:
    """Print it. Raises `ConfigError`."""
    if form not in FORMATS:
        raise ConfigError("is no format", where="--format", hint=f"one of {', '.join(FORMATS)}")
    reach = reach_of(load_config(config_dir, environ), resolve_names=resolve_names)
    if as_json:
        print_json(_as_json(reach))
    elif form == "nftables":
        from phantom.cli.egress_nftables import render

        print(render(reach, user), end="")
    elif form == "systemd":
        from phantom.cli.egress_systemd import render as render_unit

        print(render_unit(reach), end="")
    else:
        print_rows(("host", "port", "for"), [(one.host, str(one.port), one.why) for one in reach.destinations])
        for note in reach.notes:
            print(plain(f"note: {note}"))
    return 0


def reach_of(loaded: LoadedConfig, *, resolve_names: bool) -> Reach:
    """Everything that the configuration reaches out to. Raises `ConfigError` for a plugin that cannot say."""
    metadata = Destination.of(loaded.core.metadata_url, "metadata service: identity and secrets")
    identity = loaded.identity
    found = [metadata] if isinstance(identity, SupportsConfigured) and identity.configured else []
    notes: list[str] = []
    for name, channel in loaded.channels.items():
        descriptor = descriptors().get(channel.kind)
        if descriptor is None or channel.settings is None:
            notes.append(f"channel {name} is misconfigured, so what it reaches is not known: see `phantom doctor`")
        elif descriptor.egress:
            found += resolve(descriptor.egress, descriptor.extra)(channel.settings, metadata)
        else:
            notes.append(f"the plugin of channel {name} ({channel.kind}) does not say what it reaches: ask its manual")
    found += _of_the_agent(loaded, notes)
    if "exec" in loaded.core.secret_source:
        notes.append("the command of SECRET_SOURCE=exec reaches its own server (a vault, a cloud): not known here")
    notes.append(
        "names are resolved by DNS: let the daemon reach the name servers of /etc/resolv.conf, port 53 (udp and tcp)"
    )
    if loaded.core.turns_database:
        found += _of_the_database(loaded.core.turns_database, notes)
    else:
        notes.append("Phantom's data is on the local disk: no database server is reached")
    destinations = _merged(found)
    if any(one.host.startswith("*") for one in destinations):
        notes.append("a host with * is chosen by the platform or by whoever posts, so no list of addresses holds it")
    return Reach(
        destinations=destinations,
        addresses={one.host: _addresses(one, resolve_names=resolve_names) for one in destinations},
        resolvers=_resolvers(RESOLVERS),
        resolved=resolve_names,
        notes=tuple(notes),
    )


def literal(host: str) -> bool:
    """Whether a host is an address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _of_the_agent(loaded: LoadedConfig, notes: list[str]) -> Sequence[Destination]:
    if loaded.core.agent.strip():
        notes.append(f"your agent {loaded.core.agent.strip()} reaches what its code reaches: not known here")
        return ()
    prefix = loaded.core.model.strip().partition(":")[0].strip().lower()
    provider = PROVIDERS.get(prefix)
    if provider is None:
        return ()
    return (Destination.of(loaded.core.base_url or provider.base_url, f"model: {prefix}"),)


def _of_the_database(url: str, notes: list[str]) -> Sequence[Destination]:
    from phantom.storage.postgres_address import PostgresAddress

    address = PostgresAddress.parse(url)
    if address.socket:
        notes.append(f"turns are in PostgreSQL behind the Unix socket in {address.host}: no host is reached for it")
        return ()
    return (Destination(host=address.host, port=address.port, why="turns: PostgreSQL"),)


def _merged(found: Sequence[Destination]) -> tuple[Destination, ...]:
    """One of each host and port, in the order found, with every purpose."""
    merged: dict[tuple[str, int], Destination] = {}
    for one in found:
        known = merged.setdefault((one.host, one.port), one)
        if one.why not in known.why.split("; "):
            merged[one.host, one.port] = replace(known, why=f"{known.why}; {one.why}")
    return tuple(merged.values())


def _addresses(one: Destination, *, resolve_names: bool) -> tuple[str, ...]:
    if literal(one.host):
        return (one.host,)
    if not resolve_names or one.host.startswith("*"):
        return ()
    try:
        answers = socket.getaddrinfo(one.host, one.port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _resolvers(path: Path) -> tuple[str, ...]:
    """The name servers of this machine; none where there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(word[1] for word in words if len(word) > 1 and word[0] == "nameserver" and literal(word[1]))


def _as_json(reach: Reach) -> dict[str, object]:
    return {
        "destinations": [
            {"host": one.host, "port": one.port, "for": one.why, "addresses": list(reach.addresses[one.host])}
            for one in reach.destinations
        ],
        "resolvers": list(reach.resolvers),
        "notes": list(reach.notes),
    }
