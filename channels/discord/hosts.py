"""Which hosts a file may be fetched from: Discord's own, and the one that the API itself lives on. Bounds SSRF.
`destinations` names every host that is reached, for firewalls.

File addresses come out of payloads. https://docs.discord.com/developers/reference#image-formatting
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yarl import URL

from phantom.channel import Destination

if TYPE_CHECKING:
    from channels.discord.settings import DiscordSettings

FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})


def is_discord(address: str, api_base_url: str) -> bool:
    """Whether `address` is https on one of Discord's file hosts, or on the host of an `api_base_url` of one's own.

    Judged with the same URL parser that the HTTP client uses, so that both see the same host.
    """
    try:
        url, base = URL(address), URL(api_base_url)
        if url.user is not None or url.password is not None or not url.host:
            return False
        if url.origin() == base.origin():
            return True
    except ValueError:
        return False
    return url.scheme == "https" and url.port == 443 and url.host.lower() in FILE_HOSTS


def destinations(settings: DiscordSettings, metadata: Destination) -> Sequence[Destination]:
    """Every host that this Discord channel must reach.

    A resumed gateway connection goes to whichever host below `discord.gg` Discord named
    (https://docs.discord.com/developers/events/gateway#ready-event, `resume_gateway_url`).
    """
    api = Destination.of(settings.api_base_url, "Discord: REST API")
    found = [api]
    if api.host == "discord.com":
        found += [Destination(host=one, port=443, why="Discord: files that people send") for one in sorted(FILE_HOSTS)]
        if settings.transport == "gateway":
            found += [
                Destination(host="gateway.discord.gg", port=443, why="Discord: gateway"),
                Destination(host="*.discord.gg", port=443, why="Discord: resuming, whichever host Discord names"),
            ]
    return found
