"""`phantom version`: what to paste into a report."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import phantom

_LIBRARIES = (
    "aiohttp",
    "dbos",
    "httptools",
    "orjson",
    "pydantic",
    "pydantic-ai-slim",
    "slack-sdk",
    "structlog",
    "uvloop",
)


def main(*, as_json: bool) -> int:
    """Print the versions. Always 0."""
    facts = versions()
    if as_json:
        import json

        print(json.dumps(facts, indent=2))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")
    return 0


def versions() -> dict[str, str]:
    """Names and versions, Phantom first. A library that is not installed says so."""
    found = {
        "phantom": phantom.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
    }
    for name in _LIBRARIES:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
