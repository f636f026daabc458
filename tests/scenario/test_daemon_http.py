"""The shared HTTP server of the real daemon: pages, metrics, and every odd or hostile request on both lanes.

Tests that take `shared` talk to one daemon, and each counts what it adds.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from phantom import __version__
from phantom.metrics import METRICS
from tests.scenario.daemon_kit import World, world

MIB = 1 << 20
ONE_LOOP = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("shared"), "http") as here:
        yield here


async def talk(here: World, *pieces: bytes, answers: int = 1, within: float = 30.0) -> bytes:
    """Send pieces over one connection and read so many answers, or to the end of the stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.daemon.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await read(reader, answers, within)
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader, answers: int, within: float = 30.0) -> bytes:
    """So many final answers (100 Continue is none), or what came before the stream ended."""
    found = b""
    async with asyncio.timeout(within):
        while sum(code != 100 for code in statuses(found)) < answers and (more := await reader.read(65536)):
            found += more
    return found


def statuses(answer: bytes) -> list[int]:
    """The status of each response in a stream."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


def signed(here: World, body: bytes, event_id: str, path: str = "/slack/events", extra: str = "") -> bytes:
    """A whole authentic request."""
    headers = here.slack.sender.signed_headers("events_api", body, "application/json", event_id)
    lines = [f"POST {path} HTTP/1.1", "Host: phantom", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + f"\r\n{extra}\r\n").encode() + body


def event(here: World, number: int) -> bytes:
    """An event that everybody may send and nobody answers."""
    return json.dumps(
        {
            "type": "event_callback",
            "team_id": here.slack.team.id,
            "event_id": f"EvOdd{number}",
            "event": {"type": "pin_added", "event_ts": "1.2"},
        }
    ).encode()


async def test_pages(tmp_path: Path) -> None:
    async with world(tmp_path, "http") as here:
        daemon = here.daemon
        await here.answered(await here.ask("hello"), "heard: hello")
        await here.quiet()
        assert await daemon.get("/live") == (200, "ok\n")
        assert json.loads((await daemon.get("/ready"))[1]) == {"ready": True, "waiting_for": []}
        health = await daemon.health()
        assert (health["status"], health["version"], health["agent"]) == ("ok", __version__, "obedient")
        slack = health["channels"]["slack"]
        assert (slack["state"], slack["ok"], slack["transport"], slack["team"]) == (
            "ready",
            True,
            "http",
            here.slack.team.id,
        )
        assert 0 <= slack["last_event_age_seconds"] < 120, "an age, no moment"
        assert health["journal"] == {"fault": None, "backlog": 0}
        status, page = await daemon.get("/health", accept="text/html,*/*")
        assert status == 200
        assert page.startswith("<!doctype html>")
        assert "slack" in page
        assert "<script" not in page
        wanted = {
            'phantom_receiver_requests_total{channel="slack",outcome="accepted"}',
            "phantom_journal_pending_writes",
            "phantom_journal_backlog",
            "phantom_journal_commit_seconds_count",
            'phantom_turn_seconds_count{outcome="final"}',
            'phantom_deliveries_total{channel="slack",outcome="sent"}',
            'phantom_event_dispatch_seconds_count{channel="slack"}',
            "phantom_loop_lag_seconds",  # measured for the first time half a second after the start
            'phantom_channel_up{channel="slack"}',
        }
        async with asyncio.timeout(30):
            while missing := wanted - (samples := await daemon.metrics()).keys():
                print("not measured yet:", *missing)
                await asyncio.sleep(0.05)
        families = {re.split(r"[{]", name)[0] for name in samples}
        known = {spec.name for spec in METRICS}
        assert {re.sub(r"_(count|sum|bucket|created)$", "", name) for name in families} <= known


@ONE_LOOP
async def test_paths_and_methods(shared: World) -> None:
    here = shared
    answer = await talk(here, b"GET /slack/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [405]
    assert b"Allow: POST" in answer
    for path in ("/nowhere", "/slack/events/", "/slack/other", "/"):
        answer = await talk(here, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        assert statuses(answer) == [404], path
        assert b'{"error":"not found"}' in answer
    assert statuses(await talk(here, signed(here, event(here, 1), "EvOdd1", "/slack/events?x=1"))) == [200]
    for nonsense in (b"\x16\x03\x01\x02\x00", b"NONSENSE\r\n\r\n", b"POST /slack/events HTTP/9.9\r\n\r\n"):
        assert statuses(await talk(here, nonsense)) in ([400], [405], [505])
    huge = b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: " + b"a" * 70_000 + b"\r\n\r\n"
    assert statuses(await talk(here, huge))[0] in (400, 431)
    assert (await here.daemon.get("/health"))[0] == 200
    assert "aaaa" not in here.daemon.output


@ONE_LOOP
async def test_both_lanes_judge_alike(shared: World) -> None:
    here = shared
    await here.daemon.until_logged("introduction_sent")
    await here.quiet()
    before = await here.daemon.metrics()
    body = event(here, 101)
    assert statuses(await talk(here, signed(here, body, "EvOdd101"))) == [200]
    expect = signed(here, event(here, 102), "EvOdd102", extra="Expect: 100-continue\r\n")
    assert statuses(await talk(here, expect))[-1] == 200

    def chunked(payload: bytes, event_id: str, *, forged: bool = False) -> bytes:
        request = signed(here, payload, event_id).split(b"\r\n\r\n", 1)[0].decode()
        request = re.sub(r"Content-Length: \d+", "Transfer-Encoding: chunked", request)
        if forged:
            request = re.sub(r"v1=.", "v1=f", request) if "v1=f" not in request else request.replace("v1=f", "v1=0")
        return request.encode() + b"\r\n\r\n" + f"{len(payload):x}\r\n".encode() + payload + b"\r\n0\r\n\r\n"

    assert statuses(await talk(here, chunked(event(here, 103), "EvOdd103"))) == [200]
    assert statuses(await talk(here, chunked(event(here, 103), "EvOdd103"))) == [200]
    assert statuses(await talk(here, chunked(event(here, 104), "EvOdd104", forged=True))) == [401]
    both = signed(here, body, "EvOdd101", extra="Transfer-Encoding: chunked\r\n")
    assert statuses(await talk(here, both))[0] == 400
    metrics = await here.daemon.metrics()
    for outcome, count in (("accepted", 3), ("duplicate", 1)):
        name = f'phantom_receiver_requests_total{{channel="slack",outcome="{outcome}"}}'
        assert metrics[name] - before.get(name, 0) == count


@ONE_LOOP
async def test_repeated_headers_are_refused_on_both_lanes(shared: World) -> None:
    here = shared
    for name in ("X-Phantom-Signature: v1=00", "X-Phantom-Forwarded-At: 1", "Content-Length: 1", "Host: other"):
        answer = await talk(here, signed(here, event(here, 1), "EvOdd1", extra=f"{name}\r\n"))
        assert statuses(answer)[0] == 400, name
        answer = await talk(here, signed(here, event(here, 1), "EvOdd1", extra=f"{name}\r\nExpect: 100-continue\r\n"))
        assert statuses(answer)[-1] == 400, name


@ONE_LOOP
async def test_pipelined_requests_are_answered_in_order(shared: World) -> None:
    here = shared
    good = [signed(here, event(here, number), f"EvOdd{number}") for number in range(20)]
    unsigned = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    answer = await talk(here, b"".join([*good[:10], unsigned, *good[10:]]), answers=21)
    assert statuses(answer) == [200] * 10 + [401] + [200] * 10
    split = b"".join(good)
    answer = await talk(here, *(split[at : at + 997] for at in range(0, len(split), 997)), answers=20)
    assert statuses(answer) == [200] * 20


async def test_a_huge_unsigned_post_costs_no_memory(tmp_path: Path) -> None:
    async with world(tmp_path, "http", env={"SLACK_BODY_TIMEOUT": "60"}) as here:
        await here.answered(await here.ask("warm"), "heard: warm")
        await here.quiet()
        before = here.daemon.rss()
        block = b"x" * MIB

        async def declared(length: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.daemon.port)
            head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
            writer.write(head.encode())
            answer = asyncio.create_task(read(reader, 1))
            try:
                for _ in range(length // MIB):
                    writer.write(block)
                    await writer.drain()
            except ConnectionError:
                pass  # cut off in the middle is as good an answer
            found = await answer
            writer.close()
            return found

        answers = await asyncio.gather(*(declared(100 * MIB) for _ in range(3)))
        assert [statuses(answer) for answer in answers] == [[413]] * 3
        head = "POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = f"{MIB:x}\r\n".encode() + block + b"\r\n"
        try:
            answer = await talk(here, head.encode(), *[chunk] * 30)
            assert statuses(answer) in ([413], [401])
        except ConnectionError:
            pass
        assert here.daemon.rss() - before < 24 * MIB
        assert (await here.daemon.get("/live"))[0] == 200


async def test_a_dripping_body_is_cut_off(tmp_path: Path) -> None:
    async with world(tmp_path, "http", env={"SLACK_BODY_TIMEOUT": "0.5"}) as here:
        body = event(here, 1)
        request = signed(here, body, "EvOdd1")
        fast = request[: -len(body)]
        chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", fast)
        for head, drop in ((fast, b"{"), (chunked, b"1\r\n{\r\n")):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.daemon.port)
            writer.write(head)
            dripping = asyncio.create_task(_drip(writer, drop))
            answer = await read(reader, 1)
            dripping.cancel()
            writer.close()
            assert statuses(answer) == [408]


async def _drip(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while not writer.is_closing():
        writer.write(drop)
        await asyncio.sleep(0.1)


async def test_socket_mode_takes_no_posts(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        answer = await talk(here, b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert statuses(answer) == [503]
        assert b"slack channel not configured" in answer


async def test_forged_stale_and_foreign_posts_change_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, "http") as here:
        slack, sender = here.slack, here.slack.sender
        body = event(here, 1)
        foreign = body.replace(slack.team.id.encode(), b"T0FOREIGN01")
        slack.faults.corrupt_signature()
        assert (await sender.post_signed("events_api", body, event_id="EvOdd1"))[0] == 401
        for skew in (-301.0, 360.0):  # what lies ahead comes nearer while it is on its way
            slack.faults.shift_timestamp(skew)
            assert (await sender.post_signed("events_api", body, event_id="EvOdd1"))[0] == 401
        for odd, status in ((b"", 400), (b"null", 400), (b"[]", 400), (b"\xff\xfe", 400), (b"{", 400), (foreign, 403)):
            assert (await sender.post_signed("events_api", odd, event_id="EvOdd1"))[0] == status, odd
        assert (await sender.post_signed("slash_commands", body, event_id="EvOdd1"))[0] == 400
        assert (await sender.post_signed("interactive", body, event_id="EvOdd1"))[0] == 400
        await here.quiet()
        assert "Traceback" not in here.daemon.output
        told = [one["reason"] for one in here.daemon.events("slack_post_refused")]
        assert len(told) == len(set(told)), "a line for each reason, not for each post"
        assert {"bad_signature", "stale", "future", "malformed", "foreign_team"} >= set(told)
