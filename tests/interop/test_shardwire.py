"""The npm client `shardwire`, unchanged, against the real daemon: logins, capabilities, filters, strict start,
reconnecting, errors, keys, heartbeat. Events and actions one by one are in `test_shardwire_events.py` and
`test_shardwire_actions.py`. Skipped, with a notice, where the package is not at hand (`make interop` fetches it).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from channels.discord.apps_catalogue import TABLE
from phantom.testing.fake_discord import FakeApplication, FakeDiscord
from phantom.testing.fake_discord.application import MESSAGE_CONTENT
from tests.interop.shardwire_kit import NARROW, SECRET, SHARED, ClientError, World, needs_shardwire, world

pytestmark = needs_shardwire
EVENTS = [spec.name for spec in TABLE.events]
ACTIONS = [spec.name for spec in TABLE.actions]


async def test_logins_and_capabilities(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        app = await here.open()
        await app.do("ready")
        state = await app.do("state")
        assert state["connected"]
        assert state["connectionId"]
        assert state["capabilities"] == {"events": EVENTS, "actions": ACTIONS}
        catalog = await app.do("catalog")
        assert [one["name"] for one in catalog["events"]] == EVENTS
        assert catalog["actions"] == ACTIONS
        assert {one["name"]: one["requiredIntents"] for one in catalog["events"]} == {
            spec.name: [spec.intent] if spec.intent else [] for spec in TABLE.events
        }
        assert tuple(catalog["subscriptionFilters"]) == TABLE.filters

        narrow = await here.open("narrow", NARROW)
        await narrow.do("ready")
        assert (await narrow.do("state"))["capabilities"] == {
            "events": ["ready", "messageCreate"],
            "actions": ["sendMessage"],
        }
        await refuses(here)
        await denies(here)


async def refuses(here: World) -> None:
    """Every reason not to let somebody in, and that the right id helps where a value belongs to two secrets."""
    wrong: dict[str, dict[str, Any]] = {
        "invalid": {"secret": "wrong-secret-of-32-characters---"},
        "unknown": {"secret": SECRET, "secretId": "nobody"},
        "mismatch": {"secret": SECRET, "secretId": "narrow"},
        "ambiguous": {"secret": SHARED},
    }
    for name, options in wrong.items():
        app = await here.open(name, reconnect={"enabled": False}, **options)
        with pytest.raises(ClientError) as refused:
            await app.do("ready")
        assert refused.value.message.startswith("Authentication failed")
        assert ("secretId" in refused.value.message) == (name == "ambiguous")
        result = await app.refused("fetchGuild", guildId="1")
        assert result["code"] == "UNAUTHORIZED"
    twin = await here.open("twin", SHARED, secretId="twin-b")
    await twin.do("ready")
    assert (await twin.do("state"))["capabilities"] == {"events": [], "actions": ["fetchGuild"]}


async def denies(here: World) -> None:
    """What a scope does not hold cannot be had: the client says so itself, and the bridge when the client is asked to
    try all the same.
    """
    app = await here.open("denied", NARROW)
    await app.on("guildCreate")
    with pytest.raises(ClientError) as refused:
        await app.do("ready")
    assert (refused.value.name, refused.value.details["name"]) == ("BridgeCapabilityError", "guildCreate")
    error = await app.refused("banMember", guildId="1", userId="2")
    assert (error["code"], error["details"]["reasonCode"]) == ("FORBIDDEN", "action_not_in_capabilities")
    explained = await app.do("explain", kind="event", name="guildCreate")
    assert (explained["allowedByBridge"], explained["reasonCode"]) == (False, "denied_by_bridge")
    assert (await app.do("explain", kind="action", name="sendMessage"))["allowedByBridge"]
    flight = await (await here.open("flight", NARROW)).do(
        "preflight", desired={"events": ["messageCreate", "guildCreate"], "actions": ["banMember"]}
    )
    assert not flight["ok"]
    assert {one["code"] for one in flight["issues"]} >= {"desired_event_not_allowed", "desired_action_not_allowed"}


async def test_a_full_bridge_and_a_locked_door(tmp_path: Path) -> None:
    async with world(tmp_path, max_connections=1) as here:
        first = await here.open("first")
        await first.do("ready")
        second = await here.open("second", reconnect={"enabled": False})
        with pytest.raises(ClientError):
            await second.do("ready")
        await first.do("close")
        guesser = await here.open("guesser", "guess-guess-guess-guess-guess---")
        with pytest.raises(ClientError):
            await guesser.do("ready")
        async with asyncio.timeout(60):
            while "locked_out" not in str(await here.daemon.metrics()):
                await asyncio.sleep(0.05)
        await guesser.do("close")
        # Guessing beside it does not lock out an app that was in before.
        third = await here.open("third")
        await third.do("ready")


async def _commands_and_presses(fake: FakeDiscord) -> None:
    """Two commands and two buttons, the first of each wanted by some filter."""
    for number, name in (("1", "ticket"), ("2", "other")):
        fake.interact(2, fake.owner, fake.general, {"id": number, "name": name, "type": 1})
    source = await fake.post(fake.bot, fake.general, "press")
    for custom_id in ("go", "stay"):
        fake.interact(3, fake.owner, fake.general, {"custom_id": custom_id, "component_type": 2}, source)


async def test_filters(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fake, app = here.fake, await here.open()
        hall = fake.add_channel("hall")
        thread = await fake.create_thread(fake.owner, hall, "side")
        voice = fake.add_channel("voice", kind="voice")
        mara = fake.add_user("mara")
        first = await fake.post(fake.owner, fake.general, "first")
        wanted: dict[str, tuple[str, dict[str, Any]]] = {
            "all": ("messageCreate", {}),
            "guildId": ("messageCreate", {"guildId": ["1", fake.guild.id]}),
            "channelId": ("messageCreate", {"channelId": hall.id}),
            "userId": ("messageCreate", {"userId": [mara.id]}),
            "channelType": ("messageCreate", {"channelType": 11}),
            "parentChannelId": ("messageCreate", {"parentChannelId": hall.id}),
            "threadId": ("messageCreate", {"threadId": [thread.id]}),
            "both": ("messageCreate", {"channelId": hall.id, "userId": mara.id}),
            "nobody": ("messageCreate", {"guildId": "1"}),
            "messageId": ("messageReactionAdd", {"messageId": first.id}),
            "emoji": ("messageReactionAdd", {"emoji": ["🎉", "77"]}),
            "commandName": ("interactionCreate", {"commandName": "ticket"}),
            "interactionKind": ("interactionCreate", {"interactionKind": ["button"]}),
            "customId": ("interactionCreate", {"customId": "go"}),
            "interactionId": ("interactionCreate", {"interactionId": "1"}),
            "voiceChannelId": ("voiceStateUpdate", {"voiceChannelId": voice.id}),
        }
        assert {key for _, one in wanted.values() for key in one} == set(TABLE.filters)
        await app.do("ready")
        for name, (event, one) in wanted.items():
            await app.on(event, name, **one)

        second = await fake.post(mara, hall, "in the hall")
        await fake.post(fake.owner, thread, "in the thread")
        for message, emoji in ((first, "👍"), (second, "🎉"), (second, "party:77"), (second, "👀")):
            await fake.react(mara, message, emoji)
        await _commands_and_presses(fake)
        await fake.join_voice(mara, voice)
        await fake.post(fake.owner, fake.general, "the end")

        def texts(handler: str) -> list[str]:
            return [one["message"]["content"] for one in app.got(handler)]

        await here.driver.until(lambda: "the end" in texts("all") and "the end" in texts("guildId"))
        everything = ["in the hall", "in the thread", "press", "the end"]
        assert texts("all") == texts("guildId") == everything
        assert texts("channelId") == texts("userId") == texts("both") == ["in the hall"]
        assert texts("channelType") == texts("parentChannelId") == texts("threadId") == ["in the thread"]
        assert texts("nobody") == []
        assert [one["reaction"]["emoji"]["name"] for one in app.got("messageId")] == ["👍"]
        assert [one["reaction"]["emoji"]["name"] for one in app.got("emoji")] == ["🎉", "party"]
        assert [one["interaction"]["commandName"] for one in app.got("commandName")] == ["ticket"]
        assert [one["interaction"]["customId"] for one in app.got("interactionKind")] == ["go", "stay"]
        assert len(app.got("customId")) == len(app.got("voiceChannelId")) == 1
        assert app.got("interactionId") == []

        await app.do("off", event="messageCreate", handler="all")
        await app.do("off", event="messageCreate", handler="guildId")
        await fake.post(fake.owner, fake.general, "not heard")
        await fake.post(mara, hall, "heard")
        await here.driver.until(lambda: texts("both")[1:] == ["heard"])
        assert texts("all") == texts("guildId") == everything


async def test_strict_start(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fits = {"name": "board", "events": ["messageCreate"], "actions": ["sendMessage"]}
        filtered = fits | {"filters": {"messageCreate": ["channelId"]}}
        scope = await (await here.open("scope", NARROW)).do("scope", manifest=fits)
        assert scope == {"events": ["messageCreate"], "actions": ["sendMessage"]}

        good = await here.open("good", NARROW)
        await good.on("messageCreate", channelId=here.fake.general.id)
        intents = ["GuildMessages"]
        report = await good.do("ready", options={"strict": True, "manifest": filtered, "botIntents": intents})
        assert report is None or report["ok"]
        await here.fake.post(here.fake.owner, here.fake.general, "strictly")
        await good.event("messageCreate")

        async def codes(secret: str, manifest: Any, *handlers: tuple[str, dict[str, Any]], **options: Any) -> set[str]:
            app = await here.open("strict", secret)
            for event, one in handlers:
                await app.on(event, **one)
            given = {"strict": True, "manifest": manifest, "botIntents": ["GuildMessages"]} | options
            with pytest.raises(ClientError) as refused:
                await app.do("ready", options=given)
            await app.do("close")
            assert refused.value.name == "ShardwireStrictStartupError", refused.value
            return {one["code"] for one in refused.value.report["issues"] if one["severity"] == "error"}

        more = {"name": "board", "events": ["messageCreate", "guildCreate"], "actions": ["sendMessage", "banMember"]}
        assert await codes(NARROW, more) == {
            "missing_intent",
            "missing_event_capability",
            "missing_action_capability",
        }
        assert await codes(NARROW, fits, botIntents=[]) == {"strict_requires_bot_intents"}
        assert await codes(NARROW, fits, ("ready", {})) == {"subscription_event_not_in_manifest"}
        assert await codes(NARROW, filtered, ("messageCreate", {"userId": "1"})) == {
            "subscription_filter_key_not_declared_in_manifest"
        }
        assert await codes(NARROW, fits, ("messageCreate", {"userId": "1"})) == {
            "manifest_filters_required_for_subscription"
        }
        assert await codes(SECRET, fits, expectedScope=scope) == {"scope_broader_than_expected"}
        loose = await good.do(
            "diagnose",
            manifest=fits,
            negotiated={"events": EVENTS, "actions": ACTIONS},
            options={"botIntents": intents},
        )
        assert {one["code"] for one in loose["issues"]} == {"unused_negotiated_event", "unused_negotiated_action"}


async def test_events_whose_intent_the_bot_lacks_are_not_to_be_had(tmp_path: Path) -> None:
    ungranted = FakeDiscord(app=FakeApplication(granted=MESSAGE_CONTENT))
    async with world(tmp_path, ungranted) as here:
        app = await here.open()
        await app.do("ready")
        lacking = [name for name in EVENTS if name not in (await app.do("state"))["capabilities"]["events"]]
        assert lacking == ["guildMemberAdd", "guildMemberRemove", "guildMemberUpdate"]


async def test_it_comes_back_after_a_restart_and_a_kill(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fake, app = here.fake, await here.open()
        await app.on("ready")
        await app.on("messageCreate", channelId=fake.general.id)

        async def heard(text: str) -> None:
            """Once, however often the connection was lost."""
            texts = await here.driver.until(
                lambda: [one for one in app.got("messageCreate") if one["message"]["content"] == text]
            )
            assert len(texts) == 1

        await app.do("ready")
        assert (await app.event("ready"))["user"]["id"] == fake.bot.id
        before = (await app.do("state"))["connectionId"]

        fake.faults.delay("create_message", 0.5)
        slow = asyncio.create_task(app.done("sendMessage", channelId=fake.general.id, content="before the end"))
        await fake.wait_for(lambda: fake.calls_of("create_message") or fake.faults.armed() == {})
        assert await here.daemon.stop() == 0
        assert (await slow)["content"] == "before the end"  # drained, then closed
        waiting = await app.act("fetchGuild", {"timeoutMs": 200}, guildId=fake.guild.id)
        assert waiting["error"]["code"] in ("DISCONNECTED", "TIMEOUT")
        await here.daemon.start()
        state = await app.until_connected()
        assert state["connectionId"] != before
        await fake.post(fake.owner, fake.general, "after the restart")
        await heard("after the restart")
        assert len(app.got("ready")) >= 2

        await here.daemon.kill()
        await here.daemon.start()
        await app.until_connected()
        await fake.post(fake.owner, fake.general, "after the kill")
        await heard("after the kill")


async def test_error_codes_and_keys(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        fake, app = here.fake, await here.open(requestTimeoutMs=20_000)
        await app.do("ready")
        place = fake.general.id

        def fails(**how: Any) -> None:
            fake.faults.fail("create_message", **how)

        for how, code in (
            ({"status": 403, "code": 50013}, "FORBIDDEN"),
            ({"status": 404, "code": 10003}, "NOT_FOUND"),
            ({"status": 400, "code": 50035}, "INVALID_REQUEST"),
        ):
            fails(**how)
            error = await app.refused("sendMessage", channelId=place, content="x")
            assert error["code"] == code
            assert error["details"]["discordStatus"] == how["status"]
            assert error["details"]["discordCode"] == how["code"]
        fails(status=503)
        assert (await app.refused("sendMessage", channelId=place, content="x"))["code"] == "SERVICE_UNAVAILABLE"
        fake.faults.rate_limit("create_message", retry_after=60.0)
        limited = await app.refused("sendMessage", channelId=place, content="x")
        assert (limited["code"], limited["details"]["retryable"]) == ("SERVICE_UNAVAILABLE", True)
        assert limited["details"]["retryAfterMs"] > 0
        fake.faults.clear()

        for params, field in (
            ({"content": "x"}, "channelId"),
            ({"channelId": 7, "content": "x"}, "channelId"),
            ({"channelId": place, "content": "x" * 2001}, "content"),
            ({"channelId": place, "contents": "x"}, "contents"),
        ):
            error = await app.refused("sendMessage", **params)
            assert (error["code"], error["details"]["field"]) == ("INVALID_REQUEST", field)
        assert (await app.refused("replyToInteraction", interactionId="1", content="x"))["code"] == "NOT_FOUND"
        assert (await app.do("raw", method="http.close"))["error"]["code"] == "FORBIDDEN"
        fake.faults.hang("get_guild")
        assert (await app.refused("fetchGuild", {"timeoutMs": 100}, guildId=fake.guild.id))["code"] == "TIMEOUT"
        await keys(here)


async def keys(here: World) -> None:
    """One run under one key, however often and concurrently it is asked for; never another request's answer."""
    app, place = await here.open("keys"), here.fake.general.id
    await app.do("ready")

    def sent(text: str) -> int:
        return sum(one.content == text for one in here.fake.messages(place))

    key = {"idempotencyKey": "k1"}
    answers = await asyncio.gather(*(app.done("sendMessage", key, channelId=place, content="once") for _ in range(5)))
    answers.append(await app.done("sendMessage", key, channelId=place, content="once"))
    assert len({one["id"] for one in answers}) == 1
    assert sent("once") == 1
    for action, params in (
        ("sendMessage", {"channelId": place, "content": "twice"}),
        ("fetchGuild", {"guildId": here.fake.guild.id}),
    ):
        error = await app.refused(action, key, **params)
        assert (error["code"], error["details"]["reason"]) == ("INVALID_REQUEST", "idempotency_key_reused")
    again = {"idempotencyKey": "k2"}
    here.fake.faults.fail("create_message", status=403, code=50013)
    assert (await app.refused("sendMessage", again, channelId=place, content="late"))["code"] == "FORBIDDEN"
    await app.done("sendMessage", again, channelId=place, content="late")  # a failure is not kept
    assert sent("late") == 1
    long = await app.refused("sendMessage", {"idempotencyKey": "k" * 257}, channelId=place, content="long")
    assert long["code"] == "INVALID_REQUEST"
    assert (await app.do("state"))["connected"]


async def test_heartbeat(tmp_path: Path) -> None:
    async with world(tmp_path, heartbeat=4) as here:
        app = await here.open()
        await app.do("ready")
        before = (await app.do("state"))["connectionId"]
        await asyncio.sleep(18)  # four pings, and two misses if its answers did not count
        assert (await app.do("state"))["connectionId"] == before
