"""The HTTP receiver behind the real server: every row of the contract's table of checks, and hostile input."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import structlog

from channels.slack.http_receiver import SECRETS_FOR, Serving, SlackHttpReceiver
from channels.slack.team import Binding
from channels.slack.verify import DirectScheme, GatewayScheme
from phantom.channel import Admission, Envelope, Suggestion
from phantom.errors import SecretError
from phantom.health import HealthReport
from phantom.metrics import PrometheusMeter
from phantom.refused_posts import REQUESTS
from phantom.webapp import WebApp

SECRET = "s3cr3t-0123456789abcdef"
AT = 1_700_000_000.0
EVENT = {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": {"type": "message"}}


class SettableClock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.at = AT

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the receiver does not sleep")


@dataclass
class RecordingInbox:
    """Keeps envelopes in memory, once each; refuses while `broken`."""

    envelopes: list[Envelope] = field(default_factory=list)
    broken: bool = False
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        if self.broken:
            answer = Admission(stored=False)
        else:
            again = any(known.event_id == envelope.event_id for known in self.envelopes)
            if not again:
                self.envelopes.append(envelope)
            answer = Admission(stored=True, duplicate=again)
        asyncio.get_running_loop().call_soon(done, answer)

    async def admit(self, envelope: Envelope) -> Admission:
        answered: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self.submit(envelope, answered.set_result)
        return await answered

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        self.asked.append((channel, tenant, author, typed))
        return [Suggestion(label="general · why?", value="slack/T1/C1/1.1"), Suggestion(label="long", value="x" * 151)]


class Listed:
    """The secrets of the list, as it is when they are asked for."""

    def __init__(self, secrets: list[str]) -> None:
        self.secrets = secrets

    def plaintexts(self) -> Sequence[str]:
        if not self.secrets:
            raise SecretError("secret slack_gateway_signing_secret is not set")
        return tuple(self.secrets)

    def matched(self, place: int) -> None: ...

    async def refresh(self) -> bool:
        return False


@dataclass
class Stand:
    """A receiver on a real port, and a client that signs."""

    receiver: SlackHttpReceiver
    inbox: RecordingInbox
    clock: SettableClock
    meter: PrometheusMeter
    client: aiohttp.ClientSession
    port: int
    secrets: list[str]

    def count(self, outcome: str) -> float:
        return self.meter.value(REQUESTS, channel="slack", outcome=outcome)

    def headers(
        self, body: bytes, *, event_id: str = "Ev1", at: float | None = None, key: str = SECRET
    ) -> dict[str, str]:
        stamp = str(int((self.clock.at if at is None else at) * 1000))
        mac = hmac.new(key.encode(), f"{stamp}:{event_id}:".encode() + body, "sha256").hexdigest()
        found = {"X-Phantom-Signature": f"v1={mac}", "X-Phantom-Forwarded-At": stamp}
        return found | ({"X-Phantom-Slack-Event-Id": event_id} if event_id else {})

    async def post(
        self, payload: object, *, path: str = "/slack/events", headers: dict[str, str] | None = None, **signing: Any
    ) -> tuple[int, bytes, dict[str, str]]:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent = self.headers(body, **signing) if headers is None else headers
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.client.post(url, data=body, headers=sent) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def status(self, payload: object, **more: Any) -> int:
        return (await self.post(payload, **more))[0]

    async def raw(self, text: bytes, *, until_closed: bool = True) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        answer = await asyncio.wait_for(reader.read(65536), 30)
        writer.close()
        return answer


async def nothing_to_report() -> HealthReport:
    raise AssertionError("no health page is asked for here")


@asynccontextmanager
async def standing(*, body_timeout: float) -> AsyncIterator[Stand]:
    clock, meter, inbox, secrets = SettableClock(), PrometheusMeter(), RecordingInbox(), [SECRET]
    receiver = SlackHttpReceiver(
        clock=clock, meter=meter, signing=Listed(secrets), max_body=65_536, body_timeout=body_timeout
    )
    receiver.open(Serving(inbox=inbox, binding=Binding(team_id="T1"), scheme=GatewayScheme(tenant_id="tenant-1")))
    web = WebApp(nothing_to_report, meter)
    web.add_route(receiver)
    await web.listen("127.0.0.1", 0)
    async with aiohttp.ClientSession() as client:
        yield Stand(receiver, inbox, clock, meter, client, web.port, secrets)
    await web.aclose()


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with standing(body_timeout=60.0) as found:
        yield found


def form(payload: object, **fields: str) -> bytes:
    return urlencode({"payload": json.dumps(payload), **fields}).encode()


def command(**fields: str) -> bytes:
    base = {"command": "/phantom", "text": "help", "team_id": "T1", "channel_id": "C1", "user_id": "U1"}
    return urlencode({**base, **fields}).encode()


async def test_an_event_is_answered_after_it_was_admitted_with_its_very_bytes(stand: Stand) -> None:
    body = b'{ "type":"event_callback" , "team_id":"T1","event":{"text":"\xc3\xa9"}}'
    status, text, _ = await stand.post(body)
    assert (status, text) == (200, b"")
    (envelope,) = stand.inbox.envelopes
    assert (
        envelope.body,
        envelope.event_id,
        envelope.tenant,
        envelope.kind,
        envelope.encoding,
        envelope.received_at,
    ) == (
        body,
        "Ev1",
        "T1",
        "event",
        "json",
        AT,
    )
    assert stand.count("accepted") == 1


async def test_the_contracts_vector_is_accepted(stand: Stand) -> None:
    stand.secrets[:] = ["0123456789abcdef" * 4]
    stand.receiver.open(
        Serving(inbox=stand.inbox, binding=Binding(team_id="T9TK3CUKW"), scheme=GatewayScheme(tenant_id="t"))
    )
    headers = {
        "X-Phantom-Signature": "v1=79459209df77c1a9bb49d6ab11e6d73869a75db435a6286d8d937d379d3da470",
        "X-Phantom-Forwarded-At": "1700000000000",
        "X-Phantom-Slack-Event-Id": "Ev0001",
    }
    body = b'{"type":"event_callback","team_id":"T9TK3CUKW"}'
    assert await stand.status(body, headers=headers, path="/slack/events?retry=1") == 200
    assert await stand.status(body, headers=headers) == 200
    assert len(stand.inbox.envelopes) == 1
    assert (stand.count("accepted"), stand.count("duplicate")) == (1, 1)


async def test_path_and_method_come_first(stand: Stand) -> None:
    base = f"http://127.0.0.1:{stand.port}"
    async with stand.client.post(f"{base}/slack/other", data=b"x") as answer:
        assert (answer.status, answer.content_type) == (404, "application/json")
    async with stand.client.get(f"{base}/slack/events") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_not_ready_and_not_configured_are_503_with_retry_after_before_anything_else(stand: Stand) -> None:
    stand.receiver.close()
    status, text, headers = await stand.post(b"", headers={})
    assert (status, json.loads(text)) == (503, {"error": "slack channel not ready"})
    assert int(headers["Retry-After"]) > 0
    bare = SlackHttpReceiver(clock=stand.clock, meter=stand.meter)
    web = WebApp(nothing_to_report, stand.meter)
    web.add_route(bare)
    await web.listen("127.0.0.1", 0)
    async with stand.client.post(f"http://127.0.0.1:{web.port}/slack/commands", data=b"x") as answer:
        assert (answer.status, await answer.json()) == (503, {"error": "slack channel not configured"})
        assert "Retry-After" in answer.headers
    await web.aclose()
    assert (stand.count("not_ready"), stand.count("not_configured")) == (1, 1)


async def test_a_body_over_the_limit_is_413_whether_declared_or_not(stand: Stand) -> None:
    big = b"x" * 70_000
    assert await stand.status(big) == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 10_000

    url = f"http://127.0.0.1:{stand.port}/slack/events"
    async with stand.client.post(url, data=chunks(), headers=stand.headers(b"")) as answer:
        assert answer.status == 413
    assert stand.count("too_large") == 2
    assert not stand.inbox.envelopes


async def test_a_body_of_exactly_the_limit_is_read(stand: Stand) -> None:
    start = b'{"type":"event_callback","team_id":"T1","x":"'
    body = start + b"x" * (65_536 - len(start) - 2) + b'"}'
    assert len(body) == 65_536
    assert await stand.status(body) == 200


async def test_an_unsigned_100_mib_post_is_refused_by_its_head_and_takes_no_memory(stand: Stand) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    head = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n"
    answer = await stand.raw(head + b"x" * 100_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    chunked = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await stand.raw(chunked + b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


async def test_an_unsigned_post_is_refused_before_its_body_is_read(stand: Stand) -> None:
    head = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    assert (await stand.raw(head)).startswith(b"HTTP/1.1 401 ")


async def test_a_dripping_body_is_408() -> None:
    async with standing(body_timeout=0.4) as stand:
        signed = stand.headers(b"irrelevant")
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n{lines}\r\n".encode()
        assert (await stand.raw(head + b"{")).startswith(b"HTTP/1.1 408 ")
        assert stand.count("timeout") == 1


GOOD = {"X-Phantom-Forwarded-At": "1700000000000", "X-Phantom-Signature": "v1=" + "0" * 64}


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, "unsigned"),
        ({"X-Phantom-Forwarded-At": "1700000000000"}, "unsigned"),
        (GOOD, "bad_signature"),
        ({**GOOD, "X-Phantom-Signature": "v1=" + "A" * 64}, "malformed_signature"),
        ({**GOOD, "X-Phantom-Signature": "v1=" + "0" * 63}, "malformed_signature"),
        ({**GOOD, "X-Phantom-Signature": "sha256=" + "0" * 64}, "malformed_signature"),
        ({"X-Phantom-Signature": "v1=" + "0" * 64}, "malformed_timestamp"),
        ({**GOOD, "X-Phantom-Forwarded-At": "17000000000x0"}, "malformed_timestamp"),
        ({**GOOD, "X-Phantom-Forwarded-At": "-1"}, "malformed_timestamp"),
        ({**GOOD, "X-Phantom-Forwarded-At": "1700000000"}, "stale"),
        ({**GOOD, "X-Phantom-Forwarded-At": "1699999699999"}, "stale"),
        ({**GOOD, "X-Phantom-Forwarded-At": "1700000300001"}, "future"),
    ],
)
async def test_signature_faults_are_401_and_counted_by_reason(
    stand: Stand, headers: dict[str, str], outcome: str
) -> None:
    status, text, _ = await stand.post(EVENT, headers=headers)
    assert (status, json.loads(text)) == (401, {"error": "unauthorized"})
    assert stand.count(outcome) == 1
    assert not stand.inbox.envelopes


@pytest.mark.parametrize("seconds", [-300.0, 300.0])
async def test_the_edges_of_the_window_are_inside(stand: Stand, seconds: float) -> None:
    assert await stand.status(EVENT, at=AT + seconds) == 200


async def test_a_changed_body_id_or_time_breaks_the_signature(stand: Stand) -> None:
    body = json.dumps(EVENT).encode()
    headers = stand.headers(body)
    assert await stand.status(body + b" ", headers=headers) == 401
    assert await stand.status(body, headers={**headers, "X-Phantom-Slack-Event-Id": "Ev2"}) == 401
    assert await stand.status(body, headers={**headers, "X-Phantom-Forwarded-At": "1700000000001"}) == 401
    assert await stand.status(body, key="another-key-entirely") == 401
    assert stand.count("bad_signature") == 4


async def test_a_repeated_signature_header_is_refused(stand: Stand) -> None:
    body = json.dumps(EVENT).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in stand.headers(body).items())
    lines += "X-Phantom-Signature: v1=" + "0" * 64 + "\r\n"
    head = f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode()
    assert (await stand.raw(head + body)).startswith(b"HTTP/1.1 400 ")
    assert not stand.inbox.envelopes


async def test_version_2_is_accepted_beside_version_1(stand: Stand) -> None:
    body = json.dumps(EVENT).encode()
    digest = hashlib.sha256(body).hexdigest()

    def signed(tenant: str) -> dict[str, str]:
        text = f"v2\nPOST\n/slack/events\n{tenant}\n1700000000000\nEv1\n{digest}"
        mac = hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()
        return {
            "X-Phantom-Signature": f"v2={mac};kid=2024-a",
            "X-Phantom-Forwarded-At": "1700000000000",
            "X-Phantom-Slack-Event-Id": "Ev1",
        }

    assert await stand.status(body, headers=signed("tenant-1")) == 200
    assert await stand.status(body, headers=signed("tenant-2")) == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b"7", b'"x"', b"\xff\xfe\x00", b"payload=%7B%7D", b"[" * 60_000, b'{"type":"\xff"}'],
)
async def test_a_body_that_is_no_json_object_is_400(stand: Stand, body: bytes) -> None:
    status, text, _ = await stand.post(body)
    assert (status, json.loads(text)) == (400, {"error": "bad request"})


@pytest.mark.parametrize(
    "body",
    [b"", b"payload", b"payload=", b"payload=null", b"payload=%5B%5D", b"payload=%FF", b"\xff=1",
     b"payload=%7B%7D&payload=%7B%7D", b"&".join(b"a%d=1" % n for n in range(500)), b'{"type":"block_actions"}'],
)  # fmt: skip
async def test_a_form_that_is_none_is_400(stand: Stand, body: bytes) -> None:
    assert await stand.status(body, path="/slack/interactivity") == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/slack/events", json.dumps({"type": "block_actions", "team": {"id": "T1"}}).encode()),
        ("/slack/events", json.dumps({"team_id": "T1"}).encode()),
        ("/slack/events", form({"type": "block_actions", "team": {"id": "T1"}})),
        ("/slack/interactivity", form({"type": "event_callback", "team_id": "T1"})),
        ("/slack/interactivity", form({"type": "url_verification", "challenge": "x"})),
        ("/slack/interactivity", form({"team": {"id": "T1"}})),
        ("/slack/interactivity", command()),
        ("/slack/commands", form({"type": "block_actions", "team": {"id": "T1"}})),
        ("/slack/commands", json.dumps(EVENT).encode()),
        ("/slack/commands", command(command="phantom")),
    ],
)
async def test_a_payload_on_the_wrong_path_is_400(stand: Stand, path: str, body: bytes) -> None:
    assert await stand.status(body, path=path) == 400
    assert not stand.inbox.envelopes


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/slack/events", json.dumps({**EVENT, "team_id": "T2"}).encode()),
        ("/slack/events", json.dumps({"type": "event_callback", "event": {"team": "T1"}}).encode()),
        ("/slack/events", json.dumps({**EVENT, "authorizations": [{"team_id": "T2"}]}).encode()),
        ("/slack/events", json.dumps({**EVENT, "is_enterprise_install": True, "enterprise_id": "E1"}).encode()),
        ("/slack/events", json.dumps({"type": "app_rate_limited", "team_id": "T2"}).encode()),
        ("/slack/events", json.dumps({"type": "url_verification", "challenge": "x", "team_id": "T2"}).encode()),
        ("/slack/events", json.dumps({"type": "url_verification", "challenge": 7}).encode()),
        ("/slack/interactivity", form({"type": "block_actions", "team": {"id": "T2"}}, team_id="T1")),
        ("/slack/interactivity", form({"type": "block_suggestion", "team": {"id": "T2"}})),
        ("/slack/commands", command(team_id="T2")),
        ("/slack/commands", command(is_enterprise_install="true", enterprise_id="E1")),
    ],
)
async def test_a_payload_for_another_team_is_403(stand: Stand, path: str, body: bytes) -> None:
    status, text, _ = await stand.post(body, path=path)
    assert (status, json.loads(text)) == (403, {"error": "forbidden"})
    assert not stand.inbox.envelopes


async def test_a_slack_connect_author_does_not_make_a_payload_foreign(stand: Stand) -> None:
    shared = {
        **EVENT,
        "team_id": "T2",
        "context_team_id": "T2",
        "is_ext_shared_channel": True,
        "authorizations": [{"team_id": "T1", "user_id": "U0BOT", "is_bot": True, "is_enterprise_install": False}],
        "event": {"type": "message", "user_team": "T2", "user": "U2"},
    }
    assert await stand.status(shared) == 200


async def test_an_org_wide_install_is_bound_by_enterprise(stand: Stand) -> None:
    binding = Binding(team_id="T1", enterprise_id="E1")
    stand.receiver.open(Serving(inbox=stand.inbox, binding=binding, scheme=GatewayScheme(tenant_id="t")))
    org = {"is_enterprise_install": True, "enterprise": {"id": "E1"}, "team": None, "type": "shortcut"}
    assert await stand.status(form(org), path="/slack/interactivity", event_id="a") == 200
    body = command(team_id="T7", is_enterprise_install="true", enterprise_id="E1")
    assert await stand.status(body, path="/slack/commands", event_id="b") == 200
    body = command(team_id="T7", is_enterprise_install="true", enterprise_id="E2")
    assert await stand.status(body, path="/slack/commands", event_id="c") == 403
    assert {envelope.tenant for envelope in stand.inbox.envelopes} == {"T1"}


async def test_a_challenge_is_echoed_as_text_when_it_is_signed(stand: Stand) -> None:
    status, text, headers = await stand.post({"type": "url_verification", "challenge": "3eZbrw<b>é"})
    assert (status, text.decode()) == (200, "3eZbrw<b>é")
    assert headers["Content-Type"].startswith("text/plain")
    assert await stand.status({"type": "url_verification", "challenge": "x"}, headers={}) == 401
    assert not stand.inbox.envelopes


async def test_the_ssl_probe_is_answered_empty(stand: Stand) -> None:
    status, text, _ = await stand.post(b"ssl_check=1&token=x", path="/slack/commands")
    assert (status, text) == (200, b"")
    assert not stand.inbox.envelopes


async def test_interactions_and_commands_are_admitted_as_they_came(stand: Stand) -> None:
    pressed = form({"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1"}})
    assert await stand.status(pressed, path="/slack/interactivity", event_id="") == 200
    assert await stand.status(command(), path="/slack/commands", event_id="") == 200
    first, second = stand.inbox.envelopes
    assert (first.kind, first.encoding, first.body) == ("interactive", "form", pressed)
    assert (second.kind, second.encoding, second.body) == ("command", "form", command())
    assert len(first.event_id) == 64


async def test_a_replay_without_an_id_is_known_by_its_mac(stand: Stand) -> None:
    body = command()
    headers = stand.headers(body, event_id="")
    for _ in range(3):
        assert await stand.status(body, path="/slack/commands", headers=headers) == 200
    assert len(stand.inbox.envelopes) == 1
    assert await stand.status(body, path="/slack/commands", event_id="", at=AT + 1) == 200
    assert len(stand.inbox.envelopes) == 2


async def test_an_event_without_a_head_id_goes_by_the_id_in_its_body(stand: Stand) -> None:
    assert await stand.status(EVENT, event_id="") == 200
    assert await stand.status(EVENT, event_id="", at=AT + 5) == 200
    assert [envelope.event_id for envelope in stand.inbox.envelopes] == ["Ev1"]


@pytest.mark.parametrize("event_id", ["x" * 300, "\x7f", "Ev\xe9"])
async def test_an_odd_event_id_is_kept_as_a_hash(stand: Stand, event_id: str) -> None:
    body = json.dumps(EVENT).encode()
    raw = event_id.encode("latin-1")
    mac = hmac.new(SECRET.encode(), b"1700000000000:" + raw + b":" + body, "sha256").hexdigest().encode()
    head = (
        b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nX-Phantom-Forwarded-At: 1700000000000\r\n"
        b"X-Phantom-Signature: v1=%b\r\nX-Phantom-Slack-Event-Id: %b\r\nConnection: close\r\n\r\n"
    )
    answer = await stand.raw(head % (len(body), mac, raw) + body)
    if answer.startswith(b"HTTP/1.1 400 "):
        return  # the server's own parser refuses a control character in a header
    assert answer.startswith(b"HTTP/1.1 200 ")
    (envelope,) = stand.inbox.envelopes
    assert envelope.event_id.isascii()
    assert envelope.event_id.startswith("h")
    assert len(envelope.event_id) == 65


async def test_app_rate_limited_is_acked_counted_and_kept(stand: Stand) -> None:
    limited = {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1, "api_app_id": "A1"}
    with structlog.testing.capture_logs() as lines:
        assert await stand.status(limited, event_id="") == 200
    assert stand.count("platform_rate_limited") == 1
    assert [line["event"] for line in lines] == ["slack_events_rate_limited"]
    assert len(stand.inbox.envelopes) == 1


async def test_a_journal_that_cannot_store_means_503_so_that_the_sender_retries(stand: Stand) -> None:
    stand.inbox.broken = True
    status, _, headers = await stand.post(EVENT)
    assert status == 503
    assert "Retry-After" in headers
    stand.inbox.broken = False
    assert await stand.status(EVENT) == 200
    assert (stand.count("storage"), stand.count("accepted")) == (1, 1)


async def test_a_menu_is_filled_in_the_answer_and_not_journaled(stand: Stand) -> None:
    typing = {
        "type": "block_suggestion",
        "team": {"id": "T1"},
        "user": {"id": "U1"},
        "action_id": "phantom_ask_where",
        "value": "wh",
    }
    status, text, _ = await stand.post(form(typing), path="/slack/interactivity")
    assert status == 200
    row = {"text": {"type": "plain_text", "text": "general · why?"}, "value": "slack/T1/C1/1.1"}
    assert json.loads(text) == {"options": [row]}
    assert stand.inbox.asked == [("slack", "T1", "U1", "wh")]
    status, text, _ = await stand.post(form({**typing, "action_id": "other"}), path="/slack/interactivity")
    assert json.loads(text) == {"options": []}
    assert not stand.inbox.envelopes


async def test_a_secret_that_is_gone_means_503(stand: Stand) -> None:
    receiver = SlackHttpReceiver(clock=stand.clock, meter=stand.meter, signing=Listed([]))
    receiver.open(Serving(inbox=stand.inbox, binding=Binding(team_id="T1"), scheme=GatewayScheme(tenant_id="t")))
    web = WebApp(nothing_to_report, stand.meter)
    web.add_route(receiver)
    await web.listen("127.0.0.1", 0)
    stand.port = web.port
    assert await stand.status(EVENT) == 503
    await web.aclose()


async def test_refusals_write_one_line_in_a_while_without_body_or_signature(stand: Stand) -> None:
    with structlog.testing.capture_logs() as lines:
        for _ in range(20):
            await stand.post({"type": "event_callback", "text": "private-words"}, key="wrong-key")
        stand.clock.at += 11
        await stand.post(EVENT, headers={})
        await stand.post({"type": "event_callback"}, key="wrong-key")
    assert [(line["event"], line["reason"], line["count"]) for line in lines] == [
        ("slack_post_refused", "bad_signature", 1),
        ("slack_post_refused", "unsigned", 1),
        ("slack_post_refused", "bad_signature", 20),
    ]
    assert all(line["cure"] for line in lines)
    shown = repr(lines)
    assert "private-words" not in shown
    assert "v1=" not in shown
    assert SECRET not in shown
    assert SECRET.encode() not in stand.meter.render()


@pytest.fixture
def direct(stand: Stand) -> Stand:
    stand.receiver.open(Serving(inbox=stand.inbox, binding=Binding(team_id="T1"), scheme=DirectScheme()))
    return stand


def by_slack(body: bytes, stamp: str = "1700000000", key: str = SECRET) -> dict[str, str]:
    mac = hmac.new(key.encode(), f"v0:{stamp}:".encode() + body, "sha256").hexdigest()
    return {"X-Slack-Signature": f"v0={mac}", "X-Slack-Request-Timestamp": stamp}


async def test_direct_accepts_slacks_own_signature_with_either_secret(direct: Stand) -> None:
    body = json.dumps(EVENT).encode()
    assert await direct.status(body, headers=by_slack(body)) == 200
    direct.secrets[:] = ["the-new-secret-00000", SECRET]
    assert await direct.status(body, headers=by_slack(body)) == 200
    direct.secrets[:] = ["the-new-secret-00000"]
    direct.clock.at += SECRETS_FOR
    assert await direct.status(body, headers=by_slack(body)) == 401
    assert len(direct.inbox.envelopes) == 1


@pytest.mark.parametrize("stamp", ["yesterday", "", "1.7e9", "-1", "1700000301", "1699999699", "1700000000000"])
async def test_direct_refuses_any_other_stamp(direct: Stand, stamp: str) -> None:
    body = json.dumps(EVENT).encode()
    assert await direct.status(body, headers=by_slack(body, stamp)) == 401


async def test_direct_refuses_a_gateways_signature_and_echoes_challenges(direct: Stand) -> None:
    assert await direct.status(EVENT) == 401
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    assert (await direct.post(body, headers=by_slack(body)))[:2] == (200, b"abc")
