"""The Python client when its handlers are slow, end late, or the app is ended: nothing is lost, nothing is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phantom.bridge.client import BridgeApp, Event, Gap, SecretRefused, StrictStartRefused, Timing
from phantom.bridge.client_handlers import LINE
from phantom.bridge.manifest import Manifest
from phantom.bridge.replay import Bounds
from tests.scenario.bridge_kit import SECRET, PretendChannel, Rig, echo, entry, running_bridge, soon

QUICK = Timing(first_delay=0.05, longest_delay=0.2, action=30.0)
WITHIN = 30.0
"""Seconds for what takes a few milliseconds."""


async def subscribed(rig: Rig, count: int) -> None:
    """Wait until the bridge has the one app's subscriptions: the app is ready as soon as it has sent them."""
    await soon(lambda: [len(app.filters) for app in rig.bridge.apps] == [count])


async def test_a_handler_that_falls_behind_still_gets_answers_and_every_event(tmp_path: Path) -> None:
    release, numbers = asyncio.Event(), list[int]()
    total = LINE * 5 // 2
    async with running_bridge(tmp_path) as rig, BridgeApp(rig.url(), SECRET, timing=QUICK) as app:

        async def slow(event: Event) -> None:
            if not numbers:
                await release.wait()
                answer: Any = await app.actions.send_message(channel_id="10", content="late")
                assert answer["did"] == "sendMessage"
            numbers.append(event.data["n"])

        app.on("messageCreate", slow)
        await app.ready(timeout=WITHIN)
        await subscribed(rig, 1)
        for number in range(total):
            rig.channel.tell("messageCreate", {"n": number})
        await soon(lambda: not rig.bridge.apps[0].filters)  # it has asked for no more
        assert app.connected
        assert app.position is not None
        assert app.position[1] == 0
        release.set()
        await soon(lambda: len(numbers) == total)
        assert numbers == list(range(total))
        await soon(lambda: app.position is not None and app.position[1] == total)


async def test_a_handler_that_falls_behind_while_it_catches_up_gets_each_event_once(tmp_path: Path) -> None:
    gate, numbers, gaps = asyncio.Event(), list[int](), list[Gap]()
    total = LINE * 8

    async def slow(event: Event) -> None:
        if len(numbers) == LINE // 4:
            await gate.wait()
        numbers.append(event.data["n"])

    async with running_bridge(tmp_path, bounds=Bounds(events=2 * total)) as rig:
        async with rig.app(version=3) as keeper:
            await keeper.subscribe({"name": "messageDelete"})
            for number in range(total):
                rig.channel.tell("messageCreate", {"n": number})
        stream = rig.bridge.fanout.replay.stream
        async with BridgeApp(rig.url(), SECRET, timing=QUICK, resume_from=(stream, 0)) as app:
            app.on("messageCreate", slow)
            app.on_gap(gaps.append)
            await app.ready(timeout=WITHIN)
            await soon(lambda: len(numbers) == LINE // 4)  # it stands before the gate
            await subscribed(rig, 0)  # and has asked for no more
            rig.channel.tell("messageCreate", {"n": total})
            gate.set()
            await soon(lambda: len(numbers) > total)
            assert numbers == list(range(total + 1))
            assert not gaps


async def test_a_line_is_told_no_further_than_it_was_sent(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, bounds=Bounds(events=20_000)) as rig:
        async with rig.app(version=3) as keeper:
            await keeper.subscribe({"name": "messageDelete"})
            for number in range(10_000):
                rig.channel.tell("messageCreate", {"n": number})
        async with rig.app(version=3) as app:
            resume = {"stream": app.welcome["stream"], "seq": 0}
            await app.send("subscribe", {"subscriptions": [{"name": "messageCreate"}], "resume": resume}, "a")
            await app.send("unsubscribe", {"subscriptions": [{"name": "messageCreate"}]}, "b")
            last, told = 0, None
            while told is None:
                frame = await app.read()
                if frame["type"] == "event":
                    last = frame["payload"]["seq"]
                elif frame["type"] == "unsubscribe.ok":
                    told = frame["payload"]["seq"]
            assert told == last < 10_000
            assert (await app.expect("subscribe.ok"))["payload"]["replayed"] == last


async def test_the_position_waits_for_the_slowest_handler(tmp_path: Path) -> None:
    release, quick = asyncio.Event(), asyncio.Event()

    async def slow(event: Event) -> None:
        await release.wait()

    async with running_bridge(tmp_path) as rig:
        async with BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
            app.on("messageCreate", slow)
            app.on("messageDelete", lambda event: quick.set())
            await app.ready(timeout=WITHIN)
            await subscribed(rig, 2)
            rig.channel.tell("messageCreate", {"n": 1})
            rig.channel.tell("messageDelete", {"n": 2})
            await asyncio.wait_for(quick.wait(), WITHIN)
            position = app.position
        assert position == (rig.bridge.fanout.replay.stream, 0)
        seen: list[int] = []
        async with BridgeApp(rig.url(), SECRET, timing=QUICK, resume_from=position) as again:
            again.on(("messageCreate", "messageDelete"), lambda event: seen.append(event.data["n"]))
            await again.ready(timeout=WITHIN)
            await soon(lambda: seen == [1, 2])


async def test_a_close_with_grace_lets_handlers_finish(tmp_path: Path) -> None:
    release, heard, done = asyncio.Event(), list[Event](), list[Any]()

    async def late(action: str, params: Mapping[str, Any], key: str) -> Any:
        await release.wait()
        return await echo(action, params, key)

    async with running_bridge(tmp_path, channel=PretendChannel(act_with=late)) as rig:
        app = BridgeApp(rig.url(), SECRET, timing=QUICK)

        async def act(event: Event) -> None:
            done.append(await app.actions.send_message(channel_id="10", content="bye"))

        app.on("messageCreate", act)
        app.on("messageCreate", heard.append)
        await app.ready(timeout=WITHIN)
        await subscribed(rig, 1)
        for number in range(5):
            rig.channel.tell("messageCreate", {"n": number})
        await soon(lambda: len(heard) == 5)  # what has not arrived by then is not worked off any more
        closing = asyncio.create_task(app.close(grace=WITHIN))
        await soon(lambda: bool(rig.channel.acted))
        assert not done
        release.set()
        await closing
        assert len(done) == 5
        assert app.position == (rig.bridge.fanout.replay.stream, 5)


async def test_a_gap_handler_may_act(tmp_path: Path) -> None:
    fetched: list[Any] = []
    async with (
        running_bridge(tmp_path) as rig,
        BridgeApp(rig.url(), SECRET, timing=QUICK, resume_from=("another", 3)) as app,
    ):

        async def anew(gap: Gap) -> None:
            fetched.append(await app.actions.fetch_channel(channel_id="10"))

        app.on("messageCreate", lambda event: None)
        app.on_gap(anew)
        await app.ready(timeout=WITHIN)
        await soon(lambda: bool(fetched))


async def test_until_tells_why_the_bridge_ended_it(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, entry(events=["messageCreate"])) as rig:
        async with BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
            app.on("messageCreate", lambda event: None)
            await app.ready(strict=True, manifest=Manifest(name="m", events=("messageCreate",)), timeout=WITHIN)
            stop = asyncio.Event()
            waiting = asyncio.ensure_future(app.until(stop))
            rig.channel.intents = frozenset()
            rig.bridge.apps[0].cut("test")
            with pytest.raises(StrictStartRefused):
                await asyncio.wait_for(waiting, WITHIN)
        async with BridgeApp(rig.url(), "not-the-right-secret", timing=QUICK) as other:
            with pytest.raises(SecretRefused):
                await asyncio.wait_for(other.until(stop), WITHIN)
        async with BridgeApp(rig.url(), SECRET, timing=QUICK) as third:
            await third.ready(timeout=WITHIN)
            stop.set()
            await asyncio.wait_for(third.until(stop), WITHIN)
