"""Which hosts a file may be fetched from: Discord's own, and the one that the API itself lives on. Bounds SSRF.

File addresses come out of payloads. https://docs.discord.com/developers/reference#image-formatting
"""

from __future__ import annotations

from yarl import URL

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
