"""Interactions and webhook events over HTTP: signatures, answers, refusals, replays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from phantom.testing.fake_discord import FakeDiscord, sign_interaction
from phantom.testing.fake_discord.signing import new_private_key, public_key_of
from phantom.testing.manual_clock import ManualClock

Answerer = Callable[[dict[str, object]], Awaitable[web.Response]]


def verified(key: str, request: web.Request, body: bytes) -> bool:
    signature = bytes.fromhex(request.headers["X-Signature-Ed25519"])
    timestamp = request.headers["X-Signature-Timestamp"].encode()
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, timestamp + body)
    except InvalidSignature:
        return False
    return True


@asynccontextmanager
async def endpoint(fake: FakeDiscord, answer: Answerer) -> AsyncIterator[str]:
    """An app that verifies and then lets `answer` reply."""

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        if not verified(fake.public_key, request, body):
            return web.Response(status=401)
        return await answer(orjson.loads(body))

    app = web.Application()
    app.router.add_post("/{path}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def reply(event: dict[str, object]) -> web.Response:
    if event["type"] == 1:
        return web.json_response({"type": 1})
    return web.json_response({"type": 4, "data": {"content": "hello"}})


async def test_ping_and_a_command_answered_in_the_response() -> None:
    async with FakeDiscord(answer_within=60) as fake, endpoint(fake, reply) as url:
        fake.deliver_interactions_over_http(f"{url}/interactions")
        posted = await fake.ping_endpoint()
        assert (posted.status, posted.answer) == (200, {"type": 1})
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        await asked.answered()
        assert (asked.over_http, asked.status, asked.response_type) == (True, 200, 4)
        assert [one.content for one in fake.messages(fake.general)] == ["hello"]


async def test_a_deferred_answer_is_filled_by_rest() -> None:
    async def defer(event: dict[str, object]) -> web.Response:
        return web.json_response({"type": 5})

    async with (
        FakeDiscord(answer_within=60) as fake,
        endpoint(fake, defer) as url,
        aiohttp.ClientSession() as session,
    ):
        fake.deliver_interactions_over_http(f"{url}/interactions")
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        await asked.answered()
        assert asked.deferred
        assert asked.replies == []
        where = f"{fake.api_url}/webhooks/{fake.application_id}/{asked.token}/messages/@original"
        async with session.patch(where, json={"content": f"done {fake.owner.mention}"}) as response:
            assert response.status == 200
        assert [(one.content, one.pings) for one in asked.replies] == [
            (f"done {fake.owner.mention}", [fake.owner.mention])
        ]


async def test_202_leaves_the_answer_to_the_callback() -> None:
    async def accept(event: dict[str, object]) -> web.Response:
        return web.Response(status=202)

    async with (
        FakeDiscord(answer_within=60) as fake,
        endpoint(fake, accept) as url,
        aiohttp.ClientSession() as session,
    ):
        fake.deliver_interactions_over_http(f"{url}/interactions")
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        await fake.wait_for(lambda: fake.interactions[0].payload)
        where = f"{fake.api_url}/interactions/{asked.id}/{asked.token}/callback"
        async with session.post(where, json={"type": 4, "data": {"content": "by rest"}}) as response:
            assert response.status == 204
        await asked.answered()
        assert [one.content for one in asked.replies] == ["by rest"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"type": 1}', "50035"),
        (b"nonsense", "JSONDecodeError"),
        (b'{"type": 4, "data": {"content": ""}}', "50006"),
    ],
)
async def test_bad_answers_fail_the_interaction(body: bytes, error: str) -> None:
    async def answer(event: dict[str, object]) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with FakeDiscord(answer_within=60) as fake, endpoint(fake, answer) as url:
        fake.deliver_interactions_over_http(f"{url}/interactions")
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        await asked.answered()
        assert not asked.acknowledged
        assert asked.error.startswith(error)


async def test_no_answer_in_three_seconds_and_nobody_listening() -> None:
    released = asyncio.Event()

    async def hang(event: dict[str, object]) -> web.Response:
        await released.wait()
        return web.Response()

    async with FakeDiscord(answer_within=60) as fake, endpoint(fake, hang) as url:
        fake.sender.answer_within = 0.1
        fake.deliver_interactions_over_http(f"{url}/interactions")
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        assert "Timeout" in (await asked.answered()).error
        released.set()
        fake.sender.answer_within = 60
        fake.deliver_interactions_over_http("http://127.0.0.1:9/interactions")
        asked = fake.interact(2, fake.owner, fake.general, {"id": "1", "name": "x", "type": 1})
        assert "Connect" in (await asked.answered()).error


async def test_corrupt_signatures_skewed_clocks_and_replays() -> None:
    clock = ManualClock()
    async with FakeDiscord(clock=clock) as fake, endpoint(fake, reply) as url:
        fake.deliver_interactions_over_http(f"{url}/interactions")
        fake.faults.corrupt_signature()
        assert (await fake.ping_endpoint()).status == 401
        fake.faults.shift_timestamp(-600)
        stale = await fake.ping_endpoint()
        assert stale.status == 200
        assert int(stale.headers["X-Signature-Timestamp"]) == int(clock.now()) - 600
        again = await fake.sender.replay(stale)
        assert (again.body, again.headers) == (stale.body, stale.headers)
        assert (await fake.sender.post(stale.url, b"{}", headers=stale.headers)).status == 401


async def test_webhook_events() -> None:
    heard: list[dict[str, object]] = []

    async def note(event: dict[str, object]) -> web.Response:
        heard.append(event)
        return web.Response(status=204)

    async with FakeDiscord(answer_within=60) as fake, endpoint(fake, note) as url:
        fake.deliver_events_over_http(f"{url}/events")
        assert (await fake.ping_events()).status == 204
        assert (await fake.authorise(fake.owner, fake.guild)).status == 204
        ping, authorised = heard
        assert (ping["type"], ping["application_id"]) == (0, fake.application_id)
        event = authorised["event"]
        assert isinstance(event, dict)
        assert event["type"] == "APPLICATION_AUTHORIZED"
        assert event["data"]["guild"]["id"] == fake.guild.id


@given(timestamp=st.integers(0, 1 << 40), body=st.binary(max_size=200), other=st.binary(max_size=200))
def test_a_signature_fits_its_own_timestamp_and_body_only(timestamp: int, body: bytes, other: bytes) -> None:
    private = new_private_key()
    signature = bytes.fromhex(sign_interaction(private, str(timestamp), body))
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key_of(private)))
    key.verify(signature, str(timestamp).encode() + body)
    if other != body:
        with pytest.raises(InvalidSignature):
            key.verify(signature, str(timestamp).encode() + other)
