"""A load generator for signed posts: prepared requests, one in flight a connection, bounded in count and time."""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

SECRET = "0123456789abcdef" * 4
TEAM = "T0FAKE00001"
TEXT = "did anyone see the numbers of last week, they look odd to me in the second half of the table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one round measured. Times are seconds."""

    answered: int
    unexpected: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.answered / self.seconds


def event_body(number: int, run: str) -> tuple[str, bytes]:
    """Event id and body (1.1 KB) of a message in a channel that is not meant for the agent: most traffic is that."""
    event_id = f"Ev{run}{number:08d}"
    stamp = f"{1_700_000_000 + number}.{number % 1_000_000:06d}"
    text = {"type": "text", "text": TEXT}
    section = {"type": "rich_text_section", "elements": [text]}
    event = {
        "type": "message",
        "user": f"U{number % 997:07d}",
        "team": TEAM,
        "channel": f"C{number % 211:07d}",
        "channel_type": "channel",
        "text": TEXT,
        "ts": stamp,
        "event_ts": stamp,
        "client_msg_id": f"00000000-0000-4000-8000-{number:012d}",
        "blocks": [{"type": "rich_text", "block_id": "b1", "elements": [section]}],
    }
    authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": "U0PHANTOM01", "is_bot": True}
    body = {
        "token": "unused",
        "team_id": TEAM,
        "context_team_id": TEAM,
        "context_enterprise_id": None,
        "api_app_id": "A0PHANTOM01",
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": 1_700_000_000 + number,
        "authorizations": [{**authorization, "is_enterprise_install": False}],
        "is_ext_shared_channel": False,
        "event_context": "4-eyJldCI6Im1lc3NhZ2UiLCJ0aWQiOiJUMEZBS0UwMDAwMSJ9",
    }
    return event_id, orjson.dumps(body)


def signed(count: int) -> list[bytes]:
    """`count` whole requests, each a new event, signed now as a gateway does (version 1)."""
    run = os.urandom(3).hex()
    return [_request(*event_body(number, run), sign=True) for number in range(count)]


def unsigned(count: int) -> list[bytes]:
    """The same without signature headers."""
    return [_request(*event_body(number, "x"), sign=False) for number in range(count)]


def _request(event_id: str, body: bytes, *, sign: bool) -> bytes:
    head = (
        "POST /slack/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    if sign:
        at = str(int(time.time() * 1000))
        mac = hmac.digest(SECRET.encode(), f"{at}:{event_id}:".encode() + body, "sha256").hex()
        head += (
            f"X-Phantom-Signature: v1={mac}\r\nX-Phantom-Forwarded-At: {at}\r\nX-Phantom-Slack-Event-Id: {event_id}\r\n"
        )
    return head.encode() + b"\r\n" + body


class _Client(asyncio.Protocol):
    """One connection: sends the next request when the last was answered."""

    def __init__(
        self, requests: Iterator[bytes], expect: bytes, times: list[float], done: asyncio.Future[None]
    ) -> None:
        self._requests = requests
        self._expect = expect
        self._times = times
        self._done = done
        self._sent = 0.0
        self.unexpected = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._next()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1"):
            return  # the rest of an answer that came in two pieces
        self._times.append(time.perf_counter() - self._sent)
        if not data.startswith(self._expect):
            self.unexpected += 1
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def _stay_awake(loop: asyncio.AbstractEventLoop, ends: Sequence[asyncio.Future[None]]) -> None:
    """Keep this process's core from sleeping: waking it would be charged to the server's `write`, and in a virtual
    machine costs more than the request.
    """
    if not ends[-1].done():
        loop.call_soon(_stay_awake, loop, ends)


async def drive(port: int, requests: Sequence[bytes], connections: int, status: int = 200) -> Load:
    """Send all requests over `connections` connections. A round takes at most 60 seconds."""
    loop = asyncio.get_running_loop()
    source = iter(requests)
    times: list[float] = []
    clients: list[_Client] = []
    ends: list[asyncio.Future[None]] = []
    started = time.perf_counter()
    for _ in range(connections):
        end: asyncio.Future[None] = loop.create_future()
        client = _Client(source, b"HTTP/1.1 %d" % status, times, end)
        clients.append(client)
        ends.append(end)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    loop.call_soon(_stay_awake, loop, ends)
    async with asyncio.timeout(60):
        await asyncio.gather(*ends)
    seconds = time.perf_counter() - started
    times.sort()
    return Load(
        answered=len(times),
        unexpected=sum(client.unexpected for client in clients),
        seconds=seconds,
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
    )
