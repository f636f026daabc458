"""No page shows a secret, whatever put it there: health for people and machines, readiness, metrics."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator

import aiohttp
import pytest

from phantom.channel import ChannelHealth
from phantom.health import ChannelReport, HealthReport
from phantom.metrics import PrometheusMeter
from phantom.redaction import MASK, Redactor
from phantom.secrets import held
from phantom.webapp import WebApp

KNOWN = 'p"a/s+s=w&o<r>d-0123456789'
UNKNOWN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    said = f"refused: {KNOWN} and {UNKNOWN}"

    async def report() -> HealthReport:
        health = ChannelHealth(state="ready", detail=said, cure=said, facts={"about": said})
        return HealthReport(
            name=said,
            version="1",
            now=100.0,
            started_at=40.0,
            agent=said,
            channels=(ChannelReport(name=f"c {KNOWN} {UNKNOWN}", health=health),),
            turns_state="running",
            journal_fault=said,
            warnings=(said,),
        )

    meter = PrometheusMeter()
    meter.count("phantom_receiver_requests_total", channel=said, outcome=said)
    web = WebApp(report, meter, Redactor(lambda: [held("a_token", KNOWN)]))
    await web.listen("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{web.port}"
    finally:
        await web.aclose()


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/health", "text/html"), ("/health", "application/json"), ("/ready", "*/*"), ("/metrics", "*/*")],
)
async def test_a_page_shows_no_secret(url: str, path: str, accept: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(url + path, headers={"Accept": accept}) as answer,
    ):
        page = await answer.text()
    assert MASK in page or path == "/ready"
    for secret in (KNOWN, UNKNOWN):
        for spelled in (secret, html.escape(secret), secret.replace('"', '\\"')):
            assert spelled not in page
    assert "</html>" in page or "text/html" not in accept, "nothing else was taken away"
