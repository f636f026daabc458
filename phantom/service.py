"""One running Phantom: what is started in which order, observed while it runs, drained and stopped.

Order of a start: data folder, journal, listening socket, channels; then, behind them, the agent and the turns. So the
daemon admits and acknowledges within half a second, and what it admitted waits durably until turns can begin.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import traceback
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from phantom import __version__, early_signals
from phantom.access import AccessRules
from phantom.at_rest import EncryptionAtRest
from phantom.bridge_host import BridgeHost
from phantom.channel import (
    Channel,
    SupportsClose,
    SupportsIntroduction,
    SupportsRoutes,
    SupportsSecrets,
)
from phantom.clock import Clock, SystemClock
from phantom.data_folder import DataFolder
from phantom.engine import Engine
from phantom.errors import ConfigError, PhantomError, StorageError
from phantom.health import HealthReport, distinct, never_started
from phantom.journal import Journal
from phantom.loop_watch import LoopWatch
from phantom.messages import Outcome
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing
from phantom.redaction import Redactor
from phantom.secret_upkeep import Inventory, Reread, SecretUpkeep
from phantom.service_manager import ServiceManager
from phantom.storage import schema
from phantom.supervisor import SupervisedChannel, Supervisor
from phantom.webapp import WebApp

if TYPE_CHECKING:
    from config import LoadedConfig

log = structlog.get_logger("phantom.daemon")

TURNS_AFTER = 0.7
"""Seconds that the turns' heavy import waits for a channel to be ready first."""
UPKEEP_SECONDS = 3600.0
JOURNAL_WATCH_SECONDS = 0.5
STOP_SECONDS = 5.0
"""How long a cancelled part may take to end; nothing may keep the daemon from stopping."""
KEEP = timedelta(days=7)
"""How long finished events, sends and checkpoints are remembered; longer than any platform retries."""


class Service:
    """The daemon's life. `start`, then `stop`; `serve` does both around a wait for signals."""

    def __init__(
        self,
        config: LoadedConfig,
        *,
        channels: Callable[[Service], Mapping[str, Channel]],
        redactor: Redactor,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
        inventory: Inventory | None = None,
    ) -> None:
        self.config = config
        self.core = config.core
        self.clock = clock or SystemClock()
        self.meter = PrometheusMeter()
        self.folder = DataFolder(Path(self.core.data_dir).expanduser().resolve())
        self.supervisor = Supervisor()
        self.outgoing = Outgoing(redactor, self.clock, self.meter, self.folder.path / "files")
        self.web = WebApp(self.report, self.meter, redactor)
        self.manager = ServiceManager(environ or {})
        self.watch = LoopWatch(self.clock, self.meter, self.manager)
        self.encryption = EncryptionAtRest(self.folder.path, self.clock, self.meter)
        self.secrets = SecretUpkeep(inventory, self._look_at_secrets_again, self.meter)
        self.channels: Mapping[str, Channel] = {}
        self.disabled: dict[str, ConfigError] = {
            name: section.error for name, section in config.channels.items() if section.error is not None
        }
        self._make_channels = channels
        self._tasks: list[asyncio.Task[None]] = []
        self._journal: Journal | None = None
        self._engine: Engine | None = None
        self.bridge = BridgeHost(config.bridge)
        self._started_at = self.clock.now()
        self._draining = False
        self.failed: asyncio.Future[PhantomError]

    # --- start ---

    async def start(self) -> None:
        """Up to the point where events are admitted. Raises `ConfigError` or `StorageError` with the cure."""
        self.failed = asyncio.get_running_loop().create_future()
        self.folder.open()
        self._journal = Journal(
            self.folder.path / "phantom.sqlite", synchronous=self.core.journal_synchronous, meter=self.meter
        )
        await self._journal.open()
        await self.config.secrets.start()
        await self.encryption.open(self._journal, self.config.secrets, self.core.encryption)
        self.channels = self._make_channels(self)
        engine = self._engine = Engine(self, self._journal)
        for channel in self.channels.values():
            self._mount(channel, engine)
        await self.bridge.open(self, self._journal)
        await self.web.listen(self.core.host, self.core.port)
        log.info("listening", host=self.core.host, port=self.web.port, channels=sorted(self.channels))
        await engine.load_memory()
        self.supervisor.start()
        self._spawn(self.watch.run(), "loop watch")
        self._spawn(self._bring_up_turns(engine), "turns")
        self._spawn(self._upkeep(engine), "upkeep")
        self._spawn(self.encryption.run(), "encryption")
        self._spawn(self._watch_journal(self._journal), "journal watch")
        self._spawn(self._watch_fatal(), "fatal")
        self._spawn(self.secrets.run(), "secret inventory")
        self._spawn(self.secrets.obey(), "secrets")
        self.meter.on_scrape(lambda: self._scrape(engine))

    def _mount(self, channel: Channel, engine: Engine) -> None:
        if isinstance(channel, SupportsRoutes):
            for route in channel.routes():
                self.web.add_route(route)
        secrets = channel.secrets if isinstance(channel, SupportsSecrets) else ()
        self.supervisor.add(
            SupervisedChannel(
                channel,
                engine.inbox,
                self.clock,
                self.meter,
                secrets,
                self._greet,
            )
        )

    def disable(self, name: str, error: ConfigError) -> None:
        """A channel that cannot be built; it is shown as disabled and the others run."""
        self.disabled[name] = error

    def rules(self) -> dict[str, AccessRules]:
        """Each channel's access rules, from its own settings."""
        found: dict[str, AccessRules] = {}
        for name in self.channels:
            settings = self.config.channels[name].settings
            options = getattr(settings, "policy_options", None)
            found[name] = AccessRules.from_options(options()) if callable(options) else AccessRules()
        return found

    async def _bring_up_turns(self, engine: Engine) -> None:
        await self.supervisor.first_ready(TURNS_AFTER)
        self.manager.ready(f"{len(self.channels)} channel(s)")
        try:
            await engine.start_turns()
            engine.runner.look_after_seals(self.encryption)
        except (ConfigError, StorageError) as error:
            if not self.failed.done():
                self.failed.set_result(error)
            return
        gc.freeze()  # what is loaded by now stays: a collection shall not look through all of it again and again
        log.info("turns_running", agent=engine.agent_name, seconds=round(self.clock.now() - self._started_at, 3))
        await engine.pipeline.run()

    async def _greet(self, channel: Channel) -> None:
        """The introduction, exactly once ever: its outbox row is kept for good."""
        engine = self._engine
        if engine is None or not isinstance(channel, SupportsIntroduction):
            return
        try:
            message = await channel.introduction()
            if message is None:
                return
            earlier = await engine.outbox.look(message.idempotency_key)
            if earlier is not None and earlier.receipt is not None:
                if earlier.receipt.outcome is not Outcome.FAILED:
                    return
                await engine.outbox.forget(message.idempotency_key)  # surely not sent: the cause may be mended by now
            receipt = await engine.egress.deliver(channel, message)
            if receipt.outcome is Outcome.SENT:
                await channel.introduced(receipt)
                log.info("introduction_sent", channel=channel.name)
        except PhantomError as error:
            log.warning("introduction_not_sent", channel=channel.name, what=error.message, cure=error.hint)

    async def _watch_fatal(self) -> None:
        error = await self.supervisor.until_fatal()
        if not self.failed.done():
            self.failed.set_result(error)

    async def _watch_journal(self, journal: Journal) -> None:
        """Say once when the journal cannot write and once when it can again. Whether it can is tried, not awaited: a
        sender may well stay away until `/ready` says that we are back.
        """
        told = False
        while True:
            await self.clock.sleep(JOURNAL_WATCH_SECONDS)
            if journal.broken:
                raise StorageError(journal.fault, hint="the log has the traceback")
            if journal.fault:
                if not told:
                    cure = f"free space in {self.folder.path} or make it writable; senders try again meanwhile"
                    log.error("journal_cannot_write", what=journal.fault, cure=cure)
                told = True
                with contextlib.suppress(StorageError):
                    await journal.write(schema.touch)
            elif told:
                told = False
                log.info("journal_writes_again")

    async def _upkeep(self, engine: Engine) -> None:
        while True:
            await self.clock.sleep(UPKEEP_SECONDS)
            before = datetime.fromtimestamp(self.clock.now(), UTC) - KEEP
            try:
                await engine.prune(before)
                await self.bridge.prune()
            except StorageError as error:
                log.warning("upkeep_failed", what=error.message, cure=error.hint)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._look_after)
        self._tasks.append(task)

    def _look_after(self, task: asyncio.Task[None]) -> None:
        """A part of the daemon broke in a way that nobody foresaw: stop loudly rather than live on by halves."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        trace = "".join(traceback.format_exception(error))
        log.critical("daemon_part_broke", part=task.get_name(), error=type(error).__name__, traceback=trace)
        if not self.failed.done():
            cure = "report the traceback in the log; a service manager starts Phantom again"
            self.failed.set_result(PhantomError(f"{task.get_name()} broke: {type(error).__name__}", hint=cure))

    async def _look_at_secrets_again(self) -> Reread:
        from config.rereading import reread

        return await reread(self.config)

    # --- observe ---

    async def report(self) -> HealthReport:
        """What `/health`, `/ready` and `phantom status` show."""
        journal, engine = self._journal, self._engine
        fault = "" if journal is None else journal.fault
        backlog = 0
        if journal is not None and engine is not None:
            try:
                backlog = await journal.backlog()
            except StorageError as error:
                fault = fault or error.message
        return HealthReport(
            name=self.core.name,
            version=__version__,
            now=self.clock.now(),
            started_at=self._started_at,
            agent=engine.agent_name if engine else "",
            channels=self.supervisor.reports() + never_started(self.disabled, self._started_at),
            journal_fault=fault,
            backlog=backlog,
            turns_running=engine.runner.running if engine else 0,
            turns_state=engine.runner.state if engine else "starting",
            turns_trouble=engine.runner.trouble if engine else None,
            loop_lag=self.watch.lag,
            draining=self._draining,
            warnings=distinct(
                (
                    *self.outgoing.warnings(),
                    *self.config.notices,
                    *self.config.secrets.warnings(),
                    *self.secrets.warnings(),
                    *self.encryption.warnings(),
                    *(engine.runner.database.warnings() if engine else ()),
                )
            ),
            encryption=self.encryption.report(),
            bridge=self.bridge.report(),
        )

    def _scrape(self, engine: Engine) -> None:
        journal = self._journal
        if journal is not None:
            self.meter.gauge("phantom_journal_pending_writes", journal.depth)
            self.meter.gauge("phantom_journal_fault", 1 if journal.fault else 0)
        self.meter.gauge("phantom_turns_running", engine.runner.running)
        self.secrets.scrape()
        self.encryption.scrape()
        self.meter.gauge("phantom_metadata_stale", 1 if self.config.secrets.stale else 0)

    # --- stop ---

    async def drain(self) -> bool:
        """Begin nothing new and let running turns end. What came in meanwhile stays in the journal."""
        self._draining = True
        self.manager.stopping()
        engine = self._engine
        if engine is None:
            return True
        self.web.stop_listening()
        seconds = self.core.drain_seconds
        done = all(await asyncio.gather(engine.pipeline.drain(seconds), self.bridge.drain(seconds)))
        log.info("drained", complete=done)
        return done

    async def stop(self) -> None:
        """Close everything. Turns cut short are resumed by the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        await self.supervisor.aclose()
        await self.bridge.aclose()
        await self.web.aclose()
        if self._engine is not None:
            await self._engine.aclose()
        for channel in self.channels.values():
            if isinstance(channel, SupportsClose):
                await channel.aclose()
        await self.secrets.aclose()
        await self.config.secrets.aclose()
        if self._journal is not None:
            await self._journal.aclose()
        self.folder.close()

    async def serve(self) -> int:
        """Start, run until SIGTERM/SIGINT, drain, stop. Returns the exit status; a second signal cuts the drain."""
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[None] = asyncio.Queue()
        for number in early_signals.STOP:
            loop.add_signal_handler(number, signals.put_nowait, None)
        loop.add_signal_handler(signal.SIGHUP, self.secrets.hang_up)
        if early_signals.hang_up_was_asked():
            self.secrets.hang_up()
        asked = asyncio.ensure_future(signals.get())
        try:
            if not await self._started(asked):
                log.info("stopped_while_starting")
                return 0
            await asyncio.wait((asked, self.failed), return_when=asyncio.FIRST_COMPLETED)
            if self.failed.done():
                raise self.failed.result()
            log.info("stopping", drain_seconds=self.core.drain_seconds)
            await self._drain_until(asyncio.ensure_future(signals.get()))
        finally:
            asked.cancel()
            await self.stop()
            for number in (*early_signals.STOP, signal.SIGHUP):
                loop.remove_signal_handler(number)
            early_signals.heed()  # the loop, when it closes, would leave what ends a process with another status
        log.info("stopped")
        return 0

    async def _started(self, asked: asyncio.Future[None]) -> bool:
        """Start, unless asked to stop before that is done: what is waited for, an encryption key say, may not come."""
        starting = asyncio.ensure_future(self.start())
        await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,), timeout=STOP_SECONDS)
            if starting.done() and not starting.cancelled():
                starting.exception()  # seen: whoever stops it need not mend it
            return False
        starting.result()
        return True

    async def _drain_until(self, again: asyncio.Future[None]) -> None:
        """Drain, but not past a second signal."""
        drain = asyncio.ensure_future(self.drain())
        await asyncio.wait((drain, again), return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if drain.done():
            drain.result()
        else:
            log.warning("drain_cut_short")
            drain.cancel()
            await asyncio.wait((drain,), timeout=STOP_SECONDS)
