"""Actions that go wrong: keys, deadlines, cancelling, queues, limits, a drain. Each is answered and audited once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phantom.apps import ActionRefused, AppPlace
from phantom.bridge.grants import Limits, Within
from phantom.clock import SystemClock
from phantom.errors import RateLimited
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import PretendChannel, RawApp, Rig, entry, running_bridge, soon

SEND: dict[str, Any] = {"channelId": "10", "content": "a very private sentence"}
KICK: dict[str, Any] = {"guildId": "7", "userId": "9"}


class Gate:
    """An action that runs until the test lets it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.cut: list[str] = []

    async def __call__(self, action: str, params: Mapping[str, Any], key: str) -> Any:
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cut.append(action)
            raise
        return {"done": action}


def rows(rig: Rig) -> list[tuple[str, str, str]]:
    """Request id, outcome and code of each action in the audit."""
    return [(row["requestId"], row["outcome"], row.get("code", "")) for row in rig.audit if row["kind"] == "action"]


async def answers(app: RawApp, count: int) -> dict[str, dict[str, Any]]:
    """The next answers by request id."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < count:
        frame = await app.read()
        if frame["type"].startswith("action."):
            assert frame["requestId"] not in found, "answered twice"
            found[frame["requestId"]] = frame["payload"]
    return found


async def test_one_key_runs_once_and_is_bound_to_action_and_payload(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    other = entry("other", value="another-secret-0002")
    async with running_bridge(tmp_path, entry(), other, channel=channel) as rig, rig.app() as one, rig.app() as two:
        for app, request in ((one, "a"), (one, "b"), (two, "c")):
            await app.send("action.request", {"name": "sendMessage", "data": SEND, "idempotencyKey": "k"}, request)
        await one.send(
            "action.request", {"name": "sendMessage", "data": SEND | {"content": "x"}, "idempotencyKey": "k"}, "payload"
        )
        await one.send("action.request", {"name": "kickMember", "data": KICK, "idempotencyKey": "k"}, "action")
        reused = await answers(one, 2)
        for refused in reused.values():
            assert refused["error"]["code"] == "INVALID_REQUEST"
            assert refused["error"]["details"]["reason"] == "idempotency_key_reused"
        await soon(lambda: bool(channel.acted))
        gate.open.set()
        assert {name: one_answer["data"] for name, one_answer in (await answers(one, 2)).items()} == {
            "a": {"done": "sendMessage"},
            "b": {"done": "sendMessage"},
        }
        # Another connection of the same secret shares the key, also when it comes later; another secret does not.
        assert (await answers(two, 1))["c"]["data"] == {"done": "sendMessage"}
        again = await two.act("sendMessage", SEND | {}, "later", idempotencyKey="k")
        assert again["data"] == {"done": "sendMessage"}
        assert len(channel.acted) == 1
        async with rig.app(secret="another-secret-0002") as stranger:
            assert (await stranger.act("kickMember", KICK, idempotencyKey="k"))["ok"]
        assert len(channel.acted) == 2
        assert channel.acted[0][2] != channel.acted[1][2]

        told = rows(rig)
        assert sorted(told) == [
            ("a", "ok", ""),
            ("action", "failed", "INVALID_REQUEST"),
            ("b", "ok", ""),
            ("c", "ok", ""),
            ("later", "ok", ""),
            ("payload", "failed", "INVALID_REQUEST"),
            ("r1", "ok", ""),
        ]
        assert [row.get("repeat") for row in rig.audit if row.get("requestId") in ("a", "b", "c")].count(True) == 2
        assert "private" not in str(rig.audit)


async def test_failures_free_the_key_and_a_success_is_kept_for_two_minutes(tmp_path: Path) -> None:
    clock, outcomes = ManualClock(), iter([ActionRefused("FORBIDDEN", "no"), RateLimited("slow down", retry_after=2.5)])

    async def fail_twice(action: str, params: Mapping[str, Any], key: str) -> Any:
        for error in outcomes:
            raise error
        return {"n": len(channel.acted)}

    channel = PretendChannel(act_with=fail_twice)
    async with running_bridge(tmp_path, channel=channel, clock=clock) as rig, rig.app() as app:
        first = await app.act("sendMessage", SEND, "1", idempotencyKey="k")
        assert first["error"]["code"] == "FORBIDDEN"
        second = await app.act("sendMessage", SEND, "2", idempotencyKey="k")
        assert second["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert second["error"]["details"] == {"retryable": True, "retryAfterMs": 2500}
        for request in "34":
            assert (await app.act("sendMessage", SEND, request, idempotencyKey="k"))["data"] == {"n": 3}
        clock.set_now(clock.now() + 119)
        assert (await app.act("sendMessage", SEND, "5", idempotencyKey="k"))["data"] == {"n": 3}
        clock.set_now(clock.now() + 2)
        assert (await app.act("sendMessage", SEND, "6", idempotencyKey="k"))["data"] == {"n": 4}
        assert len(rows(rig)) == 6


@pytest.mark.parametrize(
    ("request_data", "code"),
    [
        ({"name": "sendMessage", "data": {"channelId": 7}}, "INVALID_REQUEST"),
        ({"name": "sendMessage", "data": {"channelId": "10", "contents": "typo"}}, "INVALID_REQUEST"),
        ({"name": "sendMessage"}, "INVALID_REQUEST"),
        ({"name": "sendMessage", "data": None}, "INVALID_REQUEST"),
        ({"name": "timeoutMember", "data": KICK | {"durationMs": 0}}, "INVALID_REQUEST"),
        ({"name": "timeoutMember", "data": KICK | {"durationMs": 2_419_200_001}}, "INVALID_REQUEST"),
        ({"name": "nothing", "data": {}}, "FORBIDDEN"),
        ({"name": "runRaw", "data": {"method": "channels.fetch"}}, "FORBIDDEN"),
        ({"name": "banMember", "data": KICK}, "FORBIDDEN"),
        ({"name": "sendMessage", "data": SEND, "idempotencyKey": ""}, "INVALID_REQUEST"),
        ({"name": "sendMessage", "data": SEND, "idempotencyKey": "k" * 257}, "INVALID_REQUEST"),
        ({"name": "sendMessage", "data": SEND | {"embeds": [{"x": 10**40}]}, "idempotencyKey": "k"}, "INVALID_REQUEST"),
    ],
)
async def test_requests_that_never_reach_the_channel(tmp_path: Path, request_data: dict[str, Any], code: str) -> None:
    secret = entry(actions=["sendMessage", "timeoutMember", "runRaw"])
    async with running_bridge(tmp_path, secret) as rig, rig.app() as app:
        await app.send("action.request", request_data, "r")
        assert (await answers(app, 1))["r"]["error"]["code"] == code
        assert not rig.channel.acted
        assert rows(rig) == [("r", "failed", code)]


async def test_data_nested_beyond_reason_is_refused_and_cheap(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app() as app:
        for depth in (300, 900):
            nested = "[" * depth + "]" * depth
            asked = json.dumps({"name": "sendMessage", "data": SEND | {"embeds": ["HERE"]}, "idempotencyKey": "k"})
            payload = asked.replace('"HERE"', nested)
            frame = f'{{"v":2,"type":"action.request","requestId":"r{depth}","payload":{payload}}}'
            await app.socket.send_str(frame)
            assert (await answers(app, 1))[f"r{depth}"]["error"]["code"] == "INVALID_REQUEST"
        assert not rig.channel.acted


@pytest.mark.parametrize("payload", [{"name": 7}, {"data": {}}, None, [], {"name": "x", "idempotencyKey": 7}])
async def test_a_request_of_the_wrong_shape_closes(tmp_path: Path, payload: Any) -> None:
    async with running_bridge(tmp_path) as rig, rig.app() as app, rig.app() as other:
        await app.send("action.request", payload, "r")
        assert await app.closed() == 4004
        assert (await other.act("sendMessage", SEND))["ok"]


async def test_deadlines_before_during_and_after(tmp_path: Path) -> None:
    """By a clock that stands still nothing is late before it has begun; then the deadline is the event loop's."""
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with running_bridge(tmp_path, channel=channel, clock=ManualClock()) as rig, rig.app(version=3) as app:
        before = await app.act("sendMessage", SEND, "before", timeoutMs=0)
        assert before["error"]["code"] == "TIMEOUT"
        assert not channel.acted
        during = await app.act("kickMember", KICK, "during", timeoutMs=50)
        assert (during["error"]["code"], during["error"]["details"]) == ("TIMEOUT", {"unknown": True})
        assert gate.cut == ["kickMember"]
        # A repeat has a deadline of its own, and does not cut the first short.
        await app.send(
            "action.request", {"name": "sendMessage", "data": SEND, "idempotencyKey": "k", "timeoutMs": 90_000}, "first"
        )
        joined = await app.act("sendMessage", SEND, "joined", idempotencyKey="k", timeoutMs=50)
        assert joined["error"]["code"] == "TIMEOUT"
        gate.open.set()
        assert (await answers(app, 1))["first"]["ok"]
        after = await app.act("sendMessage", SEND, "after", idempotencyKey="k", timeoutMs=0)
        assert after["ok"], "it was done already: the answer is known"
        assert len(channel.acted) == 2
        assert sorted(rows(rig)) == [
            ("after", "ok", ""),
            ("before", "failed", "TIMEOUT"),
            ("during", "failed", "TIMEOUT"),
            ("first", "ok", ""),
            ("joined", "failed", "TIMEOUT"),
        ]


async def test_an_action_that_may_have_been_done_is_not_done_again_under_its_key(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with running_bridge(tmp_path, channel=channel, clock=ManualClock()) as rig, rig.app(version=3) as app:
        data = {"guildId": "7", "name": "lobby"}
        assert not rig.catalogue.actions["createChannel"].repeatable
        await app.act("createChannel", data, "1", idempotencyKey="k", timeoutMs=50)
        again = await app.act("createChannel", data, "2", idempotencyKey="k")
        assert again["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert again["error"]["details"] == {"retryable": False, "unknown": True}
        assert len(channel.acted) == 1


async def test_cancelling_before_within_and_twice(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with (
        running_bridge(tmp_path, channel=channel, concurrent=1) as rig,
        rig.app(version=3) as app,
        rig.app(version=3) as other,
    ):
        # Close together, so that the cancel may be there before the action had its first step.
        for number in range(3):
            await app.send("action.request", {"name": "sendMessage", "data": SEND}, f"now{number}")
            await app.send("action.cancel", {"requestId": f"now{number}"})
            await app.send("action.cancel", {"requestId": f"now{number}"})
        assert {one["error"]["code"] for one in (await answers(app, 3)).values()} == {"TIMEOUT"}

        await app.send("action.request", {"name": "sendMessage", "data": SEND}, "runs")
        await app.send("action.request", {"name": "kickMember", "data": KICK}, "waits")
        await app.send("action.cancel", {"requestId": "waits"})
        await other.send("action.cancel", {"requestId": "runs"})  # not his
        assert (await answers(app, 1))["waits"]["error"]["code"] == "TIMEOUT"
        await other.settled()
        assert rig.bridge.desk.running == 1
        await app.send("action.cancel", {"requestId": "runs"})
        assert (await answers(app, 1))["runs"]["error"]["details"] == {"unknown": True}
        assert (rig.bridge.desk.running, rig.bridge.desk.waiting) == (0, 0)
        gate.open.set()
        assert (await app.act("sendMessage", SEND))["ok"]
        assert all(name == "sendMessage" for name, _, _ in channel.acted)
        assert len(rows(rig)) == 6


async def test_one_request_id_used_twice_is_answered_twice_and_drains(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with running_bridge(tmp_path, channel=channel) as rig, rig.app() as app:
        for _ in range(2):
            await app.send("action.request", {"name": "sendMessage", "data": SEND}, "same")
        await soon(lambda: len(channel.acted) == 2)
        draining = asyncio.create_task(rig.bridge.drain(60.0))
        await soon(lambda: rig.bridge.draining)
        assert not draining.done()
        gate.open.set()
        assert await draining is True
        assert [(await app.expect("action.result"))["requestId"] for _ in range(2)] == ["same", "same"]
        assert await app.closed() == 1012


async def test_a_crash_inside_the_bot_is_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def crash(action: str, params: Mapping[str, Any], key: str) -> Any:
        raise KeyError(params["content"])

    channel = PretendChannel(act_with=crash)
    async with running_bridge(tmp_path, channel=channel, concurrent=1) as rig, rig.app() as app:
        for request in ("1", "2"):
            answer = await app.act("sendMessage", SEND, request)
            assert answer["error"]["code"] == "INTERNAL_ERROR"
            assert answer["error"]["details"] == {"unknown": True}
        assert rig.bridge.desk.running == 0
        assert await rig.bridge.drain(1.0) is True
        assert [code for _, _, code in rows(rig)] == ["INTERNAL_ERROR"] * 2
        assert "private" not in str(answer) + caplog.text


async def test_a_drain_ends_what_runs_and_refuses_what_comes(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with (
        running_bridge(tmp_path, channel=channel, concurrent=1) as rig,
        rig.app(version=3) as app,
        rig.app() as old,
    ):
        await app.send("action.request", {"name": "sendMessage", "data": SEND}, "runs")
        await app.send("action.request", {"name": "sendMessage", "data": SEND}, "waits")
        await app.settled()
        draining = asyncio.create_task(rig.bridge.drain(60.0))
        waits = (await answers(app, 1))["waits"]
        assert waits["error"]["details"]["retryable"] is True
        refused = await app.act("sendMessage", SEND, "late")
        assert refused["error"]["code"] == "SERVICE_UNAVAILABLE"
        async with rig.app(secret=None) as newcomer:
            assert await newcomer.closed() == 1012
        assert not draining.done()
        draining.cancel()
        await asyncio.wait((draining,))
        # What is left takes too long: it is cut short, and said to be unknown.
        draining = asyncio.create_task(rig.bridge.drain(0.1))
        assert (await answers(app, 1))["runs"]["error"]["details"] == {"unknown": True}
        assert await draining is False
        assert gate.cut == ["sendMessage"]
        closing = (await app.expect("closing"))["payload"]
        assert closing["reason"] == "restart"
        assert await app.closed() == 1012
        assert await old.closed() == 1012
        assert len(rows(rig)) == 3


async def test_an_app_that_leaves_lets_go_of_what_waits_but_not_of_what_runs(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with running_bridge(tmp_path, channel=channel, concurrent=1) as rig:
        async with rig.app() as app:
            await app.send("action.request", {"name": "kickMember", "data": KICK}, "runs")
            await app.send("action.request", {"name": "sendMessage", "data": SEND}, "dropped")
            await app.send("action.request", {"name": "sendMessage", "data": SEND, "idempotencyKey": "k"}, "kept")
            await app.settled()
        await soon(lambda: not rig.bridge.apps)
        gate.open.set()
        await soon(lambda: len(rows(rig)) == 3)
        assert sorted(rows(rig)) == [("dropped", "failed", "DISCONNECTED"), ("kept", "ok", ""), ("runs", "ok", "")]
        async with rig.app() as app:
            assert (await app.act("sendMessage", SEND, idempotencyKey="k"))["ok"]
        assert [name for name, _, _ in channel.acted] == ["kickMember", "sendMessage"]


async def test_a_flooding_app_does_not_starve_a_calm_one(tmp_path: Path) -> None:
    order: list[str] = []

    async def slow(action: str, params: Mapping[str, Any], key: str) -> Any:
        order.append(params["content"])
        await asyncio.sleep(0)
        return {}

    channel = PretendChannel(act_with=slow)
    calm = entry("calm", value="calm-calm-calm-calm")
    async with (
        running_bridge(tmp_path, entry(), calm, channel=channel, concurrent=2) as rig,
        rig.app() as flood,
        rig.app(secret="calm-calm-calm-calm") as app,
    ):
        gate = Gate()
        channel.act_with = gate
        for number in range(400):
            await flood.send(
                "action.request", {"name": "sendMessage", "data": SEND | {"content": "flood"}}, str(number)
            )
        refused = await answers(flood, 400 - 2 - 256)
        assert {one["error"]["code"] for one in refused.values()} == {"SERVICE_UNAVAILABLE"}
        assert all(one["error"]["details"]["retryable"] for one in refused.values())
        await app.send("action.request", {"name": "sendMessage", "data": SEND | {"content": "calm"}}, "calm")
        await app.settled()
        channel.act_with = slow
        gate.open.set()
        assert (await answers(app, 1))["calm"]["ok"]
        assert order.index("calm") <= 2
        await answers(flood, 258)


async def test_a_turn_that_does_not_come_in_time(tmp_path: Path) -> None:
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    async with (
        running_bridge(tmp_path, channel=channel, concurrent=1, queue_seconds=0.1) as rig,
        rig.app() as app,
    ):
        await app.send("action.request", {"name": "sendMessage", "data": SEND}, "runs")
        waited = await app.act("sendMessage", SEND, "waits")
        assert waited["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert waited["error"]["details"] == {"retryable": True, "reason": "action_queue", "retryAfterMs": 1000}
        gate.open.set()
        assert (await answers(app, 1))["runs"]["ok"]


async def test_limits_of_a_secret(tmp_path: Path) -> None:
    limits = Limits(connections=2, actions_per_minute=3, concurrent_actions=1, subscriptions=2)
    gate = Gate()
    channel = PretendChannel(act_with=gate)
    free = entry("free", value="free-free-free-free")
    async with (
        running_bridge(tmp_path, entry(limits=limits), free, channel=channel, clock=ManualClock()) as rig,
        rig.app(version=3) as app,
        rig.app(),
    ):
        async with rig.app(secret=None) as third:
            await third.send("auth.hello", {"secret": "dashboard-secret-0001"})
            assert (await third.expect("auth.error"))["payload"]["reason"] == "invalid_secret"
            assert await third.closed() == 4029
        assert [row["outcome"] for row in rig.audit] == ["ok", "ok", "full"]
        told = await app.subscribe(*({"name": name} for name in ("ready", "messageCreate", "messageDelete")))
        assert [one["code"] for one in told["refused"]] == ["too_many_subscriptions"]
        for number in range(4):
            await app.send("action.request", {"name": "sendMessage", "data": SEND}, str(number))
        over = (await answers(app, 1))["3"]["error"]
        assert over["code"] == "SERVICE_UNAVAILABLE"
        assert 0 < over["details"]["retryAfterMs"] <= 20_000
        async with rig.app(secret="free-free-free-free") as other:
            await other.send("action.request", {"name": "kickMember", "data": KICK}, "o")
            await soon(lambda: len(channel.acted) == 2)
            assert rig.bridge.desk.running == 2, "one of the limited secret, one of the other"
            gate.open.set()
            assert (await answers(other, 1))["o"]["ok"]
        assert all(one["ok"] for one in (await answers(app, 3)).values())


async def test_actions_outside_of_a_secrets_places(tmp_path: Path) -> None:
    places = {
        "10": AppPlace(guild="7", channel="10"),
        "11": AppPlace(guild="7", channel="11", parent="10"),
        "12": AppPlace(guild="7", channel="12"),
        "20": AppPlace(guild="8", channel="20"),
        "30": AppPlace(channel="30"),
    }
    channel = PretendChannel(places=places)
    inside = entry(within=Within(guilds=frozenset({"7"}), channels=frozenset({"10", "20", "30"})))
    nowhere = entry("nowhere", value="nowhere-nowhere-nowhere", within=Within(guilds=frozenset()))
    async with running_bridge(tmp_path, inside, nowhere, channel=channel) as rig, rig.app() as app:
        for place, allowed in {"10": True, "11": True, "12": False, "20": False, "30": False, "99": False}.items():
            answer = await app.act("fetchChannel", {"channelId": place}, place)
            assert answer["ok"] is allowed, place
            if not allowed:
                assert answer["error"]["code"] == "FORBIDDEN"
        async with rig.app(secret="nowhere-nowhere-nowhere") as shut:
            assert (await shut.act("fetchChannel", {"channelId": "10"}))["error"]["code"] == "FORBIDDEN"
        assert [params["channelId"] for _, params, _ in channel.acted] == ["10", "11"]


async def test_keys_are_in_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await journal.open()
    try:
        async with running_bridge(tmp_path, journal=journal, clock=SystemClock()) as rig, rig.app() as app:
            assert (await app.act("sendMessage", SEND, idempotencyKey="k"))["ok"]
        channel = PretendChannel()
        async with running_bridge(tmp_path, journal=journal, channel=channel) as rig, rig.app() as app:
            again = await app.act("sendMessage", SEND, idempotencyKey="k")
            assert again["data"]["did"] == "sendMessage"
            assert not channel.acted, "a restart does not forget what was done"
            reused = await app.act("kickMember", KICK, idempotencyKey="k")
            assert reused["error"]["details"]["reason"] == "idempotency_key_reused"
    finally:
        await journal.aclose()


async def test_an_action_that_runs_when_a_drain_is_cut_short_is_noted_and_ends(tmp_path: Path) -> None:
    gate = Gate()
    journal = Journal(tmp_path / "journal.sqlite", synchronous="NORMAL", meter=PrometheusMeter())
    await journal.open()
    async with (
        running_bridge(tmp_path, channel=PretendChannel(act_with=gate), journal=journal) as rig,
        rig.app() as app,
    ):
        keyed = {"name": "sendMessage", "data": SEND, "idempotencyKey": "k1"}
        await app.send("action.request", keyed, "runs")
        await soon(lambda: bool(rig.channel.acted))
        draining = asyncio.create_task(rig.bridge.drain(60.0))
        await soon(lambda: rig.bridge.draining)
        draining.cancel()  # what a second signal does
        await asyncio.wait((draining,))
    await journal.aclose()
    assert gate.cut == ["sendMessage"]
    # Its last word in the journal may have taken longer than the bridge waited for it.
    await soon(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "bridge-action"])
    assert [(request, code) for request, _, code in rows(rig)] == [("runs", "TIMEOUT")]
