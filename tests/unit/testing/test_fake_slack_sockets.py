"""Socket Mode by the real slack_sdk client, and by a bare WebSocket where the frames themselves matter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from phantom.testing.fake_slack import FakeSlack, RetrySchedule


class App:
    """An app on slack_sdk's own client: keeps what it gets, and acks it unless told not to."""

    def __init__(self, slack: FakeSlack, ping_interval: float = 60.0) -> None:
        self.client = SocketModeClient(
            app_token=slack.app_token,
            web_client=AsyncWebClient(token=slack.bot_token, base_url=slack.api_url),
            ping_interval=ping_interval,
        )
        self.client.socket_mode_request_listeners.append(self._on)
        self.got: list[SocketModeRequest] = []
        self._arrived = asyncio.Event()
        self.acking = True
        self.payload: dict[str, Any] | None = None

    async def _on(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.got.append(request)
        self._arrived.set()
        if self.acking:
            response = SocketModeResponse(envelope_id=request.envelope_id, payload=self.payload)
            await client.send_socket_mode_response(response)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.got) < count:
                self._arrived.clear()
                await self._arrived.wait()

    def texts(self) -> list[str]:
        return [one.payload["event"]["text"] for one in self.got]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as running:
        running.sockets.ack_timeout = 60  # the machine may be busy
        yield running


@pytest.fixture
async def app(slack: FakeSlack) -> AsyncIterator[App]:
    running = App(slack)
    await running.client.connect()  # type: ignore[no-untyped-call]
    await slack.connected()
    yield running
    await running.client.close()  # type: ignore[no-untyped-call]


async def raw_socket(slack: FakeSlack, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    client = AsyncWebClient(base_url=slack.api_url)
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    return await http.ws_connect(url, autoping=False)


async def test_message_and_mention_have_different_event_ids(slack: FakeSlack, app: App) -> None:
    await slack.post(slack.owner, slack.general, f"{slack.mention} hi")
    await slack.settled()
    events = [one.payload for one in app.got]
    assert [one["event"]["type"] for one in events] == ["message", "app_mention"]
    assert events[0]["event_id"] != events[1]["event_id"]
    assert events[0]["event"]["ts"] == events[1]["event"]["ts"]
    assert events[0]["event"]["channel_type"] == "channel"
    assert "channel_type" not in events[1]["event"]
    assert events[0]["authorizations"][0]["team_id"] == slack.team.id
    assert [one.acked for one in slack.delivered] == [True, True]


async def test_frames(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as http:
        ws = await raw_socket(slack, http)
        hello = await ws.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        assert hello["connection_info"] == {"app_id": slack.app.app_id}
        await ws.ping(b"sdk-ping-pong:1")
        pong = await ws.receive()
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"sdk-ping-pong:1")
        await slack.post(slack.owner, slack.dm(slack.owner), "hi")
        envelope = await ws.receive_json()
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("events_api", False)
        assert (envelope["retry_attempt"], envelope["retry_reason"]) == (0, "")
        await ws.send_json({"envelope_id": envelope["envelope_id"]})
        await slack.settled()
        slack.sockets.disconnect("warning", close_after=0)
        assert (await ws.receive_json())["reason"] == "warning"
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_urls_work_once(slack: FakeSlack) -> None:
    client = AsyncWebClient(base_url=slack.api_url)
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as http:
        await http.ws_connect(url)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(url)
    assert caught.value.status == 403


async def test_each_payload_goes_to_one_of_ten_sockets(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as http:
        sockets = [await raw_socket(slack, http) for _ in range(10)]
        await slack.connected(10)
        with pytest.raises(SlackApiError, match="too_many_websockets"):
            await raw_socket(slack, http)
        for ws in sockets:
            await ws.receive_json()
        for number in range(20):
            await slack.post(slack.owner, slack.general, str(number))
        seen = []
        for ws in sockets:
            for _ in range(2):
                frame = await ws.receive_json()
                seen.append(frame["payload"]["event_id"])
                await ws.send_json({"envelope_id": frame["envelope_id"]})
        assert len(set(seen)) == 20
        await slack.settled()


async def test_what_nobody_takes_waits_for_the_next_connection(slack: FakeSlack) -> None:
    for number in range(3):
        await slack.post(slack.owner, slack.general, str(number))
    assert len(slack.delivered.pending) == 3
    app = App(slack)
    await app.client.connect()  # type: ignore[no-untyped-call]
    await slack.settled()
    assert app.texts() == ["0", "1", "2"]
    await app.client.close()  # type: ignore[no-untyped-call]


async def test_an_unacked_envelope_comes_again_after_the_timeout(slack: FakeSlack, app: App) -> None:
    slack.sockets.ack_timeout, slack.sockets.schedule = 0.05, RetrySchedule((0.0, 0.0))
    app.acking = False
    await slack.post(slack.owner, slack.general, "again")
    await slack.settled()
    assert slack.delivered[0].gave_up
    await app.until(3)
    assert [(one.retry_attempt, one.retry_reason) for one in app.got] == [(0, ""), (1, "timeout"), (2, "timeout")]
    assert len({one.payload["event_id"] for one in app.got}) == 1
    assert len({one.envelope_id for one in app.got}) == 3


async def test_a_dropped_socket_gives_its_envelopes_to_the_next(slack: FakeSlack, app: App) -> None:
    app.acking = False
    await slack.post(slack.owner, slack.general, "survivor")
    await app.until(1)
    app.acking = True
    assert slack.sockets.drop() == 1
    await slack.wait_for(lambda: not slack.sockets.connections)
    await app.client.connect_to_new_endpoint(force=True)
    await slack.settled()
    assert app.texts() == ["survivor", "survivor"]
    assert [one.outcome for one in slack.delivered[0].attempts] == ["connection_lost", "acked"]


async def test_lost_ack_means_delivered_twice(slack: FakeSlack, app: App) -> None:
    slack.faults.lose_acks()
    await slack.post(slack.owner, slack.general, "twice")
    await slack.settled()
    assert app.texts() == ["twice", "twice"]


async def test_refresh_makes_the_sdk_reconnect_and_the_old_socket_gets_nothing_more(slack: FakeSlack, app: App) -> None:
    old = slack.sockets.connections[0]
    slack.sockets.disconnect("refresh_requested", close_after=None)
    await slack.wait_for(lambda: [one for one in slack.sockets.connections if one is not old])
    await slack.post(slack.owner, slack.general, "new")
    await slack.settled()
    assert app.texts() == ["new"]
    assert old.open == set()


async def test_half_open_and_silent_pings_make_the_sdk_reconnect(slack: FakeSlack) -> None:
    app = App(slack, ping_interval=0.2)
    await app.client.connect()  # type: ignore[no-untyped-call]
    [*_, old] = await slack.wait_for(lambda: list(slack.sockets.connections))  # on a busy machine it is not the first
    slack.sockets.half_open()
    await slack.wait_for(lambda: [one for one in slack.sockets.connections if one is not old])
    await slack.post(slack.owner, slack.general, "after")
    await slack.wait_for(lambda: slack.delivered[0].acked)
    [*_, quiet] = await slack.wait_for(lambda: list(slack.sockets.connections))
    slack.sockets.ignore_pings()
    await slack.wait_for(lambda: quiet not in slack.sockets.connections)
    await app.client.close()  # type: ignore[no-untyped-call]


async def test_garbage_and_refusals(slack: FakeSlack, app: App) -> None:
    slack.sockets.send_garbage("{ not json")
    slack.sockets.send_garbage(b"\x00\xff")
    await slack.post(slack.owner, slack.general, "fine")
    await slack.settled()
    assert app.texts() == ["fine"]
    slack.faults.revoke_app_token()
    with pytest.raises(SlackApiError, match="invalid_auth"):
        await app.client.issue_new_wss_url()
    slack.faults.restore_app_token()
    slack.sockets.refuse_upgrades()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await raw_socket(slack, http)


async def test_command_answer_over_the_socket(slack: FakeSlack, app: App) -> None:
    app.payload = {"text": "three queued"}
    answer = await slack.command(slack.owner, slack.general, "/phantom", "status")
    assert app.got[0].accepts_response_payload is True
    assert answer.acked
    assert answer.message is not None
    assert (answer.message.text, answer.message.ephemeral_for) == ("three queued", slack.owner.id)
    assert app.got[0].payload["command"] == "/phantom"


async def test_an_interaction_without_an_app_fails_at_once(slack: FakeSlack) -> None:
    answer = await slack.command(slack.owner, slack.general, "/phantom", "status")
    assert not answer.acked
    assert [one.outcome for one in answer.delivery.attempts] == ["no_connection"]
