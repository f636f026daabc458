"""The npm client in a Node process, and a daemon with the bridge beside a FakeDiscord for it to talk to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phantom.bridge.secret_value import digest
from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord
from scripts.shardwire import NotHere, find

DRIVER = Path(__file__).with_name("driver.mjs")
SECRET = "interop-secret-of-32-characters-"
RAW = ("http.get_user",)
NARROW = "narrow-secret-of-32-characters--"
SHARED = "one-value-for-two-secrets-------"

try:
    PACKAGE, WHY_NOT = find(), ""
except NotHere as missing:
    PACKAGE, WHY_NOT = Path(), str(missing)
needs_shardwire = pytest.mark.skipif(bool(WHY_NOT), reason=f"the npm package shardwire is not here: {WHY_NOT}")


class ClientError(Exception):
    """What the npm client threw."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('name')}: {error.get('message')}")
        self.name: str = error.get("name", "")
        self.message: str = error.get("message", "")
        self.code: str = error.get("code", "")
        self.details: Mapping[str, Any] = error.get("details") or {}
        self.report: Mapping[str, Any] = error.get("report") or {}


class Driver:
    """One Node process. `told` holds every call of a handler, `logged` what the clients logged."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.logged: list[dict[str, Any]] = []
        self._process: asyncio.subprocess.Process
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None]
        self._noise: list[str] = []
        self._count = 0

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            "node", str(DRIVER), str(PACKAGE), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, limit=1 << 24
        )
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """End it: it goes when its input ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 30)
        except TimeoutError:
            self._process.kill()
        await self._reading

    async def _read(self) -> None:
        out = self._process.stdout
        assert out is not None
        while line := await out.readline():
            try:
                said = json.loads(line)
            except ValueError:
                self._noise.append(line.decode().rstrip())
                continue
            if "event" in said:
                self.told.append(said)
            elif "log" in said:
                self.logged.append(said)
            elif "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            self._changed.set()
        for waiting in self._waiting.values():
            waiting.set_exception(RuntimeError("\n".join(["the driver ended", *self._noise[-20:]])))

    async def do(self, app: str, op: str, **more: Any) -> Any:
        """One command. Raises `ClientError` for what the client throws."""
        self._count += 1
        number = self._count
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "app": app, "op": op} | more).encode() + b"\n")
        said = await asyncio.wait_for(answer, 60)
        if "error" in said:
            raise ClientError(said["error"])
        return said["value"]

    async def until(self, holds: Callable[[], Any], within: float = 60.0) -> Any:
        """Wait until something that the driver tells makes `holds()` true; what it returned then."""
        try:
            async with asyncio.timeout(within):
                while not (found := holds()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"last told: {self.told[-3:]}, logged: {self.logged[-3:]}") from None
        return found


@dataclass
class App:
    """One client of the driver's."""

    driver: Driver
    name: str

    async def do(self, op: str, **more: Any) -> Any:
        return await self.driver.do(self.name, op, **more)

    async def on(self, event: str, handler: str | None = None, **filters: Any) -> None:
        """Handle an event; `filters` is the filter."""
        more: dict[str, Any] = {"filter": filters} if filters else {}
        await self.do("on", event=event, handler=handler or event, **more)

    async def act(self, action: str, options: Mapping[str, Any] | None = None, /, **params: Any) -> dict[str, Any]:
        """The whole result object."""
        result: dict[str, Any] = await self.do("act", action=action, params=params, options=options)
        return result

    async def done(self, action: str, options: Mapping[str, Any] | None = None, /, **params: Any) -> Any:
        """The data of an action that succeeds."""
        result = await self.act(action, options, **params)
        assert result["ok"], result
        return result["data"]

    async def refused(self, action: str, options: Mapping[str, Any] | None = None, /, **params: Any) -> dict[str, Any]:
        """The error of an action that fails: code, message, details."""
        result = await self.act(action, options, **params)
        assert not result["ok"], result
        error: dict[str, Any] = result["error"]
        return error

    def got(self, handler: str) -> list[dict[str, Any]]:
        """What a handler was called with, oldest first."""
        return [one["data"] for one in self.driver.told if (one["app"], one["handler"]) == (self.name, handler)]

    async def event(self, handler: str, number: int = 1) -> dict[str, Any]:
        """Wait for call number `number` of a handler."""
        await self.driver.until(lambda: len(self.got(handler)) >= number)
        return self.got(handler)[number - 1]

    async def until_connected(self) -> dict[str, Any]:
        """Wait until it is connected (again)."""
        async with asyncio.timeout(60):
            while not (state := await self.do("state"))["connected"]:
                await asyncio.sleep(0.05)
        found: dict[str, Any] = state
        return found


@dataclass
class World:
    """A Discord, the daemon that serves it, and the driver."""

    fake: FakeDiscord
    daemon: DaemonProcess
    driver: Driver

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.daemon.port}/shardwire"

    async def open(self, name: str = "app", secret: str = SECRET, **options: Any) -> App:
        """A client that has not connected."""
        again = {"initialDelayMs": 50, "maxDelayMs": 400}
        await self.driver.do(
            name, "open", options={"url": self.url, "secret": secret, "appName": name, "reconnect": again} | options
        )
        return App(self.driver, name)


SECRETS = [
    {"id": "all", "hash": digest(SECRET), "allow": {"events": "*", "actions": ["*", "runRaw"]}},
    {
        "id": "narrow",
        "hash": digest(NARROW),
        "allow": {"events": ["messageCreate", "ready"], "actions": ["sendMessage"]},
    },
    {"id": "twin-a", "hash": digest(SHARED), "allow": {"events": ["ready"], "actions": []}},
    {"id": "twin-b", "hash": digest(SHARED), "allow": {"events": [], "actions": ["fetchGuild"]}},
]


@asynccontextmanager
async def world(tmp_path: Path, fake: FakeDiscord | None = None, **bridge: Any) -> AsyncIterator[World]:
    """Everything runs, and Discord is connected. `bridge` goes into the configuration's section of that name."""
    section = {"secrets": SECRETS, "raw_methods": RAW} | bridge
    (tmp_path / "phantom.yaml").write_text(json.dumps({"bridge": section}))
    async with fake or FakeDiscord(answer_within=60) as discord:  # the machine may be busy
        await discord.empower_bot()
        env = {"DISCORD_BOT_TOKEN": discord.token, "DISCORD_API_BASE_URL": discord.api_url}
        daemon = DaemonProcess(env=env, data_dir=tmp_path / "data", cwd=tmp_path)
        driver = Driver()
        try:
            await driver.start()
            await daemon.start()
            yield World(discord, daemon, driver)
            assert discord.violations == []
        except (AssertionError, TimeoutError) as error:
            error.add_note(daemon.output[-3000:])
            raise
        finally:
            await driver.stop()
            await daemon.aclose()
