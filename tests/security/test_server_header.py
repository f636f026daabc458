"""No answer of the daemon's port names the software behind it with its version, whichever lane gave it."""

from __future__ import annotations

import asyncio

import pytest

from phantom.health import HealthReport
from phantom.metrics import PrometheusMeter
from phantom.webapp import WebApp


async def nothing_to_report() -> HealthReport:
    return HealthReport(name="n", version="1", now=0.0, started_at=0.0, agent="a", channels=(), turns_state="running")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /live HTTP/1.1", b"200"), (b"GET /nowhere HTTP/1.1", b"404"), (b"PUT /live HTTP/1.1", b"405"),
     (b"GET /health HTTP/9", b"400"), (b"\x00\x01", b"400")],
)  # fmt: skip
async def test_no_version_is_told(request_line: bytes, status: bytes) -> None:
    web = WebApp(nothing_to_report, PrometheusMeter())
    await web.listen("127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(request_line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
    finally:
        await web.aclose()
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.")
    assert head.split()[1] == status
    assert b"aiohttp" not in head
    assert b"python" not in head
