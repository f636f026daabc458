"""The fast lane on a real socket: however requests are cut into pieces, each gets its own answer, in order."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from phantom.health import HealthReport
from phantom.metrics import PrometheusMeter
from phantom.webapp import WebApp
from phantom.webhooks import AnswerSink, HttpAnswer, RequestHead


class Echo:
    """Answers each body with itself; a body that begins with `later` is answered a moment afterwards."""

    paths = frozenset({b"/echo"})
    max_body = 2000
    body_timeout = 60.0

    def screen(self, head: RequestHead) -> HttpAnswer | None:
        if head.content_length is not None and head.content_length > self.max_body:
            return self.refused(413)
        return HttpAnswer(401, b"unsigned") if b"x-sign" not in head.headers else None

    def accept(self, head: RequestHead, body: bytes, answer: AnswerSink) -> None:
        reply = HttpAnswer(200, b"<" + body + b">", content_type="text/plain")
        if body.startswith(b"later"):
            asyncio.get_running_loop().call_later(0.003, answer, reply)
        else:
            answer(reply)

    def refused(self, status: int) -> HttpAnswer:
        return HttpAnswer(status, b"refused")


async def _no_report() -> HealthReport:
    raise AssertionError("no page is asked for")


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    web = WebApp(_no_report, PrometheusMeter())
    web.add_route(Echo())
    await web.listen("127.0.0.1", 0)
    try:
        yield web.port
    finally:
        await web.aclose()


def request(body: bytes, *, signed: bool = True, query: str = "") -> bytes:
    sign = "X-Sign: 1\r\n" if signed else ""
    return f"POST /echo{query} HTTP/1.1\r\nHost: x\r\n{sign}Content-Length: {len(body)}\r\n\r\n".encode() + body


BODIES = st.lists(
    st.tuples(st.sampled_from([b"a", b"later b", b"x" * 1500, b"\r\n\r\n", b"POST /echo HTTP/1.1"]), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(BODIES, st.lists(st.integers(1, 900), min_size=1, max_size=8))
def test_pieces_make_no_difference(asked: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    async def run() -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stream, at, turn = b"".join(request(body, signed=signed) for body, signed in asked), 0, 0
            while at < len(stream):
                step = cuts[turn % len(cuts)]
                writer.write(stream[at : at + step])
                await writer.drain()
                at, turn = at + step, turn + 1
            found = b""
            expected = b"".join(b"<" + body + b">" if signed else b"unsigned" for body, signed in asked)
            async with asyncio.timeout(30):
                while len(b"".join(bodies(found))) < len(expected) and (more := await reader.read(65536)):
                    found += more
            assert b"".join(bodies(found)) == expected
            writer.close()

    asyncio.run(run())


def bodies(stream: bytes) -> list[bytes]:
    """The bodies of the whole answers in a stream."""
    found = []
    while match := re.match(rb"HTTP/1\.1 \d{3} [^\r]*\r\n(.*?)\r\n\r\n", stream, re.DOTALL):
        length = re.search(rb"Content-Length: (\d+)", match.group(1))
        assert length is not None
        end = match.end() + int(length.group(1))
        if len(stream) < end:
            break
        found.append(stream[match.end() : end])
        stream = stream[end:]
    return found


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_breaks_nothing(garbage: bytes) -> None:
    async def run() -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage + b"\r\n\r\n")
            await writer.drain()
            writer.close()
            del reader
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"fine"))
            async with asyncio.timeout(30):
                assert (await reader.readuntil(b"<fine>")).startswith(b"HTTP/1.1 200 ")
            writer.close()

    asyncio.run(run())
