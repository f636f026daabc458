"""Secrets while they change under whoever reads them: what stands beside them, who else asks, what is half written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import config
from config.file_secret import FileSecret
from config.file_secrets import FileSecrets
from config.given_secrets import GivenSource
from config.inventory import Declared, MadeSecret
from config.inventory_file import InventoryFile
from config.inventory_keeper import InventoryKeeper
from config.layered_secret import Layer, LayeredSecret
from config.metadata_client import MetadataClient
from config.metadata_fetcher import MetadataFetcher
from config.pointed_files import PointedFiles
from config.polled_secrets import Pace, PolledSecrets
from phantom.clock import SystemClock
from phantom.errors import SecretError
from phantom.testing import FakeMetadata, ManualClock

DEFAULT, BACKUP = "webhook_secret_default", "webhook_secret_backup"
PACE = Pace(interval=60, timeout=30, stale=900, overlap=0)
LONG, SHORT = 30.0, 0.2
"""Seconds that a look at a file may take: where it answers, and where it does not."""


class Manager:
    """A place that holds secrets. `gates`: who asks for that name is told what it held when asked, once opened."""

    def __init__(self) -> None:
        self.texts = {DEFAULT: "first", BACKUP: "before"}
        self.gates: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []
        self.failing = False

    def rotate(self, fresh: str) -> None:
        self.texts[BACKUP] = self.texts[DEFAULT]
        self.texts[DEFAULT] = fresh

    async def read(self, name: str) -> str | None:
        text, fails = self.texts.get(name), self.failing
        self.asked.append(name)
        if name in self.gates:
            await self.gates[name].wait()
        if fails:
            raise SecretError("the manager is away")
        return text

    async def aclose(self) -> None:
        return None


async def until(found: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not found():
            await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["reread", "tick", "default alone"])
async def test_the_old_default_counts_somewhere_at_every_moment(how: str) -> None:
    clock, manager = ManualClock(), Manager()
    secrets = PolledSecrets("exec", manager, clock, PACE)
    default, backup = secrets.source(DEFAULT), secrets.source(BACKUP)
    await asyncio.gather(default.refresh(), backup.refresh())
    clock.advance(61)
    manager.gates[BACKUP] = asyncio.Event()
    slow = asyncio.create_task(backup.refresh())  # asked before the rotation, answered after it
    await until(lambda: manager.asked.count(BACKUP) == 2)
    manager.rotate("second")
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "reread": secrets.reread,
        "tick": secrets.tick,
        "default alone": default.refresh,
    }
    rest = asyncio.ensure_future(ways[how]())
    await until(lambda: manager.asked.count(DEFAULT) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
        assert "first" in (default.current(), backup.current())
    manager.gates.pop(BACKUP).set()
    while not rest.done():
        await asyncio.sleep(0)
        assert "first" in (default.current(), backup.current())
    await asyncio.gather(slow, rest)
    assert (default.current(), backup.current()) == ("second", "first")
    assert default.previous() is None


async def test_the_metadata_service_gives_the_backup_before_the_default_goes() -> None:
    clock = ManualClock()
    async with FakeMetadata(secrets={DEFAULT: "first", BACKUP: "before"}) as service:
        client = MetadataClient(service.url, clock, connect_seconds=30, total_seconds=30)
        fetcher = MetadataFetcher(client, clock, overlap_seconds=0)
        default, backup = fetcher.source(DEFAULT), fetcher.source(BACKUP)
        await asyncio.gather(default.refresh(), backup.refresh())
        service.rotate(BACKUP, "first")
        service.rotate(DEFAULT, "second")
        await default.refresh()
        assert (default.current(), backup.current()) == ("second", "first")
        await fetcher.aclose()
        await client.aclose()


async def test_one_file_that_is_read_again_does_not_go_before_the_other(tmp_path: Path) -> None:
    for names in ((DEFAULT, BACKUP), ("slack_signing_secret", "slack_signing_secret_previous")):
        paths = [tmp_path / name for name in names]
        for path, text in zip(paths, ("first", "before"), strict=True):
            path.write_text(text)
        variables = {f"{name.upper()}_FILE": str(path) for name, path in zip(names, paths, strict=True)}
        files = PointedFiles(
            variables.get,
            lambda name: (name.upper(),),
            tmp_path,
            SystemClock(),
            production=False,
            overlap_seconds=0,
            patience=LONG,
        )
        default, backup = (files.source(name) for name in names)
        paths[1].write_text("first")
        paths[0].write_text("second")
        await default.refresh()
        assert (default.current(), backup.current()) == ("second", "first")


class OneHangs(ThreadPoolExecutor):
    """Threads in which the file of one secret does not answer until the gate is open."""

    def __init__(self, hanging: FileSecret) -> None:
        super().__init__(4)
        self._hanging = hanging
        self.gate = threading.Event()

    def submit(self, call: Any, /, *args: Any, **options: Any) -> Any:
        method = call.args[0]  # `asyncio.to_thread` runs it in a context
        slow = getattr(method, "__self__", None) is self._hanging
        return super().submit(lambda: (slow and self.gate.wait(60), call(*args, **options))[1])


async def test_the_default_waits_for_a_backup_that_hangs(tmp_path: Path) -> None:
    for name, text in ((DEFAULT, "first"), (BACKUP, "before")):
        (tmp_path / name).write_text(text)
    files = FileSecrets([tmp_path], SystemClock(), production=False, overlap_seconds=0, patience=SHORT)
    default, backup = files.source(DEFAULT), files.source(BACKUP)
    threads = OneHangs(backup)
    asyncio.get_running_loop().set_default_executor(threads)
    (tmp_path / BACKUP).write_text("first")
    (tmp_path / DEFAULT).write_text("second")
    try:
        await files.tick()
        assert (default.current(), backup.current()) == ("first", "before")
    finally:
        threads.gate.set()
    async with asyncio.timeout(30):
        while default.current() != "second":  # a busy machine may be slower than a short patience
            assert backup.current() in ("before", "first")
            await files.tick()
    assert backup.current() == "first"


async def test_a_failure_from_before_the_question_is_no_answer_to_it() -> None:
    manager = Manager()
    secrets = PolledSecrets("exec", manager, ManualClock(), PACE)
    default = secrets.source(DEFAULT)
    await default.refresh()
    manager.gates[DEFAULT], manager.failing = asyncio.Event(), True
    earlier = asyncio.create_task(default.refresh())
    await until(lambda: len(manager.asked) == 2)
    manager.failing = False
    manager.rotate("second")
    anew = asyncio.create_task(default.refresh())
    await asyncio.sleep(0)
    manager.gates[DEFAULT].set()
    with pytest.raises(SecretError, match="is away"):
        await earlier
    assert await anew
    assert default.current() == "second"


async def test_another_source_takes_over_without_a_moment_between() -> None:
    clock = SystemClock()
    first = GivenSource("a_token", None, clock, overlap_seconds=300)
    second = GivenSource("a_token", "from-the-second", clock, overlap_seconds=300)
    layers = [Layer(kind="file", source=first), Layer(kind="exec", source=second)]
    secret = LayeredSecret("a_token", layers, clock, overlap_seconds=300)
    first.rotate("from-the-first")
    assert (secret.current(), secret.previous()) == ("from-the-first", "from-the-second")
    await asyncio.sleep(0)
    assert (secret.current(), secret.previous()) == ("from-the-first", "from-the-second")
    first.withdraw()
    assert (secret.current(), secret.previous()) == ("from-the-second", "from-the-first")


@pytest.mark.parametrize("ask", ["refresh", "reread"])
@pytest.mark.parametrize("half", ["empty", "gone"])
async def test_who_asks_while_a_file_is_written_anew_withdraws_nothing(tmp_path: Path, ask: str, half: str) -> None:
    clock, file = ManualClock(), tmp_path / DEFAULT
    file.write_text("first")
    files = FileSecrets([tmp_path], clock, production=False, overlap_seconds=0, patience=LONG)
    secret = files.source(DEFAULT)
    file.write_text("") if half == "empty" else file.unlink()
    await (secret.refresh() if ask == "refresh" else files.reread())
    assert secret.current() == "first"
    clock.advance(3)
    if ask == "refresh":
        with pytest.raises(SecretError):
            await secret.refresh()
    else:
        await files.reread()
    with pytest.raises(SecretError):
        secret.current()
    file.write_text("second")
    await files.reread()
    assert secret.current() == "second"


async def test_a_file_that_does_not_answer_holds_up_nobody(tmp_path: Path) -> None:
    (tmp_path / DEFAULT).write_text("first")
    files = FileSecrets([tmp_path], SystemClock(), production=False, overlap_seconds=0, patience=SHORT)
    secret, gate = files.source(DEFAULT), threading.Event()
    threads = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(threads)
    threads.submit(gate.wait)  # as a folder on a network that hangs
    (tmp_path / DEFAULT).write_text("second")
    try:
        async with asyncio.timeout(30):
            with pytest.raises(SecretError, match="does not answer"):
                await secret.refresh()
            await files.reread()
        assert secret.current() == "first"
        assert threads._work_queue.qsize() == 1, "no second thread is sent after the first"
    finally:
        gate.set()
    async with asyncio.timeout(30):
        while secret.current() != "second":
            with contextlib.suppress(SecretError):  # a busy machine may be slower than a short patience
                await secret.refresh()


def keeper_of(folder: Path, declared: Declared) -> InventoryKeeper:
    clock = ManualClock()
    environ = {"PHANTOM_DATA_DIR": str(folder / "data"), "PROVIDER_TOKEN": "provider-value-1"}
    loaded = config.load(config_dir=None, environ=environ, cwd=folder, channel_models={}, clock=clock, enabled_by={})
    loaded.secrets.find("provider_token")
    return InventoryKeeper(loaded, declared, clock)


async def test_two_looks_at_the_inventory_follow_one_another(tmp_path: Path) -> None:
    """A SIGHUP looks while the look of the second may be writing the file: under one name beside it, both."""
    gate, inside = threading.Event(), [0, 0]
    gate.set()

    def made() -> tuple[MadeSecret, ...]:
        inside[0] += 1
        inside[1] = max(inside)
        gate.wait(30)
        inside[0] -= 1
        return ()

    keeper = keeper_of(tmp_path, Declared(by_kind={}, made=made))
    await keeper.open()
    gate.clear()
    looks = [asyncio.create_task(keeper.look()) for _ in range(2)]
    await until(lambda: inside[0])
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.to_thread(lambda: None)  # behind the second look's thread, if there is one
    gate.set()
    await asyncio.gather(*looks)
    assert inside == [0, 1]


async def test_a_look_while_the_inventory_is_read_does_not_begin_it_anew(tmp_path: Path) -> None:
    earlier = keeper_of(tmp_path, Declared(by_kind={}))
    await earlier.open()
    await earlier.aclose()
    file = InventoryFile(tmp_path / "data")
    remembered = file.path.read_bytes().replace(b'"changes": 0', b'"changes": 7')
    file.path.unlink()
    os.mkfifo(file.path, 0o600)
    end = os.open(file.path, os.O_RDWR)  # whoever reads it waits until we close
    keeper = keeper_of(tmp_path, Declared(by_kind={}))
    opening = asyncio.create_task(keeper.open())
    try:
        await until(lambda: _times_open(file.path) == 2)
        looking = asyncio.create_task(keeper.look())
        await asyncio.wait((looking,), timeout=0.2)
        assert file.path.is_fifo(), "nothing was written over what is not yet read"
        os.write(end, remembered)
    finally:
        os.close(end)
    await asyncio.gather(opening, looking)
    assert {row.name: row.changes for row in keeper.rows}["provider_token"] == 7
    await keeper.aclose()


def _times_open(path: Path) -> int:
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += one.readlink() == path
    return found


async def test_two_reads_of_a_file_at_once(tmp_path: Path) -> None:
    (tmp_path / DEFAULT).write_text("first")
    files = FileSecrets([tmp_path], SystemClock(), production=False, overlap_seconds=0, patience=LONG)
    secret = files.source(DEFAULT)
    (tmp_path / DEFAULT).write_text("second")
    found = await asyncio.gather(secret.look(), *(secret.read() for _ in range(3)), FileSecret.look(secret))
    assert {reading.text for reading in found if reading} == {"second"}
    assert [await secret.refresh() for _ in range(2)] == [True, False]
