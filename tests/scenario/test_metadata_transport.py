"""How the metadata service is spoken to: no proxy, no redirect, bounded in time and size, and retried with measure."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from config.identity_fetcher import IdentityFetcher
from config.metadata_client import MetadataClient
from config.tenant_status import MetadataTenantStatus
from phantom.errors import MetadataError
from phantom.identity import IdentityProvider, TenantStatus
from phantom.testing import FakeMetadata, ManualClock
from phantom.testing.fake_metadata import IDENTITY, UNSHOWN


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def service() -> AsyncIterator[FakeMetadata]:
    async with FakeMetadata() as running:
        yield running


@pytest.fixture
async def client(service: FakeMetadata, clock: ManualClock) -> AsyncIterator[MetadataClient]:
    """Patient: this machine may be slow."""
    made = MetadataClient(service.url + "/", clock, connect_seconds=30, total_seconds=30, jitter=lambda: 0.5)
    yield made
    await made.aclose()


@pytest.fixture
async def hasty(service: FakeMetadata, clock: ManualClock) -> AsyncIterator[MetadataClient]:
    """For a service that does not answer in time, however long that is."""
    made = MetadataClient(service.url, clock, connect_seconds=30, total_seconds=0.5)
    yield made
    await made.aclose()


async def failure(client: MetadataClient, clock: ManualClock) -> MetadataError:
    with pytest.raises(MetadataError) as caught:
        await clock.run(IdentityFetcher(client)())
    assert UNSHOWN not in repr(caught.value)
    return caught.value


async def test_identity_is_fetched_every_time(service: FakeMetadata, client: MetadataClient) -> None:
    fetch: IdentityProvider = IdentityFetcher(client)
    identity = await fetch()
    assert identity.tenant_id == IDENTITY["tenant_id"]
    assert identity.slack is not None
    assert identity.slack.team_id == IDENTITY["slack"]["team_id"]
    service.identity["tenant_id"] = "tenant-2"
    assert (await fetch()).tenant_id == "tenant-2"
    assert [one.path for one in service.requests] == ["/v1/identity"] * 2
    assert service.requests[0].headers["Accept-Encoding"] == "identity"


async def test_what_the_tenant_reached_is_told(
    service: FakeMetadata, client: MetadataClient, clock: ManualClock
) -> None:
    status: TenantStatus = MetadataTenantStatus(client)
    await status.agent_ready("http")
    await status.first_dm_sent("1700000000.000100")
    assert service.tenant_status == [
        ("agent_ready", {"transport": "http"}),
        ("first_dm_sent", {"slack_message_ts": "1700000000.000100"}),
    ]
    service.answer_status(500)
    with pytest.raises(MetadataError, match="metadata: post agent_ready failed: HTTP 500"):
        await clock.run(MetadataTenantStatus(client).agent_ready("http"))


@pytest.mark.parametrize(
    ("status", "tries", "retryable"), [(500, 3, True), (503, 3, True), (429, 1, True), (404, 1, False)]
)
async def test_only_5xx_is_retried(
    service: FakeMetadata, client: MetadataClient, clock: ManualClock, status: int, tries: int, retryable: bool
) -> None:
    service.answer_status(status)
    started = clock.monotonic()
    error = await failure(client, clock)
    assert str(error) == f"metadata: fetch identity failed: HTTP {status}"
    assert (error.status, error.retryable) == (status, retryable)
    assert service.count() == tries
    assert clock.monotonic() - started == pytest.approx(0.3 if tries == 3 else 0), "0.1 s, then 0.2 s"


async def test_a_fault_that_passes_is_not_noticed(
    service: FakeMetadata, client: MetadataClient, clock: ManualClock
) -> None:
    service.answer_status(502, times=1)
    service.break_off(times=1)
    assert (await clock.run(IdentityFetcher(client)())).tenant_id == "tenant-1"
    assert service.count() == 3


async def test_a_redirect_is_not_followed(service: FakeMetadata, client: MetadataClient, clock: ManualClock) -> None:
    service.redirect()
    assert str(await failure(client, clock)) == "metadata: fetch identity failed: HTTP 302"
    assert [one.path for one in service.requests] == ["/v1/identity"]


async def test_proxies_in_the_environment_are_ignored(client: MetadataClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{dead.getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert (await IdentityFetcher(client)()).tenant_id == "tenant-1"


async def test_down_and_up_again(service: FakeMetadata, client: MetadataClient, clock: ManualClock) -> None:
    await service.go_down()
    error = await failure(client, clock)
    assert error.message == "metadata: fetch identity failed: no connection"
    assert error.retryable
    assert "PHANTOM_METADATA_URL" in error.hint
    await service.come_up()
    assert (await IdentityFetcher(client)()).tenant_id == "tenant-1"


async def test_a_service_that_hangs(service: FakeMetadata, hasty: MetadataClient, clock: ManualClock) -> None:
    service.hang()
    error = await failure(hasty, clock)
    assert str(error) == "metadata: fetch identity failed: no answer within 0.5 s"
    assert clock.monotonic() == ManualClock().monotonic(), "no pause before another try: there was none"
    assert service.count() <= 1, "it may have been understood; only connection errors and 5xx are repeated"


async def test_a_service_that_drips(service: FakeMetadata, hasty: MetadataClient, clock: ManualClock) -> None:
    service.drip()
    assert str(await failure(hasty, clock)) == "metadata: fetch identity failed: no answer within 0.5 s"


async def test_a_service_that_breaks_off(service: FakeMetadata, client: MetadataClient, clock: ManualClock) -> None:
    service.break_off()
    assert str(await failure(client, clock)) == "metadata: fetch identity failed: the connection broke"
    assert service.count() == 3


@pytest.mark.parametrize("declared", [True, False])
async def test_a_huge_answer_is_not_read(
    service: FakeMetadata, client: MetadataClient, clock: ManualClock, declared: bool
) -> None:
    await IdentityFetcher(client)()
    service.answer_huge(declared=declared)
    tracemalloc.start()
    try:
        error = await failure(client, clock)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(error) == "metadata: fetch identity failed: the answer is larger than 64 KiB"
    assert peak < 4 * 1024 * 1024, "of 8 MiB on offer"


async def test_an_answer_of_exactly_the_bound(
    service: FakeMetadata, client: MetadataClient, clock: ManualClock
) -> None:
    service.answer_body(b" " * 65536)
    assert str(await failure(client, clock)) == "metadata: identity is not JSON"
    service.answer_body(b" " * 65537)
    assert "larger than 64 KiB" in str(await failure(client, clock))


@pytest.mark.parametrize("body", [b"", b"{", b"null", b'{"tenant_id": 1}'])
async def test_malformed_json(service: FakeMetadata, client: MetadataClient, clock: ManualClock, body: bytes) -> None:
    service.answer_body(body)
    assert str(await failure(client, clock)).startswith("metadata: identity")
    assert service.count() == 1


async def test_304_for_an_identity(service: FakeMetadata, client: MetadataClient, clock: ManualClock) -> None:
    service.answer_status(304)
    assert str(await failure(client, clock)) == "metadata: fetch identity failed: HTTP 304"


async def test_what_is_not_http_is_not_quoted(clock: ManualClock) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")  # what is closed with a request unread may be reset, and the answer lost
        writer.write(f"{UNSHOWN} this is not HTTP\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        client = MetadataClient(
            f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", clock, connect_seconds=30, total_seconds=30
        )
        error = await failure(client, clock)
        await client.aclose()
    assert str(error) == "metadata: fetch identity failed: the answer is not HTTP"
    assert error.__cause__ is None


async def test_cookies_and_compression_are_not_taken(service: FakeMetadata, client: MetadataClient) -> None:
    await IdentityFetcher(client)()
    await IdentityFetcher(client)()
    assert all("Cookie" not in one.headers for one in service.requests)
