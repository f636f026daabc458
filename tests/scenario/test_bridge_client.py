"""The Python client against a real bridge: over a socket, over lost connections, and in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phantom.bridge.client import (
    ActionFailed,
    BridgeApp,
    BridgeUnavailable,
    Event,
    Gap,
    SecretRefused,
    StrictStartRefused,
    Timing,
)
from phantom.bridge.diagnosis import MISSING_ACTION_CAPABILITY, MISSING_INTENT, SCOPE_BROADER_THAN_EXPECTED
from phantom.bridge.grants import Allow
from phantom.bridge.manifest import Manifest
from phantom.bridge.replay import Bounds
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import ALL_INTENTS, SECRET, PretendChannel, Rig, entry, running_bridge, soon

QUICK = Timing(first_delay=0.05, longest_delay=0.2, action=20.0)
WITHIN = 20.0
"""Seconds until an app is connected, or knows that it never will be; it takes a few milliseconds."""
MESSAGE: dict[str, Any] = {"message": {"id": "1", "channelId": "10", "content": "hi"}}


class Seen:
    """Collects events and gaps."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.gaps: list[Gap] = []

    async def event(self, event: Event) -> None:
        self.events.append(event)

    def gap(self, gap: Gap) -> None:
        self.gaps.append(gap)


async def subscribed(rig: Rig, count: int = 1) -> None:
    """Wait until the bridge has the one app's subscriptions. An app is ready as soon as it has sent them; and what the
    bridge builds says nothing, as it builds everything for whoever may come back.
    """
    await soon(lambda: [len(app.filters) for app in rig.bridge.apps] == [count])


@pytest.mark.parametrize("inside", [False, True])
async def test_events_filters_and_typed_actions(tmp_path: Path, inside: bool) -> None:
    seen, filtered = Seen(), Seen()
    async with running_bridge(tmp_path) as rig:
        app = (
            BridgeApp.inside(rig.bridge, SECRET, app_name="board")
            if inside
            else BridgeApp(rig.url("/bridge"), SECRET, app_name="board", timing=QUICK)
        )
        async with app:
            app.on("messageCreate")(seen.event)
            app.on("messageCreate", filtered.event, filter={"guildId": ["8", "9"]})
            granted = await app.ready(timeout=WITHIN)
            assert "messageCreate" in granted.events
            await subscribed(rig, 2)
            rig.channel.tell("messageCreate", MESSAGE, guildId="7")
            rig.channel.tell("messageCreate", MESSAGE, guildId="8")
            await soon(lambda: len(seen.events) == 2 and len(filtered.events) == 1)
            answer: Any = await app.actions.send_message(channel_id="10", content="hello")
            assert answer["params"] == {"channelId": "10", "content": "hello"}
            with pytest.raises(ActionFailed) as refused:
                await app.actions.send_message(channel_id="ten", content="hello")
            assert refused.value.bridge_code == "INVALID_REQUEST"
            assert app.explain("messageCreate").allowed
            assert not app.explain("nonsense").allowed
        assert not app.connected


async def test_a_handler_that_raises_ends_nothing(tmp_path: Path) -> None:
    seen = Seen()

    def broken(event: Event) -> None:
        raise RuntimeError("the app's own bug")

    async with running_bridge(tmp_path) as rig, BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
        app.on("messageCreate", broken)
        app.on("messageCreate", seen.event)
        await app.ready(timeout=WITHIN)
        await subscribed(rig)
        rig.channel.tell("messageCreate", MESSAGE)
        rig.channel.tell("messageCreate", MESSAGE)
        await soon(lambda: len(seen.events) == 2)


async def test_a_refused_secret_is_not_tried_again(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, BridgeApp(rig.url(), "wrong-wrong-wrong", timing=QUICK) as app:
        with pytest.raises(SecretRefused) as refused:
            await app.ready(timeout=WITHIN)
        assert refused.value.reason == "invalid_secret"
        assert "wrong-wrong" not in str(refused.value)
        with pytest.raises(SecretRefused):
            await app.actions.send_message(channel_id="1", content="x")
        assert sum(row["kind"] == "auth" for row in rig.audit) == 1


async def test_strict_start_names_each_misfit(tmp_path: Path) -> None:
    manifest = Manifest(name="mod", events=("messageCreate", "guildMemberAdd"), actions=("banMember",))
    channel = PretendChannel(intents=ALL_INTENTS - {"GuildMembers"})
    secret = entry(events=["messageCreate", "guildMemberAdd"], actions=["sendMessage"])
    async with running_bridge(tmp_path, secret, channel=channel) as rig:
        async with BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
            report = await app.preflight(manifest)
            codes = {issue.code for issue in report.errors}
            assert codes >= {MISSING_INTENT, MISSING_ACTION_CAPABILITY}
            with pytest.raises(StrictStartRefused) as refused:
                await app.ready(
                    strict=True,
                    manifest=manifest,
                    expected_scope=Allow(events=frozenset(manifest.events)),
                    timeout=WITHIN,
                )
            codes = {issue.code for issue in refused.value.report.errors}
            assert codes >= {MISSING_INTENT, MISSING_ACTION_CAPABILITY, SCOPE_BROADER_THAN_EXPECTED}
        async with BridgeApp("ws://127.0.0.1:1/bridge", SECRET, timing=QUICK) as nobody:
            assert not (await nobody.preflight(manifest, timeout=0.5)).ok


async def test_it_comes_back_and_goes_on_where_it_was(tmp_path: Path) -> None:
    seen = Seen()
    async with running_bridge(tmp_path) as rig, BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
        app.on("messageCreate", seen.event)
        app.on_gap(seen.gap)
        await app.ready(timeout=WITHIN)
        await subscribed(rig)
        rig.channel.tell("messageCreate", {"n": 1})
        await soon(lambda: len(seen.events) == 1)
        rig.bridge.apps[0].cut("test")
        for number in range(2, 12):
            rig.channel.tell("messageCreate", {"n": number})
        await soon(lambda: len(seen.events) == 11)
        assert [event.data["n"] for event in seen.events] == list(range(1, 12))
        assert not seen.gaps


async def test_what_is_no_longer_kept_is_told_as_a_gap(tmp_path: Path) -> None:
    seen = Seen()
    async with running_bridge(tmp_path, bounds=Bounds(events=3)) as rig:
        async with BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
            app.on("messageCreate", seen.event)
            app.on_gap(seen.gap)
            await app.ready(timeout=WITHIN)
            await subscribed(rig)
            rig.channel.tell("messageCreate", {"n": 1})
            await soon(lambda: len(seen.events) == 1)
            rig.bridge.apps[0].cut("test")
            for number in range(2, 12):
                rig.channel.tell("messageCreate", {"n": number})
            await soon(lambda: len(seen.events) == 4 and bool(seen.gaps))
            assert [event.data["n"] for event in seen.events] == [1, 9, 10, 11]
            assert [gap.reason for gap in seen.gaps] == ["replay_exceeded"]
            position = app.position
        assert position is not None
        async with BridgeApp(rig.url(), SECRET, timing=QUICK, resume_from=("elsewhere", 7)) as other:
            other.on("messageCreate", seen.event)
            other.on_gap(seen.gap)
            await other.ready(timeout=WITHIN)
            await soon(lambda: len(seen.gaps) == 2)
            assert seen.gaps[1].reason == "stream_changed"


async def test_a_revoked_scope_ends_a_strict_app_at_its_next_reconnect(tmp_path: Path) -> None:
    manifest = Manifest(name="m", events=("messageCreate",), actions=())
    async with running_bridge(tmp_path) as rig, BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
        app.on("messageCreate", Seen().event)
        strict = Manifest(name="m", events=("messageCreate",), actions=(), filters={})
        await app.ready(strict=True, manifest=strict, timeout=WITHIN)
        rig.channel.intents = frozenset()
        rig.bridge.apps[0].cut("test")
        await soon(lambda: not app.connected)
        with pytest.raises(StrictStartRefused):
            await app.ready(strict=True, manifest=manifest, timeout=WITHIN)


async def test_a_lost_connection_runs_a_keyed_action_once(tmp_path: Path) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(action: str, params: Mapping[str, Any], key: str) -> Any:
        entered.set()
        await release.wait()
        return {"id": "99"}

    channel = PretendChannel(act_with=slow)
    # On a clock that stands still the bridge gives an action all of its time, however late it begins with it.
    bridge = running_bridge(tmp_path, channel=channel, clock=ManualClock())
    async with bridge as rig, BridgeApp(rig.url(), SECRET, timing=QUICK) as app:
        await app.ready(timeout=WITHIN)
        asked = asyncio.ensure_future(app.actions.send_message(channel_id="1", content="x", idempotency_key="order-7"))
        await entered.wait()
        rig.bridge.apps[0].cut("test")
        await soon(lambda: bool(rig.bridge.apps))
        release.set()
        answer: Any = await asked
        assert answer == {"id": "99"}
        assert len(channel.acted) == 1
        release.clear()
        with pytest.raises(ActionFailed) as timed_out:
            await app.actions.send_message(channel_id="1", content="x", timeout=0.2)
        assert timed_out.value.bridge_code == "TIMEOUT"
        assert timed_out.value.unknown


async def test_a_bridge_that_is_not_there(tmp_path: Path) -> None:
    async with BridgeApp("ws://127.0.0.1:1/bridge", SECRET, timing=QUICK) as app:
        with pytest.raises(BridgeUnavailable):
            await app.ready(timeout=0.3)
        with pytest.raises(ActionFailed) as failed:
            await app.actions.send_message(channel_id="1", content="x", timeout=0.3)
        assert failed.value.bridge_code == "DISCONNECTED"
