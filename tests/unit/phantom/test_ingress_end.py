"""The end of a connection with requests still under way: what comes after the last answer harms nobody."""

from __future__ import annotations

import asyncio

from phantom.health import HealthReport
from phantom.metrics import PrometheusMeter
from phantom.webapp import WebApp
from phantom.webhooks import AnswerSink, HttpAnswer, RequestHead

POST = b"POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


class Later:
    """Answers when the test says so, as the journal's commit does."""

    paths = frozenset({b"/later"})
    max_body = 2000
    body_timeout = 5.0

    def __init__(self) -> None:
        self.answers: list[AnswerSink] = []

    def screen(self, head: RequestHead) -> HttpAnswer | None:
        return None

    def accept(self, head: RequestHead, body: bytes, answer: AnswerSink) -> None:
        self.answers.append(answer)

    def refused(self, status: int) -> HttpAnswer:
        return HttpAnswer(status, b"refused")

    async def asked(self, count: int) -> None:
        while len(self.answers) < count:
            await asyncio.sleep(0.001)


async def _no_report() -> HealthReport:
    raise AssertionError("no page is asked for")


async def test_a_request_behind_the_last_answer_gets_none_and_breaks_nothing() -> None:
    web, route = WebApp(_no_report, PrometheusMeter()), Later()
    web.add_route(route)
    await web.listen("127.0.0.1", 0)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(POST)
        await route.asked(1)
        await web.aclose()  # the first answer is to be the last
        writer.write(POST)
        await route.asked(2)
        route.answers[0](HttpAnswer(200, b"first"))
        route.answers[1](HttpAnswer(200, b"second"))  # raises nothing at whoever answers many
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert said.count(b"HTTP/1.1") == 1
    assert said.endswith(b"first")
