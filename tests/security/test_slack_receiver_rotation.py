"""A signing secret that rotates while posts arrive: nothing is lost, and forged posts cannot hammer the origin."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence

import pytest
import structlog

from channels.slack.http_receiver import Serving, SlackHttpReceiver
from channels.slack.rotation import INTERVAL, MAX_WAITING
from channels.slack.signing import VERIFIED, Signing
from channels.slack.team import Binding
from channels.slack.verify import GatewayScheme
from phantom.channel import Admission, Envelope, Suggestion
from phantom.errors import MetadataError, SecretError
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.webhooks import HttpAnswer, RequestHead

OLD, NEW, NEWER = "old-secret-0000000000", "new-secret-0000000000", "newer-secret-00000000"
BODY = b'{"type":"event_callback","team_id":"T1"}'


class SettableClock:
    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the receiver does not sleep")


class RecordingInbox:
    def __init__(self) -> None:
        self.ids: list[str] = []

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        self.ids.append(envelope.event_id)
        done(Admission(stored=True))

    async def admit(self, envelope: Envelope) -> Admission:
        raise AssertionError("the receiver admits without a task")

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        return ()


class Origin:
    """A metadata service: `behind` is what it holds, `known` what this process has read of it."""

    def __init__(self) -> None:
        self.known: tuple[str, ...] = (OLD,)
        self.behind: tuple[str, ...] = (OLD,)
        self.reads = 0
        self.matches: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.down = False

    def plaintexts(self) -> Sequence[str]:
        return self.known

    def matched(self, place: int) -> None:
        self.matches.append(self.known[place])

    async def refresh(self) -> None:
        self.reads += 1
        await self.gate.wait()
        if self.down:
            raise MetadataError("metadata: fetch slack_gateway_signing_secret failed: HTTP 503", status=503)
        self.known = self.behind


class Stand:
    def __init__(self) -> None:
        self.clock, self.origin, self.inbox = SettableClock(), Origin(), RecordingInbox()
        self.receiver = SlackHttpReceiver(
            clock=self.clock,
            meter=PrometheusMeter(),
            signing=self.origin,
        )
        scheme = GatewayScheme(tenant_id="t")
        self.receiver.open(Serving(inbox=self.inbox, binding=Binding(team_id="T1"), scheme=scheme))

    def post(self, key: str, event_id: str = "Ev1", body: bytes = BODY) -> asyncio.Future[HttpAnswer]:
        stamp = str(int(self.clock.at * 1000)).encode()
        mac = hmac.new(key.encode(), stamp + b":" + event_id.encode() + b":" + body, "sha256").hexdigest()
        headers = {
            b"x-phantom-signature": f"v1={mac}".encode(),
            b"x-phantom-forwarded-at": stamp,
            b"x-phantom-slack-event-id": event_id.encode(),
        }
        answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        head = RequestHead(b"POST", b"/slack/events", headers, len(body))
        assert self.receiver.screen(head) is None
        self.receiver.accept(head, body, answered.set_result)
        return answered

    async def status(self, key: str, event_id: str = "Ev1") -> int:
        return (await asyncio.wait_for(self.post(key, event_id), 30)).status


@pytest.fixture
async def stand() -> Stand:
    return Stand()


async def test_a_post_signed_with_the_new_secret_is_accepted_after_one_look(stand: Stand) -> None:
    stand.origin.behind = (NEW, OLD)
    assert await stand.status(NEW) == 200
    assert await stand.status(OLD, "Ev2") == 200
    assert await stand.status(NEW, "Ev3") == 200
    assert (stand.origin.reads, stand.inbox.ids) == (1, ["Ev1", "Ev2", "Ev3"])
    assert stand.origin.matches == [NEW, OLD, NEW]


async def test_which_of_the_secrets_fits_is_counted_and_is_a_use() -> None:
    meter = PrometheusMeter()
    texts = [name.ljust(16, "-") for name in ("current", "before", "beside")]
    current, beside = HeldSource("a", texts[0], previous=texts[1]), HeldSource("b", texts[2])
    secrets = Secret("a", current), Secret("b", beside)
    signing = Signing(secrets, meter)
    assert signing.plaintexts() == texts
    for place in (0, 0, 1, 2):
        signing.matched(place)
    assert [meter.value(VERIFIED, secret=name) for name in ("current", "previous")] == [2, 2]
    assert [secret.uses for secret in secrets] == [3, 1]
    signing = Signing((secrets[0], Secret("c", HeldSource("c", None))), meter)
    assert signing.plaintexts() == texts[:2], "the one beside it may be gone"
    current.rotate("short")
    assert signing.plaintexts() == texts[:1], "what could be guessed verifies nothing; the one before still does"
    signing.matched(0)
    assert meter.value(VERIFIED, secret="previous") == 3
    with pytest.raises(SecretError):
        Signing((Secret("c", HeldSource("c", None)), secrets[0]), meter).plaintexts()


async def test_posts_that_arrive_during_the_look_wait_for_it_and_share_it(stand: Stand) -> None:
    stand.origin.gate.clear()
    stand.origin.behind = (NEW, OLD)
    waiting = [stand.post(NEW, f"Ev{number}") for number in range(10)]
    forged = stand.post("forged-secret-000000", "EvX")
    assert await stand.status(OLD, "EvOld") == 200, "posts under the known secret do not wait"
    assert not any(answer.done() for answer in waiting)
    stand.origin.gate.set()
    assert [answer.status for answer in await asyncio.wait_for(asyncio.gather(*waiting), 30)] == [200] * 10
    assert (await asyncio.wait_for(forged, 30)).status == 401
    assert stand.origin.reads == 1


async def test_forged_posts_cause_one_look_in_ten_seconds(stand: Stand) -> None:
    for number in range(50):
        assert await stand.status("forged-secret-000000", f"Ev{number}") == 401
        stand.clock.at += 0.1
    assert stand.origin.reads == 1
    stand.clock.at += INTERVAL
    assert await stand.status("forged-secret-000000") == 401
    assert stand.origin.reads == 2


async def test_a_second_rotation_is_found_once_the_interval_is_over(stand: Stand) -> None:
    stand.origin.behind = (NEW, OLD)
    assert await stand.status(NEW) == 200
    stand.origin.behind = (NEWER, NEW)
    assert await stand.status(NEWER, "Ev2") == 401
    stand.clock.at += INTERVAL
    assert await stand.status(NEWER, "Ev2") == 200
    assert stand.inbox.ids == ["Ev1", "Ev2"]


async def test_waiting_posts_are_bounded(stand: Stand) -> None:
    stand.origin.gate.clear()
    waiting = [stand.post("forged-secret-000000", f"Ev{number}") for number in range(MAX_WAITING + 20)]
    assert sum(answer.done() for answer in waiting) == 20
    stand.origin.gate.set()
    assert {answer.status for answer in await asyncio.wait_for(asyncio.gather(*waiting), 30)} == {401}


async def test_an_origin_that_is_down_means_401_and_one_line_without_the_secret(stand: Stand) -> None:
    stand.origin.down = True
    with structlog.testing.capture_logs() as lines:
        assert await stand.status(NEW) == 401
    assert [line["event"] for line in lines] == ["signing_secret_refresh_failed", "slack_post_refused"]
    assert NEW not in repr(lines)
    assert OLD not in repr(lines)


async def test_a_receiver_that_closes_during_the_look_answers_503(stand: Stand) -> None:
    stand.origin.gate.clear()
    waiting = stand.post(NEW)
    stand.receiver.close()
    stand.origin.gate.set()
    assert (await asyncio.wait_for(waiting, 30)).status == 503


async def test_time_that_passes_during_the_look_counts(stand: Stand) -> None:
    stand.origin.gate.clear()
    stand.origin.behind = (NEW, OLD)
    waiting = stand.post(NEW)
    stand.clock.at += 301
    stand.origin.gate.set()
    assert (await asyncio.wait_for(waiting, 30)).status == 401
