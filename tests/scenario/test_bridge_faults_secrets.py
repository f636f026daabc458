"""Secrets that change while apps are connected: by the real command, by the file, by a live source, by time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from phantom.bridge.gatekeeper import MAX_FAILURES, WINDOW_SECONDS
from phantom.bridge.grants import Allow
from phantom.bridge.secret_book import Entry
from phantom.bridge.secret_file import SecretFile, StoredAllow, StoredSecret, StoredValue, StoredWithin
from phantom.bridge.secret_value import digest
from phantom.secrets import HeldSource, Secret
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import SECRET, RawApp, Rig, entry, running_bridge
from tests.scenario.cli_kit import phantom

SEND: dict[str, Any] = {"channelId": "10", "content": "hello"}
WRONG = {"secret": "wrong-wrong-wrong-wrong"}


async def command(folder: Path, *words: str) -> dict[str, Any]:
    """`phantom bridge secret …` as an operator runs it."""
    done = await asyncio.to_thread(phantom, "bridge", "secret", *words, "--data-dir", str(folder), cwd=folder)
    found: dict[str, Any] = json.loads(done.stdout) if "--json" in words else {}
    return found


async def said(app: RawApp, hello: dict[str, Any]) -> tuple[str, int | None]:
    """Reason and close code that a hello gets; ("", None) for one that was taken."""
    await app.send("auth.hello", hello)
    message = await app.socket.receive(timeout=30)
    if isinstance(message.data, str):
        frame = json.loads(message.data)
        return ("", None) if frame["type"] == "auth.ok" else (frame["payload"]["reason"], await app.closed())
    return "", app.socket.close_code


async def refused(rig: Rig, hello: dict[str, Any], *, version: int = 3) -> tuple[str, int | None]:
    async with rig.app(secret=None, version=version) as app:
        return await said(app, hello)


async def test_the_command_adds_rotates_and_revokes_under_a_running_bridge(tmp_path: Path) -> None:
    new = ("new", "board", "--event", "messageCreate", "--action", "sendMessage", "--json")
    async with running_bridge(tmp_path / "bridge") as rig, rig.app() as other:
        first = (await command(tmp_path, *new))["value"]
        async with rig.app(secret=first, version=3, secretId="board") as app:
            assert app.welcome["capabilities"] == {"events": ["messageCreate"], "actions": ["sendMessage"]}
            second = (await command(tmp_path, "rotate", "board", "--overlap-hours", "1", "--json"))["value"]
            async with rig.app(secret=second) as newer, rig.app(secret=first):
                assert (await app.act("sendMessage", SEND))["ok"], "the old value is good for the overlap"
                third = (await command(tmp_path, "rotate", "board", "--overlap-hours", "0", "--json"))["value"]
                assert await app.closed() == 4003
                assert await newer.closed() == 4003
            assert await refused(rig, {"secret": first}) == ("invalid_secret", 4003)
        async with rig.app(secret=third) as app:
            await command(tmp_path, "revoke", "board")
            assert await app.closed() == 4003
        assert await refused(rig, {"secret": third, "secretId": "board"}) == ("unknown_secret_id", 4003)
        assert (await other.act("sendMessage", SEND))["ok"], "others notice nothing"
        kinds = [(row["kind"], row["outcome"]) for row in rig.audit if row["kind"] != "action"]
        assert kinds.count(("admin", "ok")) == 4
        assert kinds.count(("auth", "ok")) == 5
        everything = "".join(one.read_text() for one in (tmp_path / "bridge").iterdir())
        assert not any(value in everything for value in (first, second, third))


def stored(**more: Any) -> StoredSecret:
    return StoredSecret(values=(StoredValue(hash=digest("stored-stored-stored"), created_at=0.0),), **more)


def put(file: SecretFile, secret: StoredSecret) -> None:
    """Replace the scope of `board`."""
    file.change(lambda before: msgspec.structs.replace(before, secrets={"board": secret}))


async def test_a_scope_that_is_narrowed_and_widened_counts_at_once(tmp_path: Path) -> None:
    file, clock = SecretFile(tmp_path), ManualClock()
    wide = StoredAllow(events=("messageCreate", "typingStart"), actions=("sendMessage", "kickMember"))
    put(file, stored(allow=wide))
    async with (
        running_bridge(tmp_path, clock=clock) as rig,
        rig.app(secret="stored-stored-stored", version=3) as app,
        rig.app(secret="stored-stored-stored") as old,
    ):
        await app.subscribe({"name": "messageCreate"}, {"name": "typingStart"})
        put(file, stored(allow=StoredAllow(events=("typingStart",), actions=("sendMessage",))))
        await clock.run_for(1.0)
        told = (await app.expect("scope"))["payload"]["capabilities"]
        assert told == {"events": ["typingStart"], "actions": ["sendMessage"]}
        assert await old.closed() == 1012, "version 2 negotiates anew"
        rig.channel.tell("messageCreate", {}, guildId="7")
        rig.channel.tell("typingStart", {}, guildId="7")
        assert (await app.expect("event"))["payload"]["name"] == "typingStart"
        assert (await app.act("kickMember", {"guildId": "7", "userId": "9"}))["error"]["code"] == "FORBIDDEN"
        seq = 0
        async with rig.app(secret="stored-stored-stored", version=3) as back:
            resume = {"stream": back.welcome["stream"], "seq": seq}
            told = await back.subscribe({"name": "messageCreate"}, resume=resume)
            assert told["refused"][0]["code"] == "missing_event_capability", "nor does the past show it"

        put(file, stored(allow=wide))
        await clock.run_for(1.0)
        assert (await app.expect("scope"))["payload"]["capabilities"]["actions"] == ["sendMessage", "kickMember"]
        rig.channel.tell("messageCreate", {}, guildId="7")
        assert (await app.subscribe({"name": "messageCreate"}))["subscribed"] == 2, "subscribed anew, by its own will"

        async with rig.app(secret="stored-stored-stored") as old_again:
            put(file, stored(allow=wide, within=StoredWithin(guilds=("8",))))
            await clock.run_for(1.0)
            rig.channel.tell("typingStart", {"n": 1}, guildId="7")
            rig.channel.tell("typingStart", {"n": 2}, guildId="8")
            assert (await app.expect("event"))["payload"]["data"] == {"n": 2}
            await old_again.settled()  # other places are no reason to cut it


async def test_a_damaged_file_changes_nothing_until_it_is_whole(tmp_path: Path) -> None:
    file = SecretFile(tmp_path)
    put(file, stored(allow=StoredAllow(events=("*",))))
    good = file.path.read_bytes()
    clock = ManualClock()
    async with running_bridge(tmp_path, clock=clock) as rig, rig.app(secret="stored-stored-stored") as app:
        book = rig.bridge._gatekeeper._book
        for damage in (
            b"{",
            b"\xff",
            b'{"secrets": {"board": {"allow": {}, "values": [], "hurry": 1}}}',
            b"[" * 100_000,
        ):
            file.path.write_bytes(damage)
            await clock.run_for(1.0)
            assert "damaged" in book.trouble
            await app.settled()
            file.path.write_bytes(good)
            await clock.run_for(1.0)
            assert not book.trouble
        file.path.chmod(0o644)
        await clock.run_for(1.0)
        assert "others on this machine" in book.trouble
        file.path.chmod(0o600)
        await clock.run_for(1.0)
        assert not book.trouble
        await app.settled()
        file.path.unlink()
        await clock.run_for(1.0)
        assert await app.closed() == 4003


async def test_a_live_source_rotates_and_a_secret_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    source = HeldSource("live", "live-value-number-1")
    live = Entry(id="live", allow=Allow(events=frozenset("*"), actions=frozenset("*")), handle=Secret("live", source))
    brief = entry("brief", value="brief-brief-brief", expires_at=clock.now() + 5.0)
    async with (
        running_bridge(tmp_path, live, brief, clock=clock) as rig,
        rig.app(secret="live-value-number-1") as app,
        rig.app(secret="brief-brief-brief", version=3) as ending,
    ):
        assert ending.welcome["expiresAt"] == clock.now() + 5.0
        source.rotate("live-value-number-2")
        await app.settled()
        async with rig.app(secret="live-value-number-2") as newer:
            await clock.run_for(2.0)
            source.expire_previous()
            await clock.run_for(1.5)
            assert await app.closed() == 4003
            await newer.settled()
            source.rotate("short")  # unfit: nobody gets in with it, and the one before still may
            assert await refused(rig, {"secret": "short"}) == ("invalid_secret", 4003)
            await newer.settled()
        await ending.settled()
        await clock.run_for(2.0)
        assert await ending.closed() == 4003
        assert await refused(rig, {"secret": "brief-brief-brief"}) == ("expired", 4003)
        assert await refused(rig, {"secret": "brief-brief-brief"}, version=2) == ("invalid_secret", 4003)


async def test_who_guesses_is_locked_out_and_who_works_is_not(tmp_path: Path) -> None:
    clock = ManualClock()
    other = entry("other", value="other-other-other")
    async with running_bridge(tmp_path, entry(), other, clock=clock, behind_proxy=True) as rig:

        async def at(address: str, hello: dict[str, Any]) -> tuple[str, int | None]:
            async with rig.app(secret=None, version=3, headers={"X-Forwarded-For": f"6.6.6.6, {address}"}) as app:
                return await said(app, hello)

        for _ in range(MAX_FAILURES + 5):  # successes do not count
            assert await at("1.1.1.1", {"secret": SECRET}) == ("", None)
        for _ in range(MAX_FAILURES):
            assert await at("2.2.2.2", WRONG) == ("invalid_secret", 4003)
        assert await at("2.2.2.2", WRONG) == ("", 4031), "not even heard"
        assert await at("2.2.2.2", {"secret": SECRET}) == ("", 4031), "a right guess is no use then"
        assert await at("1.1.1.1", {"secret": SECRET}) == ("", None)

        # Beside a working app, from its address: the app comes back, another secret does not come in.
        for _ in range(MAX_FAILURES):
            assert await at("1.1.1.1", WRONG) == ("invalid_secret", 4003)
        assert await at("1.1.1.1", WRONG) == ("locked_out", 4031)
        assert await at("1.1.1.1", {"secret": "other-other-other"}) == ("locked_out", 4031)
        assert await at("1.1.1.1", {"secret": SECRET}) == ("", None)

        # One secret's id from many addresses.
        await clock.run_for(WINDOW_SECONDS + 1)
        for number in range(MAX_FAILURES):
            assert (await at(f"3.0.0.{number}", WRONG | {"secretId": "dashboard"}))[1] == 4003
        assert await at("3.0.1.1", {"secret": SECRET, "secretId": "dashboard"}) == ("locked_out", 4031)
        assert await at("1.1.1.1", {"secret": SECRET, "secretId": "dashboard"}) == ("", None)
        assert await at("3.0.1.1", {"secret": "other-other-other"}) == ("", None)
        await clock.run_for(WINDOW_SECONDS + 1)
        assert await at("2.2.2.2", {"secret": SECRET, "secretId": "dashboard"}) == ("", None), "it is over"

        failed = [row for row in rig.audit if row["outcome"] not in ("ok", "locked_out")]
        assert len(failed) == 3 * MAX_FAILURES
        assert {row["address"] for row in failed} >= {"1.1.1.1", "2.2.2.2", "3.0.0.0"}
        locked = [row for row in rig.audit if row["outcome"] == "locked_out"]
        assert sum(row.get("times", 1) for row in locked) == 5, "counted, but not a row each"
