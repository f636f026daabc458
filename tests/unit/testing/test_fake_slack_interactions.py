"""Buttons, modals, shortcuts and response URLs, with slack_sdk as the app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from phantom.testing import ManualClock
from phantom.testing.fake_slack import FakeSlack

MODAL = {
    "type": "modal",
    "callback_id": "phantom_ask_modal",
    "title": {"type": "plain_text", "text": "Ask"},
    "submit": {"type": "plain_text", "text": "Send"},
    "notify_on_close": True,
    "blocks": [
        {
            "type": "input",
            "block_id": "question",
            "label": {"type": "plain_text", "text": "Question"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}
BUTTONS = [
    {
        "type": "actions",
        "block_id": "feedback",
        "elements": [
            {
                "type": "button",
                "action_id": "phantom_feedback:good",
                "text": {"type": "plain_text", "text": "Helpful"},
                "value": "turn-1",
            }
        ],
    }
]
Respond = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


class App:
    """Keeps payloads and answers them by `respond`."""

    def __init__(self, slack: FakeSlack) -> None:
        self.web = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        self.client = SocketModeClient(app_token=slack.app_token, web_client=self.web, ping_interval=60)
        self.client.socket_mode_request_listeners.append(self._on)
        self.got: list[dict[str, Any]] = []
        self.respond: Respond | None = None

    async def _on(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type == "events_api":
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
            return
        self.got.append(request.payload)
        payload = await self.respond(request.payload) if self.respond else None
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload=payload))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def slack(clock: ManualClock) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(clock=clock) as running:
        running.sockets.ack_timeout = 60  # of real time, and the machine may be busy
        yield running


@pytest.fixture
async def app(slack: FakeSlack) -> AsyncIterator[App]:
    running = App(slack)
    await running.client.connect()  # type: ignore[no-untyped-call]
    await slack.connected()
    yield running
    await running.client.close()  # type: ignore[no-untyped-call]


async def open_modal(slack: FakeSlack, app: App) -> str:
    async def respond(payload: dict[str, Any]) -> None:
        await app.web.views_open(trigger_id=payload["trigger_id"], view=MODAL)

    app.respond = respond
    await slack.shortcut(slack.owner, "phantom_ask")
    app.respond = None
    return slack.open_views(slack.owner)[-1].id


async def test_button_with_response_url(slack: FakeSlack, app: App) -> None:
    sent = await app.web.chat_postMessage(channel=slack.general.id, text="answer", blocks=BUTTONS)
    message = slack.general.messages[sent["ts"]]
    answer = await slack.click(slack.owner, message, "phantom_feedback:good")
    assert answer.acked
    payload = app.got[0]
    assert (payload["type"], payload["user"]["id"]) == ("block_actions", slack.owner.id)
    action = payload["actions"][0]
    assert (action["action_id"], action["block_id"], action["value"]) == ("phantom_feedback:good", "feedback", "turn-1")
    assert payload["container"]["message_ts"] == payload["message"]["ts"] == message.ts
    hook = AsyncWebhookClient(payload["response_url"])
    assert (await hook.send(text="thanks")).body == "ok"
    assert slack.ephemerals[-1].text == "thanks"
    await hook.send(text="to all", response_type="in_channel")
    assert slack.messages(slack.general)[-1].text == "to all"
    await hook.send(text="rated", replace_original=True)
    assert (message.text, message.buttons) == ("rated", [])
    await hook.send(delete_original=True)
    assert message.deleted
    assert (await hook.send()).body == "no_text"
    assert (await hook.send(text="five")).status_code == 200
    assert (await hook.send(text="six")).body == "used_url"
    assert len(slack.calls_of("response_url")) == 7
    with pytest.raises(KeyError):
        await slack.click(slack.owner, message, "phantom_feedback:good")


async def test_response_urls_live_half_an_hour(slack: FakeSlack, app: App, clock: ManualClock) -> None:
    await slack.command(slack.owner, slack.general, "/phantom", "new")
    clock.advance(1801)
    answer = await AsyncWebhookClient(app.got[0]["response_url"]).send(text="late")
    assert (answer.status_code, answer.body) == (404, "expired_url")


async def test_triggers_live_three_seconds_and_work_once(slack: FakeSlack, app: App, clock: ManualClock) -> None:
    await slack.shortcut(slack.owner, "phantom_ask")
    await slack.shortcut(slack.owner, "phantom_ask")
    first, second = (payload["trigger_id"] for payload in app.got)
    await app.web.views_open(trigger_id=first, view=MODAL)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await app.web.views_open(trigger_id=first, view=MODAL)
    clock.advance(3.1)
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await app.web.views_open(trigger_id=second, view=MODAL)
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await app.web.views_open(trigger_id="1.2.3", view=MODAL)


async def test_submit_a_modal(slack: FakeSlack, app: App) -> None:
    view_id = await open_modal(slack, app)
    with pytest.raises(ValueError, match="question"):
        await slack.submit_view(slack.owner, view_id, {})

    async def complain(payload: dict[str, Any]) -> dict[str, Any]:
        return {"response_action": "errors", "errors": {"question": "too short"}}

    app.respond = complain
    await slack.submit_view(slack.owner, view_id, {"question": {"text": "?"}})
    assert slack.open_views(slack.owner)[0].errors == {"question": "too short"}
    app.respond = None
    await slack.submit_view(slack.owner, view_id, {"question": {"text": "why?"}})
    assert slack.open_views(slack.owner) == []
    view = app.got[-1]["view"]
    assert view["state"]["values"] == {"question": {"text": {"type": "plain_text_input", "value": "why?"}}}
    assert (view["callback_id"], view["app_installed_team_id"]) == ("phantom_ask_modal", slack.team.id)


async def test_update_push_and_close(slack: FakeSlack, app: App) -> None:
    view_id = await open_modal(slack, app)
    other = {**MODAL, "title": {"type": "plain_text", "text": "Other"}}
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await app.web.views_update(view_id=view_id, view=other, hash="stale")
    await app.web.views_update(view_id=view_id, view=other)
    assert slack.open_views(slack.owner)[0].content["title"]["text"] == "Other"

    async def push(payload: dict[str, Any]) -> dict[str, Any]:
        return {"response_action": "push", "view": MODAL}

    app.respond = push
    await slack.submit_view(slack.owner, view_id, {"question": {"text": "x"}})
    app.respond = None
    below, top = slack.open_views(slack.owner)
    assert (top.root_id, top.previous_id) == (below.id, below.id)
    await slack.close_view(slack.owner, top.id)
    assert app.got[-1]["type"] == "view_closed"
    assert slack.open_views(slack.owner) == [below]
    with pytest.raises(SlackApiError, match="not_found"):
        await app.web.views_update(view_id="V404", view=other)


async def test_suggestions_message_shortcut_and_home(slack: FakeSlack, app: App) -> None:
    view_id = await open_modal(slack, app)
    option = {"text": {"type": "plain_text", "text": "One"}, "value": "1"}

    async def offer(payload: dict[str, Any]) -> dict[str, Any]:
        return {"options": [option]}

    app.respond = offer
    assert await slack.suggest(slack.owner, view_id, "question", "text", "o") == [option]
    app.respond = None
    assert (app.got[-1]["type"], app.got[-1]["value"]) == ("block_suggestion", "o")
    message = await slack.post(slack.owner, slack.general, "about this")
    await slack.message_shortcut(slack.owner, message, "phantom_ask_about")
    assert (app.got[-1]["type"], app.got[-1]["message"]["text"]) == ("message_action", "about this")
    await app.web.views_publish(user_id=slack.owner.id, view={"type": "home", "blocks": [{"type": "divider"}]})
    assert slack.core.views.homes[slack.owner.id].content["blocks"][0]["type"] == "divider"


async def test_org_wide_payloads_name_no_team() -> None:
    async with FakeSlack(enterprise_id="E0GRID", org_install=True) as slack:
        slack.sockets.ack_timeout = 60
        app = App(slack)
        await app.client.connect()  # type: ignore[no-untyped-call]
        await slack.connected()
        await slack.shortcut(slack.owner, "phantom_ask")
        await slack.command(slack.owner, slack.general, "/phantom")
        assert (app.got[0]["team"], app.got[0]["enterprise"]["id"]) == (None, "E0GRID")
        assert app.got[0]["is_enterprise_install"] is True
        assert app.got[1]["is_enterprise_install"] == "true"
        await app.client.close()  # type: ignore[no-untyped-call]
