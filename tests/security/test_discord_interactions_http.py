"""Signed posts to the interactions endpoint, through the real server: what is refused, and with which answer."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.discord import verify
from channels.discord.place import CHANNEL
from channels.discord.verify import Claim, Keys
from phantom.errors import ConfigError
from phantom.secrets import HeldSource, Secret
from phantom.testing.fake_discord import FakeDiscord, sign_interaction
from phantom.testing.fake_discord.signing import new_private_key, public_key_of
from tests.scenario.discord_kit import Wire, running, wired


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with (
        wired(tmp_path, transport="http", max_body=10_000, body_timeout=60) as found,
        running(found, found.inbox),
    ):
        found.fake.sender.answer_within = 60  # the machine may be busy
        yield found


def interaction(wire: Wire, **more: Any) -> dict[str, Any]:
    asked = {"type": 1, "name": "ask", "options": [{"type": 3, "name": "question", "value": "why?"}]}
    return {
        "id": wire.fake.core.world.ids.next(),
        "application_id": wire.fake.application_id,
        "type": 2,
        "token": "sesame",
        "version": 1,
        "guild_id": wire.fake.guild.id,
        "channel_id": wire.fake.general.id,
        "channel": {"id": wire.fake.general.id, "type": 0},
        "member": {"user": {"id": wire.fake.owner.id, "username": "olivia"}, "roles": []},
        "data": {"type": 1, "name": "phantom", "options": [asked]},
    } | more


def headers(wire: Wire, body: bytes, *, at: float | None = None, key: str | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    return {
        "Content-Type": "application/json",
        "X-Signature-Ed25519": sign_interaction(key or wire.fake.app.private_key, stamp, body),
        "X-Signature-Timestamp": stamp,
    }


async def post(
    wire: Wire, body: bytes, given_headers: dict[str, str], path: str = "interactions"
) -> tuple[int, dict[str, Any] | None]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{wire.address}/{CHANNEL}/{path}", data=body, headers=given_headers) as answer,
    ):
        raw = await answer.read()
        return answer.status, orjson.loads(raw) if raw else None


async def send(wire: Wire, payload: Any, path: str = "interactions", **signing: Any) -> tuple[int, Any]:
    body = orjson.dumps(payload)
    return await post(wire, body, headers(wire, body, **signing), path)


async def test_the_endpoint_check_of_discord(wire: Wire) -> None:
    """PING is answered, a wrong signature is 401: without both, Discord does not take the address."""
    ping = await wire.fake.ping_endpoint()
    assert (ping.status, ping.answer) == (200, {"type": 1})
    wire.fake.faults.corrupt_signature()
    assert (await wire.fake.ping_endpoint()).status == 401
    assert not wire.inbox.envelopes


async def test_a_ping_that_names_no_application_proves_itself_by_its_signature(wire: Wire) -> None:
    assert await send(wire, {"type": 1}) == (200, {"type": 1})
    assert (await send(wire, {"type": 0}, path="events"))[0] == 204
    for path, kind in (("interactions", 2), ("interactions", 0), ("events", 1)):
        assert (await send(wire, {"type": kind, "event": {"type": "X"}}, path=path))[0] == 403
    assert (await send(wire, {"type": 1, "application_id": "999"}))[0] == 403
    assert not wire.inbox.envelopes


async def test_what_is_signed_is_admitted_before_it_is_answered(wire: Wire) -> None:
    status, answer = await send(wire, interaction(wire))
    assert (status, answer) == (200, {"type": 5, "data": {"flags": 64}})
    assert len(wire.inbox.envelopes) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"X-Signature-Ed25519": ""},
        {"X-Signature-Ed25519": "0" * 128},
        {"X-Signature-Ed25519": "g" * 128},
        {"X-Signature-Ed25519": "é" * 64},
        {"X-Signature-Ed25519": "0" * 100_0},
        {"X-Signature-Timestamp": ""},
        {"X-Signature-Timestamp": "now"},
        {"X-Signature-Timestamp": "1e9"},
        {"X-Signature-Timestamp": "-5"},
        {"X-Signature-Timestamp": "9" * 40},
        {"X-Signature-Timestamp": "٣" * 10},
    ],
)
async def test_garbage_in_the_head_is_401(wire: Wire, change: dict[str, str]) -> None:
    body = orjson.dumps(interaction(wire))
    assert (await post(wire, body, headers(wire, body) | change))[0] == 401
    assert not wire.inbox.envelopes


@pytest.mark.parametrize("name", ["X-Signature-Ed25519", "X-Signature-Timestamp"])
async def test_an_unsigned_post_is_401(wire: Wire, name: str) -> None:
    body = orjson.dumps(interaction(wire))
    given_headers = headers(wire, body)
    del given_headers[name]
    assert (await post(wire, body, given_headers))[0] == 401


@pytest.mark.parametrize("seconds", [-301, -86_400, 360, 86_400])
async def test_a_stale_or_early_post_is_401(wire: Wire, seconds: int) -> None:
    assert (await send(wire, interaction(wire), at=time.time() + seconds))[0] == 401


async def test_a_changed_body_and_another_key_are_401(wire: Wire) -> None:
    body = orjson.dumps(interaction(wire))
    assert (await post(wire, body + b" ", headers(wire, body)))[0] == 401
    assert (await send(wire, interaction(wire), key=new_private_key()))[0] == 401


async def test_another_application_is_403(wire: Wire) -> None:
    assert (await send(wire, interaction(wire, application_id="999")))[0] == 403
    assert not wire.inbox.envelopes


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"type":2}'])
async def test_signed_nonsense_is_refused(wire: Wire, body: bytes) -> None:
    status, _ = await post(wire, body, headers(wire, body))
    assert status in (400, 403)
    assert not wire.inbox.envelopes


async def test_a_replay_is_answered_and_happens_once(wire: Wire) -> None:
    body = orjson.dumps(interaction(wire))
    signed = headers(wire, body)
    for _ in range(3):
        assert (await post(wire, body, signed))[0] == 200
    assert len(wire.inbox.envelopes) == 1
    assert wire.outcome("duplicate") == 2


async def test_a_huge_post_is_413_before_it_is_read(wire: Wire) -> None:
    payload = orjson.dumps(interaction(wire, filler="x" * 20_000))
    assert (await post(wire, payload, headers(wire, payload)))[0] == 413
    async with aiohttp.ClientSession() as session:

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 1000

        signed = headers(wire, b"")
        address = f"{wire.address}/{CHANNEL}/interactions"
        async with session.post(address, data=endless(), headers=signed) as answer:
            assert answer.status in (411, 413)


async def test_a_slow_post_is_408(tmp_path: Path) -> None:
    async with wired(tmp_path, transport="http", body_timeout=0.5) as wire, running(wire, wire.inbox):
        host, port = "127.0.0.1", int(wire.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(host, port)
        signed = headers(wire, b"{}")
        head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        writer.write(f"POST /{CHANNEL}/interactions HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 2\r\n\r\n".encode())
        await writer.drain()
        async with asyncio.timeout(30):
            line = await reader.readline()
        assert b" 408 " in line
        writer.close()


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("GET /discord/interactions", "", 405),
        ("PUT /discord/interactions", "", 405),
        ("POST /discord/interactions/", "", 404),
        ("POST /discord", "", 404),
        ("POST /discord/interactions", "X-Signature-Ed25519: " + "0" * 128, 400),
        ("POST /discord/interactions", "x-signature-timestamp: 1700000000", 400),
        ("POST /discord/interactions", "Content-Length: 1", 400),
        ("POST /discord/interactions", "Transfer-Encoding: chunked", 400),
        ("POST /discord/interactions", "Content-Encoding: gzip", 200),
        ("POST /discord/interactions", "Content-Type: text/plain", 400),
    ],
)
async def test_odd_requests_are_refused_and_never_guessed(wire: Wire, line: str, more: str, status: int) -> None:
    """A gzip encoding that is only claimed changes nothing: what is signed and read is what came."""
    body = orjson.dumps(interaction(wire))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(wire, body).items())
    extra = f"{more}\r\n" if more else ""
    host, port = "127.0.0.1", int(wire.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"{line} HTTP/1.1\r\nHost: x\r\n{head}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(30):
        assert f" {status} ".encode() in await reader.readline()
    assert len(wire.inbox.envelopes) == (status == 200)
    writer.close()


@pytest.mark.parametrize(
    "change",
    [
        {"token": None},
        {"token": ["x"]},
        {"id": 5},
        {"id": "x"},
        {"member": []},
        {"member": {"user": {"id": 7}}},
    ],
)
async def test_an_interaction_that_nobody_can_answer_is_400(wire: Wire, change: dict[str, Any]) -> None:
    assert (await send(wire, interaction(wire, **change)))[0] == 400
    assert not wire.inbox.envelopes


async def test_a_compressed_bomb_is_bounded(wire: Wire) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)

    async def chunks() -> AsyncIterator[bytes]:
        yield bomb

    signed = headers(wire, bomb) | {"Content-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{wire.address}/{CHANNEL}/interactions", data=chunks(), headers=signed) as answer,
    ):
        assert answer.status == 413


async def test_storage_trouble_is_503(wire: Wire) -> None:
    wire.inbox.stores = False
    assert (await send(wire, interaction(wire)))[0] == 503


async def test_the_endpoint_is_closed_before_and_after(tmp_path: Path) -> None:
    async with wired(tmp_path, transport="http") as wire:
        assert (await send(wire, interaction(wire)))[0] == 503
        async with running(wire, wire.inbox):
            assert (await send(wire, interaction(wire)))[0] == 200
        assert (await send(wire, interaction(wire)))[0] == 503
    async with wired(tmp_path, transport="gateway") as wire, running(wire, wire.inbox):
        assert (await send(wire, interaction(wire)))[0] == 503


async def test_webhook_events(wire: Wire) -> None:
    assert (await wire.fake.ping_events()).status == 204
    posted = await wire.fake.authorise(wire.fake.owner, wire.fake.guild)
    assert posted.status == 204
    (envelope,) = wire.inbox.envelopes
    assert envelope.tenant == wire.tenant
    assert wire.channel.normalise(envelope)
    assert (await wire.fake.sender.replay(posted)).status == 204
    assert len(wire.inbox.envelopes) == 1
    wire.fake.faults.corrupt_signature()
    assert (await wire.fake.ping_events()).status == 401


async def test_a_public_key_that_is_set_counts_and_its_rotation_overlaps(tmp_path: Path) -> None:
    async with FakeDiscord() as fake:
        fresh = new_private_key()
        source = HeldSource("discord_public_key", public_key_of(fresh), previous=fake.public_key)
        key = Secret("discord_public_key", source)
        async with wired(tmp_path, fake, transport="http", public_key=key) as wire, running(wire, wire.inbox):
            assert (await send(wire, interaction(wire)))[0] == 200
            assert (await send(wire, interaction(wire), key=fresh))[0] == 200
        with pytest.raises(ConfigError):
            async with wired(tmp_path, fake, transport="http", public_key=Secret("k", HeldSource("k", "not a key"))):
                pass


_KEY = new_private_key()


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_only_the_very_bytes_verify(body: bytes, other: bytes) -> None:
    claim = Claim(bytes.fromhex(sign_interaction(_KEY, "1700000000", body)), b"1700000000")
    keys = Keys([public_key_of(_KEY)])
    assert keys.signed(claim, body)
    assert keys.signed(claim, other) == (other == body)
    assert not keys.signed(claim._replace(timestamp=b"1700000001"), body)
    assert not Keys([]).signed(claim, body)


@pytest.mark.parametrize(("age", "taken"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_the_window_ends_after_five_minutes(age: int, taken: bool) -> None:
    stamp = str(1_700_000_000 - age).encode()
    claim = verify.read({verify.SIGNATURE: b"0" * 128, verify.TIMESTAMP: stamp}, 1_700_000_000.0)
    assert isinstance(claim, Claim) == taken


@given(st.binary(max_size=160), st.binary(max_size=20), st.floats(0, 2e9))
def test_no_head_breaks_the_reader(signature: bytes, stamp: bytes, now: float) -> None:
    claim = verify.read({verify.SIGNATURE: signature, verify.TIMESTAMP: stamp}, now)
    assert isinstance(claim, str) or len(claim.signature) == 64
