"""The one listening port: an `httptools` fast lane for signed posts, aiohttp for everything else.

A connection starts in the fast lane. A plain POST to a signed route is served here; anything unusual (another method
or path, chunked, Expect, upgrade) is handed over to aiohttp with every byte read so far, and the connection stays
there. Both lanes call the same `SignedRoute`. What is ambiguous is refused, never guessed (RFC 9112 §6.3, §11.2).

What does *not* live here: signatures and meaning (the routes), pages and metrics (`webapp.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus

import httptools

from phantom.webhooks import HttpAnswer, RequestHead, SignedRoute

MAX_HEAD = 32_768
"""Bytes of request line and headers."""
MAX_PIPELINED = 64
"""Requests that one connection may have unanswered."""
SMALL_BODY = 65_536
"""A refused request's body up to this size is read and dropped, so that the connection can go on."""
LINGER_BYTES = 256 * 1024 * 1024
LINGER_SECONDS = 10.0
"""How much, and for how long, a refused large body is drained (never kept) so that the answer can arrive."""
IDLE_SECONDS = 75.0
"""Keep-alive without a request, and the longest a request head may take."""

_OK_BYTES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def encode(answer: HttpAnswer, *, close: bool) -> bytes:
    """An answer as bytes on the wire."""
    if answer.status == 200 and not close and not answer.body and not answer.headers:
        return _OK_BYTES
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    if answer.body:
        lines.append(f"Content-Type: {answer.content_type}")
    lines += [f"{name}: {value}" for name, value in answer.headers]
    lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + answer.body


class _Slot:
    """One request's place in the line of answers, so that pipelined answers keep their order."""

    __slots__ = ("close", "data", "lane")

    def __init__(self, lane: FastLane, close: bool) -> None:
        self.lane = lane
        self.data: bytes | None = None
        self.close = close

    def __call__(self, answer: HttpAnswer) -> None:
        if self.data is not None:
            return
        self.data = encode(answer, close=self.close)
        lane = self.lane
        if lane.slots and lane.slots[0] is self:
            lane.flush()


class FastLane(asyncio.Protocol):
    """One connection. Attributes are few and reset late: this runs for every post."""

    __slots__ = (
        "_body",
        "_body_timed",
        "_chunks",
        "_closing",
        "_connections",
        "_deaf",
        "_ended",
        "_fallback",
        "_foreign",
        "_fresh",
        "_head",
        "_headers",
        "_in_head",
        "_lingered",
        "_loop",
        "_parser",
        "_raw",
        "_repeated",
        "_requests",
        "_requests_seen",
        "_route",
        "_routes",
        "_size",
        "_slot",
        "_timer",
        "_transport",
        "_url",
        "_whole",
        "slots",
    )

    def __init__(
        self,
        routes: Mapping[bytes, SignedRoute],
        fallback: Callable[[], asyncio.Protocol],
        loop: asyncio.AbstractEventLoop,
        connections: set[FastLane],
    ) -> None:
        self._routes = routes
        self._fallback = fallback
        self._loop = loop
        self._connections = connections
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self.slots: deque[_Slot] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._foreign = False
        self._deaf = False
        """Closing or foreign: what the parser still tells is not for us."""
        self._lingered = 0
        self._ended = False
        self._raw = b""
        self._fresh = True
        self._whole = False
        self._in_head = True
        self._body_timed = False
        self._requests = 0
        self._requests_seen = 0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._repeated = False
        self._head: RequestHead | None = None
        self._route: SignedRoute | None = None
        self._slot: _Slot | None = None
        self._body = b""
        self._chunks: list[bytes] = []
        self._size = 0

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._connections.add(self)
        self._arm(IDLE_SECONDS)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        self._disarm()

    def pause_writing(self) -> None:
        """The peer does not read its answers: take no more of its requests."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._drop(len(data))
            return
        if self._in_head:
            self._fresh = not self._raw
            self._raw += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._foreign = True
        except httptools.HttpParserError:
            if not self._foreign:
                self._refuse_and_close(HttpAnswer(status=400, body=b'{"error":"malformed request"}'))
                return
        if self._foreign:
            self._hand_over()
        elif self._route is not None:
            if not self._body_timed:
                self._time_body(self._route)
        elif len(self._raw) > MAX_HEAD:
            self._refuse_and_close(HttpAnswer(status=431, body=b'{"error":"request head too large"}'))

    def _drop(self, size: int) -> None:
        self._lingered += size
        if self._lingered > LINGER_BYTES:
            self._transport.abort()

    def eof_received(self) -> bool:
        """The peer sends no more; it may still read, so what is due is answered first."""
        if not self.slots:
            return False
        self.slots[-1].close = self._ended = True
        return True

    # --- httptools callbacks ---

    def on_message_begin(self) -> None:
        if self._deaf:
            return
        self._whole, self._fresh = self._fresh, False
        self._headers = {}
        self._url = b""

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in self._headers and not may_repeat(name):
            self._repeated = True
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        headers = self._headers
        route = self._routes.get(self._url) or self._routes.get(self._url.partition(b"?")[0])
        if (
            route is None
            or self._parser.get_method() != b"POST"
            or b"transfer-encoding" in headers
            or b"expect" in headers
            or b"upgrade" in headers
        ):
            self._foreign = self._deaf = True
            return
        self._in_head = False
        self._raw = b""
        self._requests += 1
        self._begin(route, RequestHead(b"POST", self._url.partition(b"?")[0], headers, _length(headers)))

    def on_body(self, chunk: bytes) -> None:
        route = self._route
        if route is None:
            return
        self._size += len(chunk)
        if self._size > route.max_body:
            self._refuse_and_close(route.refused(413))
        elif self._body:
            self._chunks.append(chunk)
        else:
            self._body = chunk

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        self._in_head = True
        route, head, slot = self._route, self._head, self._slot
        if route is None or head is None or slot is None:
            return
        body = self._body
        if self._chunks:
            body += b"".join(self._chunks)
            self._chunks.clear()
        self._route = self._slot = None
        self._body = b""
        self._size = 0
        if self._body_timed:
            self._body_timed = False
            self._arm(IDLE_SECONDS)
        route.accept(head, body, slot)

    # --- our own ---

    def _begin(self, route: SignedRoute, head: RequestHead) -> None:
        """Judge the head; open a slot for the answer."""
        slot = self._slot = _Slot(self, not self._parser.should_keep_alive())
        self.slots.append(slot)
        if self._repeated:
            self._refuse_and_close(HttpAnswer(status=400, body=b'{"error":"repeated header"}'))
            return
        if len(self.slots) > MAX_PIPELINED:
            self._refuse_and_close(HttpAnswer(status=503, body=b'{"error":"too many requests in flight"}'))
            return
        refusal = route.screen(head)
        if refusal is None:
            self._route, self._head = route, head
        elif (head.content_length or 0) <= SMALL_BODY and not slot.close:
            self._slot = None
            slot(refusal)
        else:
            self._refuse_and_close(refusal)

    def flush(self) -> None:
        """Write every answer whose turn it is."""
        slots, transport = self.slots, self._transport
        while slots and (data := slots[0].data) is not None:
            slot = slots.popleft()
            if not transport.is_closing():
                transport.write(data)
            if slot.close:
                self._linger()
                return

    def _refuse_and_close(self, answer: HttpAnswer) -> None:
        """Answer the request under way (after those before it), then drain and close. Nothing more is parsed. Where the
        last answer was given already, what still came in its packet gets none.
        """
        if self._closing:
            return
        slot = self._slot
        if slot is None or slot.data is not None:
            slot = _Slot(self, True)
            self.slots.append(slot)
        self._closing = self._deaf = True
        self._route = None
        self._chunks.clear()
        slot.close = True
        slot(answer)

    def _linger(self) -> None:
        """Stop writing, drop what still comes for a bounded while, then close: a reset would eat the answer. Requests
        behind the last answer get none; who sent them repeats them on a new connection.
        """
        self._closing = self._deaf = True
        self.slots.clear()
        self._disarm()
        if self._transport.is_closing():
            return
        if self._ended:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _hand_over(self) -> None:
        """Give the connection to aiohttp. Behind an unanswered request there is no clean way: close instead, and the
        client repeats on a new connection (RFC 9112 §9.3.2).
        """
        if self.slots or not self._whole:
            self._refuse_and_close(HttpAnswer(status=503, body=b'{"error":"repeat on a new connection"}'))
            return
        self._disarm()
        self._connections.discard(self)
        protocol = self._fallback()
        raw, self._raw = self._raw, b""
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(raw)

    def _time_body(self, route: SignedRoute) -> None:
        """The body did not come with the head: give it its deadline."""
        self._body_timed = True
        self._disarm()
        self._timer = self._loop.call_later(route.body_timeout, self._body_late)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self._loop.call_later(seconds, self._idle)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _body_late(self) -> None:
        self._timer = None
        if self._route is not None and not self._closing:
            self._refuse_and_close(self._route.refused(408))

    def _idle(self) -> None:
        self._timer = None
        idle = not self.slots and self._requests == self._requests_seen
        self._requests_seen = self._requests
        if idle:
            self._transport.close()
        else:
            self._arm(IDLE_SECONDS)

    def shut(self) -> None:
        """Close when idle; otherwise after the answers that are due."""
        if self.slots:
            self.slots[-1].close = True
        else:
            self._transport.close()


def may_repeat(name: bytes) -> bool:
    """Whether a header (lower case) that is there twice is harmless. Signatures, lengths and hosts never are: two
    parties could each believe another one.
    """
    if name.startswith((b"x-", b"webhook-")):
        return name.startswith(b"x-forwarded-")
    return name not in (b"content-length", b"content-type", b"transfer-encoding", b"host")


def _length(headers: Mapping[bytes, bytes]) -> int | None:
    value = headers.get(b"content-length")
    return int(value) if value is not None and value.isdigit() else None
