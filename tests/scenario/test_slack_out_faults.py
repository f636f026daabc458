"""Slack misbehaving: rate limits, lost answers, bad tokens and scopes, nonsense. Nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from channels.slack.errors import lost
from channels.slack.web import SlackWeb
from phantom.errors import (
    AuthError,
    ConnectError,
    ConversationGone,
    DeliveryError,
    DeliveryUnknown,
    Forbidden,
    MessageRejected,
    PhantomError,
    RateLimited,
)
from phantom.messages import TurnStatus
from phantom.secrets import held
from phantom.testing.fake_slack.server import FakeSlack
from tests.scenario.slack_out_kit import Kit, slack_kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    async with FakeSlack() as slack, slack_kit(slack, tmp_path) as made:
        yield made


async def test_a_rate_limit_says_how_long_to_wait_and_sends_nothing(kit: Kit) -> None:
    kit.slack.faults.rate_limit("chat.postMessage", retry_after=7)
    with pytest.raises(RateLimited) as caught:
        await kit.behaviour.send(kit.message("x"))
    assert caught.value.retry_after == 7
    assert caught.value.retryable
    assert kit.posted() == []
    kit.slack.faults.fail("chat.postMessage", "ratelimited")
    with pytest.raises(RateLimited):
        await kit.behaviour.send(kit.message("x"))
    kit.slack.faults.rate_limit("reactions.add", retry_after=3)
    question = await kit.slack.post(kit.slack.owner, kit.slack.general, "go")
    with pytest.raises(RateLimited):
        await kit.behaviour.show_status(kit.ref(question), TurnStatus.THINKING, None)
    assert kit.outcomes("chat.postMessage") == {"rate_limited": 2}


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_post_whose_answer_is_lost_is_found_and_not_sent_again(kit: Kit, in_thread: bool) -> None:
    question = await kit.slack.post(kit.slack.owner, kit.slack.general, "go")
    message = kit.message("the answer", conversation=kit.where(thread=question.ts if in_thread else None))
    began = kit.clock.now()
    kit.slack.faults.drop_after("chat.postMessage")
    with pytest.raises(DeliveryUnknown):
        await kit.behaviour.send(message)
    assert len(kit.posted()) == 1
    receipt = await kit.behaviour.find(message, began)
    assert receipt is not None
    assert receipt.message_ids == (kit.posted()[0].ts,)
    assert len(kit.slack.calls_of("chat.postMessage")) == 1


async def test_a_post_that_never_arrived_is_surely_not_found(kit: Kit) -> None:
    began = kit.clock.now()
    kit.slack.faults.drop_before("chat.postMessage")
    with pytest.raises(DeliveryUnknown):
        await kit.behaviour.send(kit.message("x"))
    assert await kit.behaviour.find(kit.message("x"), began) is None
    assert len(kit.slack.calls_of("chat.postMessage")) == 1


async def test_a_timeout_after_the_request_left_is_unknown_not_failed(kit: Kit) -> None:
    kit.slack.faults.hang("chat.postMessage")
    with pytest.raises(DeliveryUnknown):
        await kit.web.call("chat.postMessage", {"channel": kit.slack.general.id, "text": "x"}, timeout=0.2)
    assert kit.clock.slept == []
    kit.slack.faults.hang("chat.update")
    with pytest.raises(ConversationGone):
        await kit.web.call("chat.update", {"channel": "C0NONE", "ts": "1.1", "text": "x"}, idempotent=True, timeout=1.0)
    assert kit.clock.slept, "it was repeated; twice where the machine was too slow for the first repeat"


async def test_find_looks_past_other_posts_and_believes_only_its_own_bot(kit: Kit) -> None:
    began = kit.clock.now()
    other = kit.slack.add_user("imposter", is_bot=True)
    forged = await kit.slack.post(other, kit.slack.general, "forged")
    forged.metadata = {"event_type": "phantom_message", "event_payload": {"key": "k-wanted"}}
    for number in range(230):
        await kit.slack.post(kit.slack.owner, kit.slack.general, f"chatter {number}")
    assert await kit.behaviour.find(kit.message("x", key="k-wanted"), began) is None
    sent = await kit.behaviour.send(kit.message("x", key="k-wanted"))
    for number in range(230):
        await kit.slack.post(kit.slack.owner, kit.slack.general, f"more {number}")
    found = await kit.behaviour.find(kit.message("x", key="k-wanted"), began)
    assert found is not None
    assert found.message_ids == sent.message_ids


async def test_find_raises_when_slack_cannot_say(kit: Kit) -> None:
    message = kit.message("x")
    await kit.web.auth_test()
    kit.slack.faults.withdraw_scope("channels:history")
    with pytest.raises(Forbidden):
        await kit.behaviour.find(message, 0)
    kit.slack.faults.grant_scope("channels:history")
    kit.slack.faults.reply("conversations.history", 500, times=3)
    with pytest.raises(ConnectError):
        await kit.behaviour.find(message, 0)
    for _ in range(1100):
        await kit.slack.post(kit.slack.owner, kit.slack.general, "noise")
    with pytest.raises(DeliveryUnknown, match="pages"):
        await kit.behaviour.find(message, 0)


async def test_a_clock_that_runs_ahead_of_slack_does_not_hide_the_post(kit: Kit) -> None:
    kit.clock.ahead = 120.0
    began = kit.clock.now()
    sent = await kit.behaviour.send(kit.message("x"))
    assert 118 < kit.web.clock_skew < 150, "an answer that was long on its way counts as skew, too"
    found = await kit.behaviour.find(kit.message("x"), began)
    assert found is not None
    assert found.message_ids == sent.message_ids


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_is_unknown_for_a_post(kit: Kit, status: int) -> None:
    kit.slack.faults.reply("chat.postMessage", status, b"<html>sorry</html>")
    with pytest.raises(DeliveryUnknown):
        await kit.behaviour.send(kit.message("x"))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", "application/json"),
        (200, b"null", "application/json"),
        (200, b"[1]", "application/json"),
        (200, b'{"ok": tru', "application/json"),
        (200, b"ok", "text/plain"),
        (200, b"\xff\xfe", "text/plain"),
        (200, b"<html></html>", "text/html"),
        (200, b'{"ok": false}', "application/json"),
        (500, b'{"ok": false, "error": "fatal_error"}', "application/json"),
        (200, b'{"ok": false, "error": "internal_error"}', "application/json"),
        (500, b"oops", "text/plain"),
    ],
)
async def test_nonsense_proves_nothing_either_way(kit: Kit, status: int, body: bytes, kind: str) -> None:
    kit.slack.faults.reply("chat.postMessage", status, body, content_type=kind)
    with pytest.raises(DeliveryUnknown):
        await kit.behaviour.send(kit.message("x"))
    kit.slack.faults.reply("users.info", status, body, content_type=kind, times=9)
    with pytest.raises(ConnectError):
        await kit.behaviour.author_facts(kit.where(), kit.slack.owner.id)
    assert len(kit.slack.calls_of("users.info")) == 3


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth", "token_expired", "account_inactive", "not_authed"])
async def test_a_refused_token_is_permanent_and_says_the_cure(kit: Kit, error: str) -> None:
    kit.slack.faults.revoke_bot_token(error)
    for _ in range(3):
        with pytest.raises(AuthError) as caught:
            await kit.behaviour.send(kit.message("x"))
        assert caught.value.code == error
        assert caught.value.hint
        assert not caught.value.retryable
    assert kit.source.refreshes == 1, "the origin is asked once in a while, not once a call"
    assert len(kit.slack.calls_of("chat.postMessage")) == 3


async def test_a_rotated_token_is_taken_up_in_the_same_call(kit: Kit) -> None:
    kit.source.waiting = kit.slack.app.rotate_bot_token()
    receipts = await asyncio.gather(*(kit.behaviour.send(kit.message("x", key=f"k{n}")) for n in range(5)))
    assert len({receipt.message_ids for receipt in receipts}) == 5
    assert len(kit.posted()) == 5
    assert kit.source.refreshes == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("channel_not_found", ConversationGone),
        ("is_archived", ConversationGone),
        ("not_in_channel", ConversationGone),
        ("restricted_action", Forbidden),
        ("restricted_action_thread_locked", Forbidden),
        ("some_new_error", DeliveryError),
    ],
)
async def test_refusals_are_told_apart(kit: Kit, error: str, kind: type[PhantomError]) -> None:
    kit.slack.faults.fail("chat.postMessage", error)
    with pytest.raises(kind) as caught:
        await kit.behaviour.send(kit.message("x"))
    assert caught.value.code == error
    assert not caught.value.retryable


async def test_content_that_slack_refuses_in_every_form_is_rejected(kit: Kit) -> None:
    kit.slack.faults.fail("chat.postMessage", "msg_too_long", times=3)
    with pytest.raises(MessageRejected, match="msg_too_long"):
        await kit.behaviour.send(kit.message("x"))
    assert len(kit.slack.calls_of("chat.postMessage")) == 3


async def test_a_missing_scope_is_named_with_its_cure(kit: Kit) -> None:
    kit.slack.faults.withdraw_scope("chat:write")
    with pytest.raises(Forbidden) as caught:
        await kit.behaviour.send(kit.message("x"))
    assert "add the scope chat:write" in caught.value.hint
    assert "reinstall" in caught.value.hint


async def test_an_unreachable_slack_is_surely_not_sent(kit: Kit) -> None:
    web = SlackWeb(token=held("t", "xoxb-1"), base_url="http://127.0.0.1:1/api/", clock=kit.clock, meter=kit.meter)
    try:
        with pytest.raises(ConnectError):
            await web.call("chat.postMessage", {"channel": "C1", "text": "x"})
        assert kit.clock.slept == []
        with pytest.raises(ConnectError):
            await web.auth_test()
        assert len(kit.clock.slept) == 2
    finally:
        await web.aclose()


async def test_the_environment_names_no_proxy(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await kit.web.auth_test()).user_id == kit.slack.bot.id


async def test_auth_test_says_who_we_are(kit: Kit) -> None:
    me = await kit.web.auth_test()
    assert (me.team_id, me.user_id, me.bot_id) == (kit.slack.team.id, kit.slack.bot.id, kit.slack.app.bot_id)
    assert "chat:write" in me.scopes
    kit.slack.faults.reply("auth.test", 200, b'{"ok": true, "team_id": "T1"}', content_type="application/json")
    with pytest.raises(AuthError, match="no user_id"):
        await kit.web.auth_test()


async def test_no_error_shows_the_token_or_the_text(kit: Kit) -> None:
    token, text = kit.slack.bot_token, "a very private sentence"
    faults = kit.slack.faults
    shown: list[str] = []
    arms: tuple[Callable[[], None], ...] = (
        lambda: faults.fail("chat.postMessage", "restricted_action"),
        lambda: faults.fail("chat.postMessage", "x" * 500),
        lambda: faults.reply("chat.postMessage", 500, f"{token} {text}".encode()),
        lambda: faults.reply("chat.postMessage", 200, f'{{"ok": false, "echo": "{token} {text}"}}'.encode()),
        lambda: faults.reply(
            "chat.postMessage", 200, f'broken "{token} {text}"'.encode(), content_type="application/json"
        ),
        lambda: faults.drop_after("chat.postMessage"),
        lambda: faults.revoke_bot_token("token_revoked"),
    )
    for arm in arms:
        arm()
        try:
            await kit.behaviour.send(kit.message(text))
        except PhantomError as error:
            shown.append("".join(traceback.format_exception(error)) + repr(error) + error.hint)
    assert len(shown) == 7
    assert not [entry for entry in shown if token in entry or text in entry]
    assert token not in kit.meter.render().decode()
    assert token not in repr(kit.web.__dict__)


def test_a_lost_call_is_retryable_only_when_twice_is_once() -> None:
    assert lost("m", "said", idempotent=True).retryable
    assert not lost("m", "said", idempotent=False).retryable
