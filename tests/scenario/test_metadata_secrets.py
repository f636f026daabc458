"""Secrets of the metadata service over the real wire: cache, revalidation, rotation, staleness and every fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from config.metadata_client import MetadataClient
from config.metadata_fetcher import MetadataFetcher
from phantom.errors import MetadataError, SecretError
from phantom.secrets import Secret
from phantom.testing import FakeMetadata, ManualClock
from phantom.testing.fake_metadata import UNSHOWN

NAME = "slack_bot_token"
PATH = f"/v1/secrets/{NAME}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The service, the client and the fetcher, on a clock of ours."""

    service: FakeMetadata
    client: MetadataClient
    fetcher: MetadataFetcher
    clock: ManualClock

    @property
    def secret(self) -> Secret:
        return Secret(NAME, self.fetcher.source(NAME))

    async def fetch(self) -> str:
        return await self.clock.run(self.fetcher.fetch(NAME))

    async def refresh(self) -> bool:
        return await self.clock.run(self.secret.refresh())

    @property
    def asked(self) -> int:
        return self.service.count(PATH)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    clock = ManualClock()
    async with FakeMetadata(secrets={NAME: "xoxb-value-1"}) as service:
        client = MetadataClient(service.url, clock, connect_seconds=30.0, total_seconds=30.0)
        fetcher = MetadataFetcher(client, clock)
        yield Stand(service=service, client=client, fetcher=fetcher, clock=clock)
        await fetcher.aclose()
        await client.aclose()


async def failure(stand: Stand) -> MetadataError:
    """The error of one forced request, with nothing of any body in it, in its causes or in the log."""
    with capture_logs() as lines, pytest.raises(MetadataError) as caught:
        await stand.refresh()
    chain: BaseException | None = caught.value
    while chain is not None:
        assert UNSHOWN not in repr(chain)
        assert "AAAA" not in repr(chain)
        chain = chain.__cause__ or chain.__context__
    assert UNSHOWN not in repr(lines)
    assert "xoxb" not in repr(lines)
    return caught.value


async def test_cached_for_a_minute_then_revalidated_by_rotation_id(stand: Stand) -> None:
    assert await stand.fetch() == "xoxb-value-1"
    stand.clock.advance(59.9)
    assert await stand.fetch() == "xoxb-value-1"
    assert stand.asked == 1
    stand.clock.advance(0.1)
    assert await stand.fetch() == "xoxb-value-1"
    assert [(one.status, one.if_none_match) for one in stand.service.requests] == [(200, ""), (304, "r1")]
    stand.clock.advance(59.9)
    await stand.fetch()
    assert stand.asked == 2, "a 304 extends the window"


async def test_one_newline_at_the_end_is_not_part_of_it(stand: Stand) -> None:
    stand.service.rotate(NAME, "line\n")
    assert await stand.fetch() == "line\n"
    stand.service.answer_body(b"crlf\r\n")
    await stand.refresh()
    assert stand.secret.reveal() == "crlf"


async def test_wrong_names_never_reach_the_wire(stand: Stand) -> None:
    for name in ("../identity", "Slack", "slack_bot_tokn", "x" * 65):
        with pytest.raises(SecretError):
            await stand.fetcher.fetch(name)
    assert stand.service.requests == []


async def test_one_request_in_flight_a_name(stand: Stand) -> None:
    stand.service.hang(times=1)
    waiting = [asyncio.create_task(stand.fetcher.fetch(NAME)) for _ in range(20)]
    await stand.service.wait_for(1)
    waiting[0].cancel()  # one caller that goes away takes nothing from the others
    stand.service.heal()
    values = await stand.clock.run(asyncio.wait_for(asyncio.gather(*waiting[1:]), 30))
    assert set(values) == {"xoxb-value-1"}
    assert stand.asked == 2, "one that hung and was answered 503, and its repetition"


async def test_rotation_reaches_every_holder_and_overlaps(stand: Stand) -> None:
    await stand.fetch()
    heard: list[str] = []
    stop = stand.secret.on_change(lambda: heard.append(stand.secret.reveal()))
    stand.secret.on_change(lambda: heard.append("second holder"))
    stand.service.rotate(NAME, "xoxb-value-2")
    with capture_logs() as lines:
        assert await stand.refresh()
    assert heard == ["xoxb-value-2", "second holder"]
    assert stand.secret.candidates() == ("xoxb-value-2", "xoxb-value-1")
    assert [line["event"] for line in lines] == ["secret_rotated"]
    assert "xoxb" not in repr(lines)
    stand.clock.advance(299)
    assert stand.secret.reveal_previous() == "xoxb-value-1"
    stand.clock.advance(1)
    assert stand.secret.candidates() == ("xoxb-value-2",)
    stop()
    stop()
    stand.service.rotate(NAME, "xoxb-value-3")
    await stand.refresh()
    assert heard[2:] == ["second holder"]
    assert not await stand.refresh()


def raiser() -> None:
    raise ZeroDivisionError


async def test_a_holder_that_raises_harms_nobody(stand: Stand) -> None:
    await stand.fetch()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
    heard = asyncio.Event()
    stand.secret.on_change(raiser)
    stand.secret.on_change(heard.set)
    stand.service.rotate(NAME, "xoxb-value-2")
    assert await stand.refresh()
    await asyncio.wait_for(heard.wait(), 30)
    assert [type(fault) for fault in faults] == [ZeroDivisionError]


async def test_a_refresh_does_not_trust_an_answer_from_before_it(stand: Stand) -> None:
    """Rotation in flight: the running request was answered with the old value; a refresh asks once more."""
    await stand.fetch()
    stand.clock.advance(60)
    stand.service.hang(times=1)
    early = asyncio.create_task(stand.fetcher.fetch(NAME))
    await stand.service.wait_for(2, PATH)
    late = asyncio.create_task(stand.secret.refresh())
    await asyncio.sleep(0)
    before = stand.asked
    stand.service.heal()
    assert not await stand.clock.run(asyncio.wait_for(late, 30))
    assert await early == "xoxb-value-1"
    assert stand.asked == before + 2, "the repetition of the one that hung, then the refresh's own"


async def test_the_last_good_value_for_fifteen_minutes_and_no_longer(stand: Stand) -> None:
    await stand.fetch()
    stand.service.answer_status(503)
    stand.clock.advance(60)
    with capture_logs() as lines:
        assert await stand.fetch() == "xoxb-value-1"
        assert stand.fetcher.stale
        assert stand.fetcher.last_error == f"metadata: fetch {NAME} failed: HTTP 503"
        stand.clock.advance(830)
        assert await stand.fetch() == "xoxb-value-1"
    assert [line["event"] for line in lines] == ["secret_not_refreshed"], "one line, not one a try"
    stand.clock.advance(10)
    with pytest.raises(MetadataError):
        await stand.fetch()
    with pytest.raises(SecretError, match="older than 15 minutes"):
        stand.secret.reveal()
    assert not stand.fetcher.stale
    stand.service.heal()
    assert await stand.fetch() == "xoxb-value-1"
    assert stand.service.requests[-1].status == 304
    assert stand.fetcher.last_error == ""


@pytest.mark.parametrize("status", [403, 404])
async def test_a_refusal_is_never_papered_over(stand: Stand, status: int) -> None:
    await stand.fetch()
    told = asyncio.Event()
    stand.secret.on_change(told.set)
    stand.service.answer_status(status)
    error = await failure(stand)
    assert error.message == f"metadata: fetch {NAME} failed: HTTP {status}"
    assert f"GET /v1/secrets/{NAME}" in error.hint
    assert error.hint in stand.fetcher.last_error
    assert (error.status, error.retryable) == (status, False)
    assert told.is_set()
    with pytest.raises(SecretError, match=f"HTTP {status}"):
        stand.secret.reveal()
    assert stand.secret.reveal_previous() is None
    assert not stand.fetcher.stale
    stand.service.heal()
    assert await stand.fetch() == "xoxb-value-1"


async def test_an_unknown_secret(stand: Stand) -> None:
    stand.service.remove(NAME)
    assert (await failure(stand)).message == f"metadata: fetch {NAME} failed: HTTP 404"
    assert stand.asked == 1, "not retried"


async def test_304_with_nothing_cached(stand: Stand) -> None:
    stand.service.answer_status(304)
    error = await failure(stand)
    assert str(error) == f"metadata: fetch {NAME} failed: HTTP 304 with nothing cached"
    assert stand.asked == 1


@pytest.mark.parametrize(
    ("body", "says"), [(b"", "the answer is empty"), (b"\n", "the answer is empty"), (b"\xff\xfe", "not UTF-8")]
)
async def test_a_malformed_secret(stand: Stand, body: bytes, says: str) -> None:
    await stand.fetch()
    stand.service.answer_body(body)
    error = await failure(stand)
    assert says in str(error)
    assert stand.secret.reveal() == "xoxb-value-1"


async def test_a_secret_without_a_usable_rotation_id(stand: Stand) -> None:
    stand.service.answer_body(b"xoxb-value-9")
    await stand.refresh()
    await stand.refresh()
    assert [one.if_none_match for one in stand.service.requests] == ["", ""]
    stand.service.answer_body(b"xoxb-value-10")
    assert await stand.refresh()
    assert stand.secret.candidates() == ("xoxb-value-10", "xoxb-value-9")


async def test_never_fetched(stand: Stand) -> None:
    with pytest.raises(SecretError, match="has not been fetched"):
        stand.secret.reveal()
    await stand.fetcher.tick()
    assert stand.asked == 0
    assert [row.state for row in stand.fetcher.health()] == ["unread"]
    assert "value" not in repr(stand.fetcher.source(NAME))
