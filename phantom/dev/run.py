"""Runs the local workspace, the daemon and the page together until Ctrl-C: the life cycle, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from phantom.dev.daemon_part import DaemonPart
from phantom.dev.environment import daemon_variables, developer_variables, private_config
from phantom.dev.hub import Hub
from phantom.dev.log_feed import LEVELS, LogFeed
from phantom.dev.page_requests import Requests
from phantom.dev.page_server import PageServer
from phantom.dev.screen import Started, first_screen
from phantom.dev.secret_desk import SecretDesk
from phantom.dev.side import Side
from phantom.dev.uploads import Uploads
from phantom.errors import ConfigError
from phantom.redaction import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    transports: Mapping[str, str]
    host: str
    port: int
    open_browser: bool
    data: Path
    keep: bool


def run(*, transport: str, only: str | None, port: int, host: str, open_browser: bool, data_dir: Path | None) -> int:
    """See `phantom.dev.main`."""
    _check_host(host)
    variables = developer_variables(os.environ, Path.cwd())
    transports = {"slack": transport, "discord": _discord_transport(variables)}
    redactor = Redactor()
    redactor.remember_environment(variables)
    feed = LogFeed(_level(variables.get("PHANTOM_LOG_LEVEL") or variables.get("LOG_LEVEL") or "warning"))
    feed.configure(redactor)
    with _data_folder(data_dir) as data:
        wanted = _Wanted(
            transports={only: transports[only]} if only else transports,
            host=host,
            port=port,
            open_browser=open_browser,
            data=data,
            keep=data_dir is not None,
        )
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_main(wanted, variables, redactor, feed))


async def _main(wanted: _Wanted, variables: dict[str, str], redactor: Redactor, feed: LogFeed) -> int:
    asked = _stop_signals()
    uploads = Uploads()
    async with contextlib.AsyncExitStack() as stack:
        source = "metadata" if wanted.transports.get("slack") == "http" else "file"
        desk = await stack.enter_async_context(SecretDesk(source, wanted.data / "secrets"))
        sides = [await stack.enter_async_context(side) for side in _sides(wanted, desk, uploads)]
        local = {"PHANTOM_HOST": "127.0.0.1", "PORT": "0", "PHANTOM_DATA_DIR": str(wanted.data), **desk.variables()}
        for side in sides:
            local |= side.variables()
        daemon = DaemonPart(
            daemon_variables(variables, local), private_config(wanted.data, variables, Path.cwd()), redactor
        )
        hub = Hub(sides, daemon, feed)
        page = PageServer(hub, uploads, Requests(sides, daemon))
        hub.start()
        try:
            # The page first: it shows how the daemon comes up.
            await page.listen(wanted.host, wanted.port)
            await daemon.start()
            for side in sides:
                side.deliver_to(f"http://127.0.0.1:{daemon.port}")
            _show(wanted, page, daemon)
            await _until_stopped(asked, daemon)
        finally:
            await page.close()
            await daemon.stop(drain=not daemon.failed.done())
            await hub.stop()
    return 0


def _sides(wanted: _Wanted, desk: SecretDesk, uploads: Uploads) -> Iterator[Side]:
    if "slack" in wanted.transports:
        from phantom.dev.slack.side import SlackSide

        yield SlackSide(wanted.transports["slack"], desk, uploads)
    if "discord" in wanted.transports:
        from phantom.dev.discord.side import DiscordSide

        yield DiscordSide(wanted.transports["discord"], desk, uploads, wanted.data / "local-discord.json")


def _show(wanted: _Wanted, page: PageServer, daemon: DaemonPart) -> None:
    started = Started(
        page=page.url,
        health=daemon.health_url,
        transports=wanted.transports,
        agent=daemon.agent,
        data=str(wanted.data) if wanted.keep else "",
        wanted_port=wanted.port,
        port=page.port,
    )
    print(first_screen(started, colour=sys.stdout.isatty()), end="", flush=True)
    if wanted.open_browser and _has_desktop():
        webbrowser.open(page.url)


async def _until_stopped(asked: asyncio.Event, daemon: DaemonPart) -> None:
    """Return when a signal came; raise what keeps the daemon from running."""
    signalled = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait((signalled, daemon.failed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        signalled.cancel()
    if daemon.failed.done():
        raise daemon.failed.result()


def _stop_signals() -> asyncio.Event:
    """Set by the first Ctrl-C or SIGTERM. The second one ends the process as if nobody caught it."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asked.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return asked


@contextlib.contextmanager
def _data_folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        folder = kept.expanduser().absolute()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {folder}: {error.strerror}", where="--data-dir") from error
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="phantom-dev-") as made:
        yield Path(made)


def _check_host(host: str) -> None:
    """The page can do anything to the workspace, so it is for this machine only."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host != "localhost":
        raise ConfigError(
            "the page is served to this machine only",
            where="--host",
            hint="use 127.0.0.1; from elsewhere, forward the port: ssh -L 3100:127.0.0.1:3100 …",
        )


def _discord_transport(variables: Mapping[str, str]) -> str:
    chosen = (variables.get("DISCORD_TRANSPORT") or "gateway").strip().lower()
    if chosen not in {"gateway", "http"}:
        raise ConfigError("is neither `gateway` nor `http`", where="DISCORD_TRANSPORT", hint="unset it for `gateway`")
    return chosen


def _level(name: str) -> str:
    level = name.strip().lower()
    if level not in LEVELS:
        raise ConfigError("is not a log level", where="PHANTOM_LOG_LEVEL", hint=f"one of {', '.join(LEVELS[:4])}")
    return level


def _has_desktop() -> bool:
    """Whether opening a browser can work: a text browser in this very terminal would only get in the way."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop, as the daemon in production has it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
