"""The bridge's wire, frame by frame: logins, subscriptions, events, actions, in version 2 and version 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.scenario.bridge_kit import SECRET, PretendChannel, RawApp, entry, running_bridge

MESSAGE: dict[str, Any] = {"message": {"id": "1", "channelId": "10", "guildId": "7", "content": "hi"}}


async def test_version_2_from_hello_to_action(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app(appName="board") as app:
        assert app.welcome.keys() == {"connectionId", "capabilities"}
        assert len(app.welcome["capabilities"]["events"]) == 25
        assert len(app.welcome["capabilities"]["actions"]) == 39
        await app.subscribe({"name": "messageCreate"}, {"name": "messageCreate", "filter": {"guildId": ["7", "8"]}})

        rig.channel.tell("messageCreate", MESSAGE, guildId="7", channelId="10")
        event = await app.expect("discord.event")
        assert event == {
            "v": 2,
            "type": "discord.event",
            "ts": event["ts"],
            "payload": {"name": "messageCreate", "data": MESSAGE},
        }

        answer = await app.act("sendMessage", {"channelId": "10", "content": "hello"})
        assert answer["ok"] is True
        assert answer["requestId"] == "r1"
        assert answer["data"] == {"did": "sendMessage", "params": {"channelId": "10", "content": "hello"}}
        kinds = [(row["kind"], row["outcome"]) for row in rig.audit]
        assert kinds == [("auth", "ok"), ("action", "ok")]
        assert "hello" not in str(rig.audit)


async def test_version_3_numbers_acknowledges_and_resumes(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig:
        async with rig.app(version=3, path="/bridge") as app:
            assert app.welcome["stream"] == rig.bridge.fanout.replay.stream
            told = await app.subscribe({"name": "messageCreate"})
            assert (told["subscribed"], told["replayed"], told["refused"]) == (1, 0, [])
            rig.channel.tell("messageCreate", MESSAGE, guildId="7", channelId="10")
            seen = (await app.expect("event"))["payload"]
            assert seen["data"] == MESSAGE
        rig.channel.tell("messageCreate", MESSAGE, guildId="7", channelId="10")
        rig.channel.tell("messageDelete", MESSAGE, guildId="7", channelId="10")
        rig.channel.tell("messageCreate", MESSAGE, guildId="8", channelId="10")
        async with rig.app(version=3) as app:
            await app.send(
                "subscribe",
                {
                    "subscriptions": [{"name": "messageCreate", "filter": {"guildId": "8"}}],
                    "resume": {"stream": app.welcome["stream"], "seq": seen["seq"]},
                },
                "s",
            )
            again = (await app.expect("event"))["payload"]
            assert again["seq"] == seen["seq"] + 3
            assert (await app.expect("subscribe.ok"))["payload"]["replayed"] == 1


@pytest.mark.parametrize(
    ("hello", "reason", "code"),
    [
        ({"secret": "wrong-wrong-wrong-wrong"}, "invalid_secret", 4003),
        ({}, "invalid_secret", 4003),
        ({"secret": SECRET, "secretId": "nobody"}, "unknown_secret_id", 4003),
        ({"secret": SECRET}, "ambiguous_secret", 4003),
        ({"secret": 7}, None, 4004),
        ({"secret": {"a": [1]}}, None, 4004),
        (None, None, 4004),
        ([], None, 4004),
        ("[" * 30_000, None, 4004),
    ],
)
async def test_hellos_that_are_refused(tmp_path: Path, hello: Any, reason: str | None, code: int) -> None:
    twins = (entry("one"), entry("two"))
    async with running_bridge(tmp_path, *twins) as rig, rig.app(secret=None) as app:
        await app.send("auth.hello", hello)
        if reason is not None:
            refusal = (await app.expect("auth.error"))["payload"]
            assert (refusal["code"], refusal["reason"]) == ("UNAUTHORIZED", reason)
            assert SECRET not in str(refusal)
        assert await app.closed() == code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("{", 4004),
        ("[]", 4004),
        ('{"v":1,"type":"ping"}', 4004),
        ('{"v":2,"type":7}', 4004),
        ('{"v":2,"type":"subscribe","payload":{"subscriptions":[]}}', 4001),
        ('{"v":2,"type":"action.request","requestId":"x","payload":{"name":"sendMessage"}}', 4001),
        ("[" * 60_000, 4004),
        ("x" * 65_537, 1009),
    ],
)
async def test_frames_before_a_hello(tmp_path: Path, raw: str, code: int) -> None:
    async with running_bridge(tmp_path) as rig, rig.app(secret=None) as app:
        await app.socket.send_str(raw)
        assert await app.closed() == code
        assert not rig.bridge.apps


async def test_binary_and_silence(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app() as app:
        await app.socket.send_bytes(b"\x00\x01")
        assert await app.closed() == 4004
    async with running_bridge(tmp_path, auth_seconds=0.2) as rig, rig.app(secret=None) as app:
        assert await app.closed() == 4001


async def test_refused_subscriptions_change_nothing(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, entry(events=["messageCreate"])) as rig, rig.app(version=3) as app:
        bad: list[Any] = [
            {"name": "messageDelete"},
            {"name": "nonsense"},
            {"name": "messageCreate", "filter": {}},
            {"name": "messageCreate", "filter": {"guildId": []}},
            {"name": "messageCreate", "filter": {"guildId": [7]}},
            {"name": "messageCreate", "filter": {"voiceChannelId": "7"}},
            {"name": "messageCreate", "filter": "all"},
            {"filter": {}},
            7,
        ]
        told = await app.subscribe(*bad)
        assert told["subscribed"] == 0
        assert [one["code"] for one in told["refused"]] == [
            "missing_event_capability",
            "missing_event_capability",
            "malformed_filter",
            "malformed_filter",
            "malformed_filter",
            "unsupported_filter_key",
            "malformed_filter",
            "malformed_subscription",
            "malformed_subscription",
        ]
        assert not list(rig.bridge.fanout._index.names)


async def test_unknown_frames_and_second_hello_do_no_harm_in_version_2(tmp_path: Path) -> None:
    async with running_bridge(tmp_path) as rig, rig.app() as app:
        await app.send("who.knows", {})
        await app.send("auth.hello", {"secret": "wrong"})
        await app.settled()
        assert len(rig.bridge.apps) == 1


async def test_an_origin_that_is_not_listed_is_refused_at_the_door(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, origins=["https://dash.example.com"]) as rig, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(rig.url(), headers={"Origin": "https://evil.example.com"})
        assert refused.value.status == 403
        async with http.ws_connect(rig.url(), headers={"Origin": "https://dash.example.com"}) as socket:
            app = RawApp(socket, 2)
            await app.send("auth.hello", {"secret": SECRET})
            await app.expect("auth.ok")


async def test_the_sticky_ready_reaches_who_comes_late(tmp_path: Path) -> None:
    async with running_bridge(tmp_path, channel=PretendChannel()) as rig:
        rig.channel.tell("ready", {"user": {"id": "1"}})
        for version in (2, 3):
            async with rig.app(version=version) as app:
                await app.send("subscribe", {"subscriptions": [{"name": "ready"}]})
                frame = await app.read()
                assert frame["payload"]["name"] == "ready"
