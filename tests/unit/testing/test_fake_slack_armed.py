"""What a FakeSlack says about deliveries that it holds or will delay, and about failures that wait for their call."""

from __future__ import annotations

from phantom.testing.fake_slack import FakeSlack


async def test_held_deliveries_are_listed_until_they_are_released() -> None:
    async with FakeSlack() as slack:
        assert not slack.delivered.holding
        slack.delivered.hold()
        await slack.post(slack.owner, slack.general, "one")
        await slack.post(slack.owner, slack.general, "two")
        assert slack.delivered.holding
        assert [one.payload["event"]["text"] for one in slack.delivered.held] == ["one", "two"]
        slack.delivered.release()
        assert not slack.delivered.holding
        assert slack.delivered.held == []


async def test_delays_count_down_and_can_be_forgotten() -> None:
    async with FakeSlack() as slack:
        slack.delivered.delay_next(60, times=2)
        await slack.post(slack.owner, slack.general, "late")
        assert slack.delivered.delays_waiting == 1
        slack.delivered.forget_delays()
        assert slack.delivered.delays_waiting == 0


async def test_armed_failures_are_named_and_counted() -> None:
    async with FakeSlack() as slack:
        slack.faults.rate_limit("chat.postMessage", times=2)
        slack.faults.rate_limit("chat.update")
        slack.faults.reply("chat.postMessage", 503)
        slack.faults.fail("chat.delete", "message_not_found")
        slack.faults.drop_after("*")
        assert slack.faults.armed() == {
            "reply ratelimited": 3,
            "reply 503": 1,
            "error message_not_found": 1,
            "drop_after": 1,
        }
        slack.faults.take("chat.update")
        slack.faults.clear()
        assert slack.faults.armed() == {}
