"""Slack in trouble, through the real daemon: every fault ends in one answer, or in a state with its cure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario.daemon_kit import world


async def test_calls_that_fail_are_waited_out_or_looked_up_and_never_doubled(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        faults = here.slack.faults
        armed: dict[str, Callable[[], None]] = {
            "limited": lambda: faults.rate_limit("chat.postMessage", retry_after=1, times=2),
            "broken": lambda: faults.reply("chat.postMessage", 503, b"<html>", times=1),
            "nonsense": lambda: faults.reply("chat.postMessage", 200, b"{broken", times=1),
            "internal": lambda: faults.fail("chat.postMessage", "internal_error"),
            "dropped after": lambda: faults.drop_after("chat.postMessage"),
            "dropped before": lambda: faults.drop_before("chat.postMessage"),
            "all down": lambda: faults.drop_before("*", times=6),
            "marks refused": lambda: faults.withdraw_scope("reactions:write"),
        }
        for name, arm in armed.items():
            arm()
            question = await here.ask(name)
            await here.answered(question, f"heard: {name}")
            await here.quiet()
            assert here.said(question) == [f"heard: {name}"], name
            faults.clear()
        metrics = await here.daemon.metrics()
        assert metrics['phantom_deliveries_total{channel="slack",outcome="sent"}'] >= len(armed)
        assert "Traceback" not in here.daemon.output


async def test_a_lost_progress_message_is_found_and_becomes_the_answer(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        question = await here.ask("gate a slowly")
        await here.begun("a")
        here.slack.faults.drop_after("chat.postMessage")
        await here.until(lambda: here.said(question))
        here.slack.faults.drop_after("chat.update", times=2)
        here.open("a")
        await here.answered(question, "passed a slowly")
        await here.quiet()
        assert here.said(question) == ["passed a slowly"]


async def test_a_missing_scope_is_said_with_its_name_and_stops_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.slack.faults.withdraw_scope("chat:write")
        refused = await here.ask("not allowed")
        line = (await here.daemon.until_logged("delivery_refused"))[0]
        assert line["code"] == "missing_scope"
        assert "chat:write" in line["cure"]
        await here.quiet()  # what was refused may have been a progress message: the answer is refused too
        here.slack.faults.grant_scope("chat:write")
        await here.answered(await here.ask("allowed"), "heard: allowed")
        assert here.said(refused) == []


@pytest.mark.parametrize(("transport", "error"), [("socket", "token_revoked"), ("http", "invalid_auth")])
async def test_a_refused_token_waits_for_the_next_one(tmp_path: Path, transport: str, error: str) -> None:
    env = {"SECRET_SOURCE": "metadata"} if transport == "socket" else {}
    async with world(tmp_path, transport, env=env, start=False) as here:
        slack, metadata = here.slack, here.metadata
        if transport == "socket":
            here.daemon.env |= {"PHANTOM_METADATA_URL": metadata.url}
            here.daemon.env.pop("SLACK_BOT_TOKEN")
            here.daemon.env.pop("SLACK_APP_TOKEN")
            metadata.rotate("slack_bot_token", slack.bot_token)
            metadata.rotate("slack_app_token", slack.app_token)
        await here.daemon.start()
        question = await here.ask("gate a before")
        await here.begun("a")
        slack.faults.revoke_bot_token(error)
        here.open("a")
        state = "revoked" if error == "token_revoked" else "auth_failed"
        health = await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == state)
        assert health["status"] == "unhealthy"
        assert health["channels"]["slack"]["cure"]
        assert (await here.daemon.get("/ready"))[0] == 503
        assert (await here.daemon.get("/live"))[0] == 200
        assert here.said(question) == [] or "passed" not in here.said(question)[-1]
        slack.app.bot_token = "xoxb-rotated-after-the-revocation"
        slack.faults.restore_bot_token()
        metadata.rotate("slack_bot_token", slack.app.bot_token)
        await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == "ready", within=60)
        await here.answered(question, "passed a before", within=60)
        after = await here.ask("after")
        await here.answered(after, "heard: after")
        await here.quiet()
        assert [text for text in here.said(question) if "passed" in text] == ["passed a before"]


async def test_a_secret_that_disappears_loses_no_answer(tmp_path: Path) -> None:
    async with world(tmp_path, "http") as here:
        question = await here.ask("gate a one")
        await here.begun("a")
        here.metadata.remove("slack_bot_token")
        here.slack.faults.revoke_bot_token("invalid_auth")
        here.open("a")
        await here.daemon.until(lambda found: found["channels"]["slack"]["state"] != "ready", within=60)
        here.slack.faults.restore_bot_token()
        here.metadata.rotate("slack_bot_token", here.slack.bot_token)
        await here.answered(question, "passed a one", within=60)


async def test_an_uninstalled_app_is_said_and_comes_back_with_a_new_token(tmp_path: Path) -> None:
    async with world(tmp_path, "http") as here:
        await here.slack.uninstall()
        health = await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == "revoked")
        assert "install" in health["channels"]["slack"]["cure"]
        here.slack.app.bot_token = "xoxb-after-the-new-install"
        here.slack.faults.restore_bot_token()
        here.metadata.rotate("slack_bot_token", here.slack.app.bot_token)
        await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == "ready", within=60)
        await here.answered(await here.ask("back"), "heard: back")


async def test_sockets_that_drop_leave_hang_or_talk_nonsense(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        sockets = here.slack.sockets
        sockets.send_garbage("not json")
        sockets.send_garbage(b"\x00\xff")
        sockets.send_garbage('{"type":"never_heard_of","envelope_id":"e-1"}')
        await here.answered(await here.ask("one"), "heard: one")
        for number in range(3):
            question = await here.ask(f"during {number}")
            if number == 1:
                sockets.disconnect(close_after=0.3)
            else:
                sockets.drop()
            await here.answered(question, f"heard: during {number}")
            await here.quiet()
            assert here.said(question) == [f"heard: during {number}"]
        sockets.refuse_upgrades(2)
        sockets.drop()
        question = await here.ask("refused at first")
        await here.answered(question, "heard: refused at first")
        metrics = await here.daemon.metrics()
        assert metrics['phantom_socket_connected{channel="slack"}'] == 1
        assert sum(value for name, value in metrics.items() if "socket_reconnects_total" in name) >= 3


async def test_socket_mode_switched_off_is_permanent_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.slack.faults.revoke_app_token()
        here.slack.sockets.disconnect("link_disabled", close_after=0.1)
        health = await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == "auth_failed")
        assert "Socket Mode" in health["channels"]["slack"]["cure"] + health["channels"]["slack"]["detail"]


async def test_no_metadata_at_boot_is_waited_out(tmp_path: Path) -> None:
    async with world(tmp_path, "http", start=False) as here:
        await here.metadata.go_down()
        await here.daemon.start(ready=False)
        await here.daemon.until_logged("channel_backs_off")
        health = await here.daemon.until(lambda found: found["channels"]["slack"]["state"] == "backing_off")
        assert health["channels"]["slack"]["detail"].startswith("metadata: fetch identity failed")
        status, body = await here.slack.sender.post_raw("/slack/events", b"{}", {"Content-Type": "application/json"})
        assert (status, body) == (503, b'{"error":"slack channel not ready"}')
        question = await here.ask("early")
        await here.metadata.come_up()
        await here.daemon.until_ready()
        await here.answered(question, "heard: early")


async def test_resumed_turns_wait_for_their_channel(tmp_path: Path) -> None:
    """Killed in the middle, then started while Slack refuses us and metadata is away: nothing is lost or doubled."""
    async with world(tmp_path, "http") as here:
        question = await here.ask("gate a one")
        await here.begun("a")
        await here.until(lambda: here.said(question))
        await here.daemon.kill()
        here.open("a")
        await here.metadata.go_down()
        await here.daemon.start(ready=False)
        await here.daemon.until_logged("turns_running", 2)
        await asyncio.sleep(1.0)  # long enough for a resumed turn to do harm
        await here.metadata.come_up()
        await here.answered(question, "passed a one")
        await here.quiet()
        assert here.said(question) == ["passed a one"]
