"""How a channel receives signed posts on the shared HTTP server, without knowing which server it is.

Two lanes call the same `SignedRoute`: the `httptools` fast lane and aiohttp (`phantom/ingress.py`). A route is sans
I/O: it judges the head, then the whole body, and answers exactly once, now or later, always on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class RequestHead(NamedTuple):
    """Method, path without query, and headers by lower-case name as bytes. A repeated header is refused before this.

    A named tuple because one is made for every post: four times cheaper than a frozen dataclass.
    """

    method: bytes
    path: bytes
    headers: Mapping[bytes, bytes]
    content_length: int | None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer to a post. `headers` come in addition to content type and length."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


AnswerSink = Callable[[HttpAnswer], None]


class SignedRoute(Protocol):
    """One receiver behind one or more exact paths."""

    @property
    def paths(self) -> frozenset[bytes]:
        """Exact paths, query excluded."""
        ...

    @property
    def max_body(self) -> int:
        """Bytes; a longer declared or actual body is answered 413 and never buffered."""
        ...

    @property
    def body_timeout(self) -> float:
        """Seconds from the head to the last byte of the body; 408 after that."""
        ...

    def screen(self, head: RequestHead) -> HttpAnswer | None:
        """Refuse by the head alone (not ready, too large, unsigned, stale), or None to go on and read the body."""
        ...

    def accept(self, head: RequestHead, body: bytes, answer: AnswerSink) -> None:
        """Verify, parse, admit; call `answer` exactly once. Never raises."""
        ...

    def refused(self, status: int) -> HttpAnswer:
        """The server's own refusal in the route's words (408, 413 while reading); the route counts it."""
        ...
