"""Readers that stop, dead lines, floods, limits of place, restarts: what an app then gets, and its neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phantom.bridge.connection import MAX_OUT
from phantom.bridge.grants import Within
from phantom.bridge.replay import Bounds
from phantom.bridge.websocket import BURST, FRAME_SIZE
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import Closed, PretendChannel, RawApp, Rig, entry, running_bridge, soon

BULK = "x" * 60_000


def tell(rig: Rig, number: int, filler: str = "") -> None:
    """Publish one message."""
    message = {"message": {"id": str(number), "channelId": "10", "guildId": "7", "content": filler}}
    rig.channel.tell("messageCreate", message, guildId="7", channelId="10", messageId=str(number))


def seen(frame: Mapping[str, Any]) -> int:
    """Which message an event is."""
    return int(frame["payload"]["data"]["message"]["id"])


async def events(app: RawApp, until: int) -> list[int]:
    """The messages that come, up to this one."""
    found: list[int] = []
    while not found or found[-1] != until:
        frame = await app.read()
        if frame["type"] in ("event", "discord.event"):
            found.append(seen(frame))
    return found


async def heard(app: RawApp) -> list[dict[str, Any]]:
    """Every frame until the bridge closes."""
    frames = []
    with contextlib.suppress(Closed):
        while True:
            frames.append(await app.read())
    return frames


async def test_a_reader_that_stops_is_told_cut_and_comes_back(tmp_path: Path) -> None:
    bounds = Bounds(size=64 << 20)
    async with running_bridge(tmp_path, bounds=bounds) as rig, rig.app() as calm, rig.app(version=3) as stuck:
        await calm.subscribe({"name": "messageCreate"})
        await stuck.subscribe({"name": "messageCreate"})
        [reader] = [one for one in rig.bridge.apps if one.version == 2]
        [victim] = [one for one in rig.bridge.apps if one.version == 3]
        reading = asyncio.create_task(events(calm, 599))

        async def publish(number: int) -> None:
            tell(rig, number, BULK)
            await asyncio.sleep(0)
            await soon(lambda: reader.wire.waiting() < MAX_OUT // 8)  # no faster than who reads can read

        number, most = 0, 0
        while not rig.bridge.slow_cut:
            await publish(number)
            number, most = number + 1, max(most, victim.wire.waiting())
        assert MAX_OUT // 2 < most < MAX_OUT + 200_000, "memory for one app is bounded"
        # Read at once: what the bridge still has for it is thrown away a few seconds after the goodbye.
        frames = await heard(stuck)
        assert stuck.socket.close_code == 4008
        assert "slow" in {frame["type"] for frame in frames}
        told = [frame for frame in frames if frame["type"] == "event"]
        got, last = [seen(frame) for frame in told], told[-1]["payload"]["seq"]
        assert len(got) <= number < 400, "more than a connection's bound is still to come"
        for one in range(number, 600):
            await publish(one)
        assert await reading == list(range(600)), "the others have everything"
        assert rig.bridge.slow_cut == 1

        # More than a connection's bound is missing: it comes in pieces, while life goes on.
        async with rig.app(version=3) as back:
            resume = {"stream": back.welcome["stream"], "seq": last}
            await back.send("subscribe", {"subscriptions": [{"name": "messageCreate"}], "resume": resume}, "s")
            await soon(lambda: bool(rig.bridge.fanout._behind))
            tell(rig, 600)
            got += await events(back, 600)
            tell(rig, 601)
            got += await events(back, 601)
            assert got == list(range(602)), "nothing lost, nothing twice, in order"
        assert rig.bridge.slow_cut == 1
        assert not rig.bridge.fanout._behind


async def test_subscribe_is_acknowledged_when_all_of_it_was_sent_again(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, bounds=Bounds(events=50)) as rig, rig.app(version=3) as keeper:
        await keeper.subscribe({"name": "messageCreate", "filter": {"guildId": "9"}})
        for number in range(60):
            tell(rig, number)
        stream = keeper.welcome["stream"]
        for resume, reason, first in (
            ({"stream": stream, "seq": 40}, None, 40),
            ({"stream": stream, "seq": 9}, "replay_exceeded", 10),
            ({"stream": stream, "seq": 61}, "stream_changed", 10),
            ({"stream": "another", "seq": 5}, "stream_changed", 10),
        ):
            async with rig.app(version=3) as app:
                await app.send("subscribe", {"subscriptions": [{"name": "messageCreate"}], "resume": resume}, "s")
                if reason is not None:
                    gap = (await app.expect("gap"))["payload"]
                    assert (gap["reason"], gap["to"], gap["seq"]) == (reason, 10, 10)
                got = [seen(await app.expect("event")) for _ in range(first, 60)]
                assert got == list(range(first, 60))
                told = (await app.expect("subscribe.ok"))["payload"]
                assert (told["replayed"], told["seq"]) == (60 - first, 60)


@pytest.mark.parametrize("version", [2, 3])
async def test_a_client_that_never_answers_is_cut_after_two_misses(tmp_path: Path, version: int) -> None:
    clock = ManualClock()
    async with (
        running_bridge(tmp_path, clock=clock) as rig,
        rig.app(version=version) as silent,
        rig.app(version=version) as app,
    ):
        clock.set_now(clock.now() + 100_000)  # a clock that is set right is no silence
        await clock.run_for(1.5)
        assert len(rig.bridge.apps) == 2
        for _ in range(3):
            await clock.run_for(30.0)
            await app.expect("ping")
            await app.send("pong", {})
            await app.settled()
        assert await silent.closed() == 1006
        await soon(lambda: len(rig.bridge.apps) == 1)
        assert "bridge_disconnects_total" in rig.meter.render().decode()


async def test_floods_of_subscriptions(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app(version=3) as app, rig.app(version=3) as other:
        for start in (0, 700):
            told = await app.subscribe(
                *({"name": "typingStart", "filter": {"userId": str(user)}} for user in range(start, start + 700))
            )
        assert (told["subscribed"], len(told["refused"])) == (1000, 400)
        assert {one["code"] for one in told["refused"]} == {"too_many_subscriptions"}
        values = [str(value) for value in range(200)]
        for start in range(0, 120, 40):
            wanted = ({"guildId": values, "userId": str(user)} for user in range(start, start + 40))
            told = await other.subscribe(*({"name": "typingStart", "filter": one} for one in wanted))
        assert (told["subscribed"], told["refused"][0]["code"]) == (99, "too_many_subscriptions")
        await other.send("subscribe", {"subscriptions": [7] * 1001})
        assert await other.closed() == 4004
        await soon(lambda: len(rig.bridge.apps) == 1)
        await app.send("unsubscribe", {"subscriptions": [{"name": "typingStart", "filter": {"userId": "5"}}]}, "u")
        await app.expect("unsubscribe.ok")
        rig.channel.tell("typingStart", {}, userId="5", guildId="7")
        rig.channel.tell("typingStart", {}, userId="6", guildId="7")
        assert (await app.expect("event"))["payload"]["facts"]["userId"] == "6"


async def test_a_flood_of_large_frames_is_slowed_down_alone(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_bridge(tmp_path, clock=clock) as rig, rig.app() as flood, rig.app() as app:
        frame = f'{{"v":2,"type":"ping","payload":{json.dumps([{"a": [1]}] * 5000)}}}'
        at_once, answered = int(BURST) // (1 + len(frame) // FRAME_SIZE) + 1, 0
        assert at_once < 400

        async def pour() -> None:
            for _ in range(500):
                await flood.socket.send_str(frame)

        async def hear() -> None:
            nonlocal answered
            while answered < 500:
                await flood.expect("pong")
                answered += 1

        await clock.wait_for_sleepers(1)  # the bridge's tick
        async with asyncio.TaskGroup() as both:
            both.create_task(pour())
            both.create_task(hear())
            rounds = 0
            while clock.sleeping < 2:
                await app.settled()
                rounds += 1
            assert rounds > 2, "its frames are not read all at once"
            for _ in range(50):
                await app.settled()
            assert answered <= at_once, "nothing more is read of it, and the others are answered"
            while answered < 500:
                await clock.run_for(1.0)
                await app.settled()


async def test_events_outside_of_a_secrets_places(tmp_path: Path) -> None:
    channels = entry(within=Within(channels=frozenset({"10"})))
    guilds = entry("guilds", value="guilds-guilds-guilds", within=Within(guilds=frozenset({"7"})))
    nowhere = entry("nowhere", value="nowhere-nowhere-nowhere", within=Within(channels=frozenset()))

    def publish(rig: Rig) -> None:
        rig.channel.tell("messageCreate", {"n": "direct"}, channelId="30", messageId="1")
        rig.channel.tell("messageCreate", {"n": "other guild"}, guildId="8", channelId="80", messageId="2")
        rig.channel.tell("messageCreate", {"n": "other channel"}, guildId="7", channelId="11", messageId="3")
        rig.channel.tell(
            "messageCreate", {"n": "thread"}, guildId="7", channelId="12", parentChannelId="10", threadId="12"
        )
        rig.channel.tell("guildUpdate", {"n": "guild"}, guildId="7")
        rig.channel.tell("messageCreate", {"n": "inside"}, guildId="7", channelId="10", messageId="4")
        rig.channel.tell("ready", {"n": "ready"})

    async with running_bridge(tmp_path, channels, guilds, nowhere) as rig:
        wanted = [{"name": name} for name in ("messageCreate", "guildUpdate", "ready")]
        for version in (2, 3):
            for secret, expected in (
                ("dashboard-secret-0001", ["thread", "inside", "ready"]),
                ("guilds-guilds-guilds", ["other channel", "thread", "guild", "inside", "ready"]),
                ("nowhere-nowhere-nowhere", ["ready"]),
            ):
                async with rig.app(version=version, secret=secret) as app:
                    await app.send("subscribe", {"subscriptions": wanted}, "s")
                    await app.settled_past("ready") if version == 2 else await app.settled_past("subscribe.ok", "ready")
                    publish(rig)
                    live = [(await app.read())["payload"]["data"]["n"] for _ in expected]
                    assert live == expected
                    if version == 3:
                        await app.settled()
        # What was missed is no wider.
        async with rig.app(version=3) as app:
            resume = {"stream": app.welcome["stream"], "seq": 0}
            await app.send("subscribe", {"subscriptions": wanted, "resume": resume}, "s")
            frames = []
            while (frame := await app.read())["type"] != "subscribe.ok":
                frames.append(frame["payload"]["data"]["n"])
            assert set(frames) == {"thread", "inside", "ready"}


async def test_events_that_json_does_not_like_cross_as_far_as_they_can(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app(version=3) as app:
        await app.subscribe({"name": "messageCreate"})
        rig.channel.tell("messageCreate", {"text": "half \ud83d a pair", "big": 10**30}, channelId="\ud83d")
        event = (await app.expect("event"))["payload"]
        assert event["data"] == {"text": "half ? a pair", "big": 10**30}
        rig.channel.tell("messageCreate", {"text": object()}, channelId="1")
        assert (await app.expect("gap"))["payload"]["reason"] == "source_interrupted"
        rig.channel.tell("messageCreate", {"text": "fine"}, channelId="1")
        assert (await app.expect("event"))["payload"]["data"] == {"text": "fine"}


async def test_two_restarts_in_a_row_keep_the_number_line(tmp_path: Path) -> None:
    stream, last = "", 0
    for run in range(3):
        async with running_bridge(tmp_path, channel=PretendChannel()) as rig, rig.app(version=3) as app:
            assert app.welcome["stream"] == (stream or app.welcome["stream"])
            resume = {"resume": {"stream": stream, "seq": last}} if run else {}
            await app.send("subscribe", {"subscriptions": [{"name": "messageCreate"}], **resume}, "s")
            if run:
                assert seen(await app.expect("event")) == run * 10 - 1, "told after the app had gone"
            told = (await app.expect("subscribe.ok"))["payload"]
            assert told["replayed"] == (1 if run else 0)
            tell(rig, run)
            stream, last = app.welcome["stream"], (await app.expect("event"))["payload"]["seq"]
            assert last == run * 2 + 1
            await app.socket.close()
            await soon(lambda rig=rig: not rig.bridge.apps)  # type: ignore[misc]
            tell(rig, run * 10 + 9)


async def test_a_disk_that_is_full_costs_the_resuming_over_a_restart_and_nothing_else(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app(version=3) as app:
        await app.subscribe({"name": "messageCreate"})
        tell(rig, 1)
        stream = app.welcome["stream"]
        assert seen(await app.expect("event")) == 1
        full = os.open("/dev/full", os.O_WRONLY)  # every write to it fails as on a full disk
        os.dup2(full, rig.bridge.fanout.replay._file)
        os.close(full)
        for number in (2, 3):
            tell(rig, number)
            assert seen(await app.expect("event")) == number
        async with rig.app(version=3) as again:
            await again.send(
                "subscribe",
                {"subscriptions": [{"name": "messageCreate"}], "resume": {"stream": stream, "seq": 1}},
                "s",
            )
            assert [seen(await again.expect("event")) for _ in range(2)] == [2, 3]
    async with running_bridge(tmp_path) as rig, rig.app(version=3) as app:
        assert app.welcome["stream"] != stream
        await app.send(
            "subscribe", {"subscriptions": [{"name": "messageCreate"}], "resume": {"stream": stream, "seq": 3}}, "s"
        )
        assert (await app.expect("gap"))["payload"]["reason"] == "stream_changed"
