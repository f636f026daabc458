"""Which hosts may get a request from us: Slack's own, and the one that the API itself lives on. Bounds SSRF.
`destinations` names them for firewalls.

File addresses and response URLs come out of payloads; a bearer token or an answer must not follow them elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yarl import URL

from phantom.channel import Destination

if TYPE_CHECKING:
    from channels.slack.settings import SlackSettings

_SLACK = re.compile(r"(?:[a-z0-9-]+\.)*(?:slack\.com|slack-gov\.com)", re.ASCII)


def is_slack(address: str, api_base_url: str) -> bool:
    """Whether `address` is https on a Slack host at the default port, or on the very origin of `api_base_url`.

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
    return url.scheme == "https" and url.port == 443 and _SLACK.fullmatch(url.host.lower()) is not None


def destinations(settings: SlackSettings, metadata: Destination) -> Sequence[Destination]:
    """Every host that this Slack channel must reach.

    Slack names the host of a Socket Mode connection anew each time; those seen are `wss-primary` and `wss-backup`
    (https://docs.slack.dev/apis/events-api/using-socket-mode). Files live on `files`, response URLs on `hooks`.
    """
    api = Destination.of(settings.api_base_url, "Slack: Web API")
    found = [api]
    domain = next((one for one in ("slack.com", "slack-gov.com") if api.host.removeprefix("www.") == one), None)
    if domain is not None:
        found += [
            Destination(host=f"files.{domain}", port=443, why="Slack: files that people send, files of answers"),
            Destination(host=f"hooks.{domain}", port=443, why="Slack: answers to commands and buttons"),
        ]
        if settings.transport == "socket":
            names = ("wss-primary", "wss-backup")
            found += [Destination(host=f"{one}.{domain}", port=443, why="Slack: Socket Mode") for one in names]
            found.append(
                Destination(host=f"*.{domain}", port=443, why="Slack: Socket Mode, whichever host Slack names")
            )
    if settings.transport == "http" and settings.http_profile == "gateway":
        found.append(metadata)
    return found
