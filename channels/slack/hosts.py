"""Which hosts may get a request from us: Slack's own, and the one that the API itself lives on. Bounds SSRF.

File addresses and response URLs come out of payloads; a bearer token or an answer must not follow them elsewhere.
"""

from __future__ import annotations

import re

from yarl import URL

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
