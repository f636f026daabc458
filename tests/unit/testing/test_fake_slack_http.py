"""Deliveries over HTTP: bodies, signatures, retries, and the faults of the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs

import aiohttp
import orjson
import pytest
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from phantom.clock import SystemClock
from phantom.testing.daemon_process import kept_port
from phantom.testing.fake_slack import FakeSlack, RetrySchedule, sign_gateway_v1, sign_gateway_v2

SECRET = "0123456789abcdef" * 4
PATIENT = 60.0
"""Seconds for an answer, where Slack's three are not the point and the machine may be busy."""
FAST = RetrySchedule((0.0, 0.01))


class Receiver:
    """A bare receiver that keeps every post; `answer` may be replaced."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[int], web.Response] = lambda number: web.Response()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.posts.append((request.path, dict(request.headers), await request.read()))
        return self.answer(len(self.posts))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/slack/{kind}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(transport="http") as running:
        yield running


async def test_what_was_posted_before_the_address_is_known_waits(slack: FakeSlack, receiver: Receiver) -> None:
    await slack.post(slack.owner, slack.general, "early")
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET)
    await slack.settled()
    path, headers, body = receiver.posts[0]
    event = orjson.loads(body)
    assert (path, event["event"]["text"]) == ("/slack/events", "early")
    assert headers["X-Phantom-Slack-Event-Id"] == event["event_id"]
    stamp = headers["X-Phantom-Forwarded-At"]
    assert headers["X-Phantom-Signature"] == sign_gateway_v1(SECRET, stamp, event["event_id"], body)
    assert abs(int(stamp) / 1000 - SystemClock().now()) < 60


async def test_gateway_version_2_and_a_rotating_secret(slack: FakeSlack, receiver: Receiver) -> None:
    current = ["first"]
    slack.deliver_over_http(receiver.url, secret=lambda: current[0], timeout=PATIENT, version=2, tenant="t-9", kid="k2")
    await slack.post(slack.owner, slack.general, "one")
    await slack.settled()
    current[0] = "second"
    await slack.post(slack.owner, slack.general, "two")
    await slack.settled()
    for secret, (path, headers, body) in zip(("first", "second"), receiver.posts, strict=True):
        assert headers["X-Phantom-Signature"] == sign_gateway_v2(
            secret,
            kid="k2",
            method="POST",
            path=path,
            tenant_id="t-9",
            forwarded_at_ms=headers["X-Phantom-Forwarded-At"],
            event_id=headers["X-Phantom-Slack-Event-Id"],
            body=body,
        )


async def test_direct_profile_satisfies_slack_sdk(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, profile="direct", timeout=PATIENT)
    await slack.post(slack.owner, slack.general, "hi")
    await slack.command(slack.owner, slack.general, "/phantom", "help")
    verifier = SignatureVerifier(slack.signing_secret)
    assert [verifier.is_valid_request(body, headers) for _, headers, body in receiver.posts] == [True, True]


async def test_interactions_and_commands_are_forms(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET)
    await slack.shortcut(slack.owner, "phantom_ask")
    answer = await slack.command(slack.owner, slack.general, "/phantom", "a & b=c")
    (path1, headers1, body1), (path2, _, body2) = receiver.posts
    assert (path1, path2) == ("/slack/interactivity", "/slack/commands")
    assert "X-Phantom-Slack-Event-Id" not in headers1
    payload = orjson.loads(parse_qs(body1.decode())["payload"][0])
    assert (payload["type"], payload["callback_id"]) == ("shortcut", "phantom_ask")
    form = parse_qs(body2.decode())
    assert (form["text"], form["is_enterprise_install"]) == (["a & b=c"], ["false"])
    assert answer.acked
    assert answer.message is None


async def test_plain_text_and_in_channel_command_answers(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET)
    receiver.answer = lambda number: web.Response(text="just text")
    await slack.command(slack.owner, slack.general, "/phantom")
    receiver.answer = lambda number: web.json_response({"response_type": "in_channel", "text": "to all"})
    await slack.command(slack.owner, slack.general, "/phantom")
    assert [one.text for one in slack.ephemerals] == ["just text"]
    assert [one.text for one in slack.messages(slack.general)] == ["to all"]


async def test_retries_then_success(slack: FakeSlack, receiver: Receiver) -> None:
    receiver.answer = lambda number: web.Response(status=503 if number < 3 else 200)
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET, schedule=FAST)
    await slack.post(slack.owner, slack.general, "x")
    await slack.settled()
    delivery = slack.delivered[0]
    assert [(one.outcome, one.status) for one in delivery.attempts] == [
        ("http_error", 503),
        ("http_error", 503),
        ("acked", 200),
    ]
    assert delivery.retries == 2
    assert delivery.latency is not None
    retry = [
        (headers.get("X-Slack-Retry-Num"), headers.get("X-Slack-Retry-Reason")) for _, headers, _ in receiver.posts
    ]
    assert retry == [(None, None), ("1", "http_error"), ("2", "http_error")]


async def test_gives_up_after_the_schedule_or_on_no_retry(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET, schedule=FAST)
    receiver.answer = lambda number: web.Response(status=500)
    await slack.post(slack.owner, slack.general, "x")
    await slack.settled()
    assert (slack.delivered[0].gave_up, len(slack.delivered[0].attempts)) == (True, 3)
    receiver.answer = lambda number: web.Response(status=500, headers={"X-Slack-No-Retry": "1"})
    await slack.post(slack.owner, slack.general, "y")
    await slack.settled()
    assert len(slack.delivered[1].attempts) == 1


async def test_an_app_that_is_away_gets_it_when_it_is_back(slack: FakeSlack) -> None:
    port = kept_port(slack)
    slack.deliver_over_http(
        f"http://127.0.0.1:{port}", timeout=PATIENT, secret=SECRET, schedule=RetrySchedule((0.02,), forever=True)
    )
    await slack.post(slack.owner, slack.general, "patience")
    await slack.wait_for(lambda: len(slack.delivered[0].attempts) > 2)
    assert {one.outcome for one in slack.delivered[0].attempts} == {"connection_failed"}
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/slack/events", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await slack.settled()
    assert len(receiver.posts) == 1
    await runner.cleanup()


async def test_signature_and_timestamp_faults(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET)
    slack.faults.corrupt_signature()
    await slack.post(slack.owner, slack.general, "bad")
    await slack.settled()
    slack.faults.shift_timestamp(-3600)
    await slack.post(slack.owner, slack.general, "stale")
    await slack.settled()
    (_, bad, body), (_, stale, _) = receiver.posts
    made = sign_gateway_v1(SECRET, bad["X-Phantom-Forwarded-At"], bad["X-Phantom-Slack-Event-Id"], body)
    assert bad["X-Phantom-Signature"] != made
    assert len(bad["X-Phantom-Signature"]) == len(made)
    assert int(stale["X-Phantom-Forwarded-At"]) < int(bad["X-Phantom-Forwarded-At"]) - 3_000_000


async def test_redeliver_replay_hold_delay_and_lost_acks(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET, schedule=FAST, parallel=1)
    await slack.post(slack.owner, slack.general, "1")
    await slack.settled()
    again = slack.redeliver(slack.delivered[0])
    await slack.settled()
    assert again.redelivery
    assert receiver.posts[0][2] == receiver.posts[1][2]
    assert await slack.sender.replay(again) == 200
    assert receiver.posts[1] == receiver.posts[2]
    slack.delivered.hold()
    await slack.post(slack.owner, slack.general, "2")
    await slack.post(slack.owner, slack.general, "3")
    assert len(slack.delivered.pending) == 2
    slack.delivered.release("reversed")
    await slack.settled()
    assert [orjson.loads(body)["event"]["text"] for _, _, body in receiver.posts[3:]] == ["3", "2"]
    slack.delivered.delay_next(0.05)
    await slack.post(slack.owner, slack.general, "late")
    await slack.post(slack.owner, slack.general, "early")
    await slack.settled()
    assert [orjson.loads(body)["event"]["text"] for _, _, body in receiver.posts[5:]] == ["early", "late"]
    slack.faults.lose_acks()
    await slack.post(slack.owner, slack.general, "twice")
    await slack.settled()
    assert len(receiver.posts) == 9


async def test_slow_answer_is_a_timeout(slack: FakeSlack) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/slack/events", slow)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    slack.deliver_over_http(url, secret=SECRET, timeout=0.05, schedule=RetrySchedule(()))
    await slack.post(slack.owner, slack.general, "x")
    await slack.settled()
    assert [one.outcome for one in slack.delivered[0].attempts] == ["http_timeout"]
    await runner.cleanup()


async def test_probes_and_raw_posts(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET)
    receiver.answer = lambda number: web.Response(text="c-1")
    status, body = await slack.sender.post_signed("events_api", {"type": "url_verification", "challenge": "c-1"})
    assert (status, body) == (200, b"c-1")
    await slack.sender.post_signed("slash_commands", {"ssl_check": "1"})
    await slack.sender.post_signed("events_api", b"\xff\xfe")
    await slack.sender.post_raw("/slack/events", b"[]", {})
    assert [body for _, _, body in receiver.posts[1:]] == [b"ssl_check=1", b"\xff\xfe", b"[]"]
    assert "X-Phantom-Signature" not in receiver.posts[3][1]
    assert len(slack.delivered) == 0


async def test_a_thousand_posts_at_once_all_arrive(slack: FakeSlack, receiver: Receiver) -> None:
    slack.deliver_over_http(receiver.url, timeout=PATIENT, secret=SECRET, parallel=64)
    for number in range(1000):
        await slack.post(slack.owner, slack.general, str(number))
    await slack.settled(120)
    assert len(receiver.posts) == 1000


async def test_asking_for_the_wrong_thing_is_refused(slack: FakeSlack) -> None:
    with pytest.raises(RuntimeError, match="deliver_over_http"):
        _ = slack.sender
    with pytest.raises(ValueError, match="gateway's secret"):
        slack.deliver_over_http("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="profile"):
        slack.deliver_over_http("http://127.0.0.1:1", profile="other")
    with pytest.raises(ValueError, match="transport"):
        FakeSlack(transport="pigeon")
    async with aiohttp.ClientSession() as http:
        assert (await http.get(slack.url + "/nowhere")).status == 404
