"""Every row of the cookbook's failure table happens as it says: app and bridge then say what is quoted in it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from phantom.bridge.actions import LINE_LENGTH
from phantom.bridge.client import (
    BridgeApp,
    BridgeUnavailable,
    Event,
    Gap,
    Manifest,
    StrictStartRefused,
    Timing,
    generate_secret_scope,
)
from phantom.bridge.client_handlers import LINE
from phantom.bridge.gatekeeper import MAX_FAILURES
from phantom.bridge.grants import Limits, Within
from phantom.bridge.replay import Bounds
from phantom.bridge.secret_book import Entry
from phantom.bridge.secret_file import SecretFile, StoredAllow, StoredSecret, StoredValue
from phantom.bridge.secret_value import digest, new_secret
from phantom.errors import PhantomError
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord
from phantom.testing.fake_discord.application import MESSAGE_CONTENT, FakeApplication
from phantom.testing.manual_clock import ManualClock
from tests.scenario.bridge_kit import SECRET, Closed, PretendChannel, RawApp, Rig, entry, running_bridge, soon

WITHIN = 30.0
PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/bridge-cookbook.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| .+ \|$", PAGE.split("## When something is wrong")[1], re.MULTILINE)[1:]
QUICK = Timing(connect=WITHIN, login=WITHIN, first_delay=0.05, longest_delay=0.2, action=WITHIN)
UNDER_WAY = "the bridge did not answer in time"
"""What a wait says that ended before the first attempt did."""
Check = Callable[["Scene"], Awaitable[None]]
CHECKS: dict[tuple[str, str], Check] = {}


@dataclass
class Scene:
    """What app and bridge were heard to say."""

    folder: Path
    heard: list[str] = field(default_factory=list)

    def hear(self, *things: object) -> None:
        self.heard += [str(thing) for thing in things]

    @asynccontextmanager
    async def bridge(self, *entries: Entry, **more: Any) -> AsyncIterator[Rig]:
        """A bridge; at its end its audit and metrics are heard."""
        async with running_bridge(self.folder, *entries, **more) as rig:
            yield rig
            await asyncio.sleep(0)
            self.hear(rig.meter.render().decode())
        self.hear(*(json.dumps(row) for row in rig.audit))

    @asynccontextmanager
    async def app(self, rig: Rig, secret: str = SECRET, **more: Any) -> AsyncIterator[BridgeApp]:
        """An app; what it raises is heard, and ends it."""
        app = BridgeApp(rig.url(), secret, timing=QUICK, **more)
        try:
            yield app
        except PhantomError as error:
            self.hear(type(error).__name__, error.message, getattr(error, "reason", ""), getattr(error, "details", ""))
        finally:
            await app.close()

    async def refused(self, rig: Rig, **hello: Any) -> None:
        """A login that fails, by the client and on the wire."""
        async with self.app(rig, hello.get("secret", SECRET), secret_id=hello.get("secretId")) as app:
            await never_ready(app)
        async with rig.app(version=3, secret=None) as raw:
            await raw.send("auth.hello", {"secret": SECRET, **hello})
            await self.closed(raw)

    async def closed(self, raw: RawApp) -> None:
        """Read until the bridge closes; every frame's type and the close code are heard."""
        try:
            while True:
                self.hear((await raw.read())["type"])
        except Closed as closed:
            self.hear("close", closed.code, closed.reason)

    async def strict(self, rig: Rig, manifest: Manifest) -> None:
        """A strict start, with the manifest's own scope expected."""
        async with self.app(rig) as app:
            await app.ready(
                strict=True, manifest=manifest, expected_scope=generate_secret_scope(manifest), timeout=WITHIN
            )


async def never_ready(app: BridgeApp) -> None:
    """Raise what the first attempt to connect comes to. The app itself would go on with most of it."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                await app.ready(timeout=0.2)
            except BridgeUnavailable as error:
                if error.message != UNDER_WAY:
                    raise


def row(left: str, middle: str = "") -> Callable[[Check], Check]:
    """Marks the check of the rows whose first two cells hold these texts."""

    def mark(check: Check) -> Check:
        found = [one for one in ROWS if left in one[0] and middle in one[1]]
        assert found, f"the table has no row with {left} and {middle}"
        CHECKS.update(dict.fromkeys(found, check))
        return check

    return mark


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: " ".join(re.findall(r"`([^`]+)`", cells[0]))[:60])
async def test_the_row_is_true(cells: tuple[str, str], tmp_path: Path) -> None:
    assert cells in CHECKS, "the row has no check"
    scene = Scene(tmp_path)
    with capture_logs() as logged:
        await CHECKS[cells](scene)
    scene.hear(*logged)
    whole = "\n".join(scene.heard)
    said = [quoted for quoted in re.findall(r"`([^`]+)`", " ".join(cells)) if not quoted.startswith("/")]
    said += [f'reason="{quoted}"' for quoted in re.findall(r"metric `([^`]+)`", cells[1])]
    for quoted in said:
        assert quoted in whole, f"{quoted} was not said:\n{whole[-6000:]}"
    for quoted in re.findall(r"audit `([^`]+)`", cells[1]):
        rows = [json.loads(line) for line in scene.heard if line.startswith('{"ts"')]
        assert any(quoted in (one.get("outcome"), one.get("code")) for one in rows), rows


# --- reaching it ---


@row("`no bridge answers at`", "nothing")
async def nobody_there(scene: Scene) -> None:
    async with scene.bridge() as rig:
        rig.port = 1
        async with scene.app(rig) as app:
            await never_ready(app)


@row("`no bridge answers at`", "`bridge_disabled`")
async def disabled(scene: Scene) -> None:
    async with FakeDiscord() as discord:
        env = {
            "DISCORD_BOT_TOKEN": discord.token,
            "DISCORD_API_BASE_URL": discord.api_url,
            "PHANTOM_BRIDGE_ENABLED": "true",
            "PHANTOM_BRIDGE_HOST": "0.0.0.0",
        }
        async with DaemonProcess(env=env, data_dir=scene.folder / "data") as daemon:
            scene.hear(*await daemon.until_logged("bridge_disabled"), await daemon.health())
            with pytest.raises(PhantomError) as nobody:
                async with BridgeApp(f"ws://127.0.0.1:{daemon.port}/bridge", SECRET, timing=QUICK) as app:
                    await never_ready(app)
            scene.hear(type(nobody.value).__name__, nobody.value.message)


@row("`would send the secret unencrypted`")
async def unencrypted(scene: Scene) -> None:
    with pytest.raises(PhantomError) as refused:
        BridgeApp("ws://bot.example.com/bridge", SECRET)
    scene.hear(type(refused.value).__name__, refused.value.message)


@row("`origin not allowed`")
@row("HTTP `426`")
async def no_handshake(scene: Scene) -> None:
    async with scene.bridge() as rig, aiohttp.ClientSession() as web:
        address = rig.url("/bridge").replace("ws:", "http:")
        for headers in ({"Origin": "https://elsewhere.example"}, {}):
            async with web.get(address, headers=headers) as answer:
                scene.hear(answer.status, answer.reason)


# --- logging in ---


@row("`SecretRefused` `invalid_secret`")
async def wrong_secret(scene: Scene) -> None:
    async with scene.bridge() as rig:
        await scene.refused(rig, secret="not-this-one-at-all")


@row("`SecretRefused` `unknown_secret_id`")
async def unknown_id(scene: Scene) -> None:
    async with scene.bridge() as rig:
        await scene.refused(rig, secretId="nobody")


@row("`SecretRefused` `ambiguous_secret`")
async def ambiguous(scene: Scene) -> None:
    async with scene.bridge(entry("one"), entry("two")) as rig:
        await scene.refused(rig)


@row("`SecretRefused` `expired`")
async def expired(scene: Scene) -> None:
    async with scene.bridge(entry(expires_at=1.0)) as rig:
        await scene.refused(rig)


@row("`SecretRefused` `revoked`")
async def revoked(scene: Scene) -> None:
    value, book = new_secret(), SecretFile(scene.folder)
    stored = StoredSecret(
        allow=StoredAllow(events=("messageCreate",)), values=(StoredValue(hash=digest(value), created_at=0.0),)
    )
    book.change(lambda before: msgspec.structs.replace(before, secrets={"worker": stored}))
    async with scene.bridge() as rig, rig.app(version=3, secret=value) as raw, scene.app(rig, value) as app:
        await app.ready(timeout=WITHIN)
        book.change(lambda before: msgspec.structs.replace(before, secrets={}))
        await scene.closed(raw)
        await asyncio.wait_for(app.until(asyncio.Event()), WITHIN)


@row("`Too many failed logins`")
async def locked_out(scene: Scene) -> None:
    async with scene.bridge() as rig:
        for _ in range(MAX_FAILURES):
            async with rig.app(version=3, secret=None) as raw:
                await raw.send("auth.hello", {"secret": "a guess that is none"})
                await raw.closed()
        await scene.refused(rig)


@row("`has all its connections in use`")
async def full(scene: Scene) -> None:
    async with scene.bridge(entry(limits=Limits(connections=1))) as rig, rig.app(version=3):
        await scene.refused(rig)


@row("close `4001`")
async def no_hello(scene: Scene) -> None:
    async with scene.bridge() as rig, rig.app(version=3, secret=None) as raw:
        await raw.send("subscribe", {"subscriptions": []})
        await scene.closed(raw)


# --- a connection ends ---


@row("close `4004`")
async def no_frame(scene: Scene) -> None:
    async with scene.bridge() as rig, rig.app(version=3) as raw:
        await raw.socket.send_str("hello?")
        await scene.closed(raw)


@row("close `1009`")
async def too_large(scene: Scene) -> None:
    async with scene.bridge() as rig, rig.app(version=3) as raw:
        await raw.socket.send_str("x" * 70_000)
        await scene.closed(raw)
        await soon(lambda: not rig.bridge.apps)


@row("frame `slow`")
async def slow(scene: Scene) -> None:
    async with scene.bridge(bounds=Bounds(size=64 << 20)) as rig, rig.app(version=3) as raw:
        await raw.subscribe({"name": "messageCreate"})
        while not rig.bridge.slow_cut:
            rig.channel.tell("messageCreate", {"filler": "x" * 60_000})
            await asyncio.sleep(0)
        await scene.closed(raw)


@row("close without a code")
async def silent(scene: Scene) -> None:
    clock = ManualClock()
    async with scene.bridge(clock=clock) as rig, rig.app(version=3) as raw:
        for _ in range(4):
            await clock.run_for(30.0)
        await scene.closed(raw)


@row("frame `closing`")
async def restart(scene: Scene) -> None:
    async with scene.bridge() as rig, rig.app(version=3) as raw:
        await rig.bridge.drain(1.0)
        await scene.closed(raw)


@row("version 2: close `1012`")
async def scope_changed(scene: Scene) -> None:
    value, book = new_secret(), SecretFile(scene.folder)

    def allow(*events: str) -> None:
        stored = StoredSecret(
            allow=StoredAllow(events=events), values=(StoredValue(hash=digest(value), created_at=0.0),)
        )
        book.change(lambda before: msgspec.structs.replace(before, secrets={"worker": stored}))

    allow("messageCreate")
    async with scene.bridge() as rig, rig.app(version=2, secret=value) as raw:
        allow("messageCreate", "messageDelete")
        await scene.closed(raw)


# --- a strict start ---


@row("`missing_intent`")
async def missing_intent(scene: Scene) -> None:
    members = Manifest(name="m", events=("guildMemberAdd",))
    book = SecretFile(scene.folder / "data" / "bridge")
    book.path.parent.mkdir(parents=True)
    value = new_secret()
    stored = StoredSecret(
        allow=StoredAllow(events=tuple(members.events)), values=(StoredValue(hash=digest(value), created_at=0.0),)
    )
    book.change(lambda before: msgspec.structs.replace(before, secrets={"worker": stored}))
    async with FakeDiscord(app=FakeApplication(granted=MESSAGE_CONTENT)) as discord:
        env = {"DISCORD_BOT_TOKEN": discord.token, "DISCORD_API_BASE_URL": discord.api_url}
        async with DaemonProcess(env=env, data_dir=scene.folder / "data") as daemon:
            scene.hear(*await daemon.until_logged("intent_not_asked_for"))
            async with BridgeApp(f"ws://127.0.0.1:{daemon.port}/bridge", value, timing=QUICK) as app:
                with pytest.raises(StrictStartRefused) as refused:
                    await app.ready(strict=True, manifest=members, timeout=WITHIN)
            scene.hear(type(refused.value).__name__, refused.value.message)


@row("`missing_event_capability`")
async def missing(scene: Scene) -> None:
    async with scene.bridge(entry(events=["ready"], actions=["fetchGuild"])) as rig:
        async with rig.app(version=3) as raw:
            assert raw.welcome["capabilities"] == {"events": ["ready"], "actions": ["fetchGuild"]}
            scene.hear("auth.ok")
        await scene.strict(rig, Manifest(name="m", events=("messageCreate",), actions=("sendMessage",)))


@row("`scope_broader_than_expected`")
async def too_broad(scene: Scene) -> None:
    async with scene.bridge() as rig:
        await scene.strict(rig, Manifest(name="m", events=("messageCreate",)))


@row("`too_many_subscriptions`")
async def too_many_subscriptions(scene: Scene) -> None:
    async with scene.bridge(entry(limits=Limits(subscriptions=1))) as rig, scene.app(rig) as app:
        for event in ("messageCreate", "messageDelete"):
            app.on(event, lambda event: None)
        await app.ready(timeout=WITHIN)
        await soon(lambda: "subscriptions_refused" in rig.meter.render().decode())
        await app.actions.send_message(channel_id="1", content="everything before this was read")


# --- actions ---


async def asked(scene: Scene, *entries: Entry, channel_id: str = "10", times: int = 1, **more: Any) -> None:
    """Ask for actions until one fails."""
    async with scene.bridge(*entries, **more) as rig, scene.app(rig) as app:
        await app.ready(timeout=WITHIN)
        for _ in range(times):
            await app.actions.send_message(channel_id=channel_id, content="hello")


@row("`is not allowed for this app`")
async def not_allowed(scene: Scene) -> None:
    await asked(scene, entry(actions=["fetchGuild"]))


@row("`outside of this secret's limits`")
async def outside(scene: Scene) -> None:
    await asked(scene, entry(within=Within(guilds=frozenset({"7"}))))


@row("and a field's name")
async def bad_field(scene: Scene) -> None:
    await asked(scene, channel_id="general")
    assert "channelId" in "".join(scene.heard)


@row("`idempotency_key_reused`")
async def key_reused(scene: Scene) -> None:
    async with scene.bridge() as rig, scene.app(rig) as app:
        for content in ("one", "two"):
            await app.actions.send_message(channel_id="10", content=content, idempotency_key="k")


@row("`actions a minute are used up`")
async def used_up(scene: Scene) -> None:
    await asked(scene, entry(limits=Limits(actions_per_minute=1)), times=2)


class Stuck:
    """An action that ends when it is told to."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def act(self, action: str, params: Any, key: str) -> Any:
        await self.release.wait()
        return {}


async def behind_a_stuck_one(scene: Scene, waiting: int, queue_seconds: float) -> None:
    """One action runs and does not end; the first failure of so many that wait for it is heard."""
    stuck = Stuck()
    channel = PretendChannel(act_with=stuck.act)
    async with scene.bridge(channel=channel, concurrent=1, queue_seconds=queue_seconds) as rig, scene.app(rig) as app:
        await app.ready(timeout=WITHIN)
        send = partial(app.actions.send_message, channel_id="10", content="hello")
        first = asyncio.ensure_future(send())
        await soon(lambda: bool(channel.acted))
        calls = [asyncio.ensure_future(send()) for _ in range(waiting)]
        try:
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            failed = next(call.exception() for call in calls if call.done())
            scene.hear(type(failed).__name__, failed)
        finally:
            stuck.release.set()
            await asyncio.gather(first, *calls, return_exceptions=True)


@row("`too many actions of this secret wait`")
async def long_line(scene: Scene) -> None:
    await behind_a_stuck_one(scene, LINE_LENGTH + 1, queue_seconds=WITHIN)


@row("`waited too long for its turn`")
async def no_turn(scene: Scene) -> None:
    await behind_a_stuck_one(scene, 1, queue_seconds=0.3)


@row("`TIMEOUT`")
async def timed_out(scene: Scene) -> None:
    stuck = Stuck()
    # The bridge's own clock stands still: the action's time begins when the action does, however late that is.
    channel, clock = PretendChannel(act_with=stuck.act), ManualClock()
    async with scene.bridge(channel=channel, clock=clock) as rig, scene.app(rig) as app:
        await app.ready(timeout=WITHIN)
        await app.actions.send_message(channel_id="10", content="hello", timeout=0.2)


# --- events ---


@row("gap `replay_exceeded`")
@row("gap `stream_changed`")
@row("gap `source_interrupted`")
async def gaps(scene: Scene) -> None:
    told: list[Gap] = []
    async with scene.bridge(bounds=Bounds(events=2)) as rig, rig.app(version=3) as keeper:
        await keeper.subscribe({"name": "messageCreate"})
        for number in range(5):
            rig.channel.tell("messageCreate", {"n": number})
        for place in ((rig.bridge.fanout.replay.stream, 1), ("another", 1)):
            async with scene.app(rig, resume_from=place) as app:
                app.on("messageCreate", lambda event: None)
                app.on_gap(told.append)
                await app.ready(timeout=WITHIN)
                await soon(lambda: bool(told))
                scene.hear(told.pop())
                if place[0] == "another":
                    assert rig.channel.sink is not None
                    rig.channel.sink.gap("discord", "source_interrupted")
                    await soon(lambda: bool(told))
                    scene.hear(told.pop())


@row("log `bridge_handler_behind`")
@row("log `bridge_handler_failed`")
async def bad_handler(scene: Scene) -> None:
    hold = asyncio.Event()

    async def handler(event: Event) -> None:
        await hold.wait()
        raise ValueError("the app's own")

    async with scene.bridge() as rig, scene.app(rig) as app:
        app.on("messageCreate", handler)
        await app.ready(timeout=WITHIN)
        await soon(lambda: rig.bridge.fanout.wants("messageCreate"))
        for number in range(LINE + 2):
            rig.channel.tell("messageCreate", {"n": number})
        await soon(lambda: not rig.bridge.apps[0].filters)
        hold.set()
        await soon(lambda: app.position is not None and app.position[1] > 0)
