"""The page's own files, read once from the package, with the headers that keep the page to itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

PRIVATE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""On every answer of the page server."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is served."""

    body: bytes
    content_type: str
    etag: str


def policy(port: int) -> str:
    """The page's Content-Security-Policy: its own files and its own socket, and no text that becomes markup."""
    sockets = f"ws://127.0.0.1:{port} ws://localhost:{port}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {sockets}; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def load() -> Mapping[str, PageFile]:
    """Every file of the page by its path, `/` being the page."""
    found: dict[str, PageFile] = {}
    folder = resources.files("phantom.dev").joinpath("page")
    for item in folder.iterdir():
        ending = item.name.rpartition(".")[2]
        if ending not in _TYPES:
            continue
        body = item.read_bytes()
        file = PageFile(body, _TYPES[ending], f'"{hashlib.sha256(body).hexdigest()[:16]}"')
        found["/" if item.name == "index.html" else f"/{item.name}"] = file
    return found
