"""Which hosts the callbacks of the webhook channel go to, for firewalls.

What does *not* live here: which callback addresses are taken at all (`callback_urls.py`, `pinned.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from channels.webhook.settings import WebhookSettings
from phantom.channel import Destination

_WHY = "webhook: callbacks"


def destinations(settings: WebhookSettings, metadata: Destination) -> Sequence[Destination]:
    """The callback hosts that the settings allow; `*` when a post may name any public one."""
    found: list[Destination] = []
    top = () if settings.secret_default is None and settings.endpoints else (settings,)
    for one in (*top, *settings.endpoints.values()):
        hosts = one.callback_hosts or settings.callback_hosts or ("*",)
        found += [Destination(host=host, port=443, why=_WHY) for host in hosts]
        if one.callback_url:
            found.append(Destination.of(one.callback_url, _WHY))
    return found
