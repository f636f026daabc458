"""The fixed answers of the HTTP receiver, one for each row of its table of checks. Values only."""

from __future__ import annotations

import orjson

from phantom.webhooks import HttpAnswer

_RETRY = (("Retry-After", "5"),)
"""Seconds. Slack and the gateway retry what is answered 503."""


def _error(status: int, text: str, *, retry: bool = False) -> HttpAnswer:
    return HttpAnswer(status, orjson.dumps({"error": text}), headers=_RETRY if retry else ())


OK = HttpAnswer(200, b"", "text/plain")
NOT_CONFIGURED = _error(503, "slack channel not configured", retry=True)
NOT_READY = _error(503, "slack channel not ready", retry=True)
STORAGE = _error(503, "storage unavailable", retry=True)
TOO_LARGE = _error(413, "payload too large")
TIMEOUT = _error(408, "request timeout")
UNAUTHORIZED = _error(401, "unauthorized")
MALFORMED = _error(400, "bad request")
FORBIDDEN = _error(403, "forbidden")


def plain(text: str) -> HttpAnswer:
    """A text answer: the echo of a challenge."""
    return HttpAnswer(200, text.encode("utf-8", "replace"), "text/plain")


def json(value: object) -> HttpAnswer:
    """A JSON answer in the same breath: menu options."""
    return HttpAnswer(200, orjson.dumps(value))
