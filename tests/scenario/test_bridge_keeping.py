"""Events are kept while somebody may come back and ask for them, and not otherwise; who comes back too late is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from phantom.bridge.replay import Bounds
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import running_bridge

MESSAGE: dict[str, Any] = {"message": {"id": "1", "channelId": "10", "guildId": "7", "content": "hi"}}


async def test_nothing_is_kept_for_apps_that_cannot_come_back(tmp_path: Path) -> None:
    clock, bounds = ManualClock(), Bounds(seconds=2)
    async with running_bridge(tmp_path, bounds=bounds, clock=clock) as rig, rig.app() as old:
        replay = rig.bridge.fanout.replay
        await old.subscribe({"name": "messageCreate"})
        rig.channel.tell("messageCreate", MESSAGE, guildId="7", channelId="10")
        assert (await old.expect("discord.event"))["payload"]["data"] == MESSAGE
        assert replay.depth == 0

        async with rig.app(version=3) as new:
            await new.subscribe({"name": "messageCreate"})
            rig.channel.tell("messageCreate", MESSAGE, guildId="7", channelId="10")
            seen = (await new.expect("event"))["payload"]
            assert replay.depth == 1
        async with asyncio.timeout(30):
            while replay.depth:  # until its time to come back is over, which begins once it is seen to be gone
                await clock.run_for(bounds.seconds + 1)
                await asyncio.sleep(0.01)
        rig.channel.tell("messageDelete", MESSAGE, guildId="7", channelId="10")
        resume = {"stream": replay.stream, "seq": seen["seq"]}
        async with rig.app(version=3) as new:
            await new.send("subscribe", {"subscriptions": [{"name": "messageDelete"}], "resume": resume}, "s")
            gap = (await new.expect("gap"))["payload"]
            assert (gap["reason"], gap["from"]) == ("replay_exceeded", seen["seq"] + 1)
            await new.expect("subscribe.ok")
    # Nor after a restart.
    async with running_bridge(tmp_path, clock=clock) as rig, rig.app(version=3) as new:
        assert rig.bridge.fanout.replay.stream == resume["stream"]
        await new.send("subscribe", {"subscriptions": [{"name": "messageDelete"}], "resume": resume}, "s")
        assert (await new.expect("gap"))["payload"]["reason"] == "replay_exceeded"
