"""Keeps channels running. One channel's failure stays its own; the process and the other channels live on.

Refused credentials are permanent: the channel rests until a secret of its changes. Everything else is tried again,
with growing pauses and jitter. The pause starts over once the channel has been up for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from phantom.channel import Channel, ChannelHealth, Inbox, Meter
from phantom.clock import Clock
from phantom.errors import AuthError, ChannelError, ConfigError, MetadataError, PhantomError, SecretError
from phantom.events import InstallChange
from phantom.health import ChannelReport
from phantom.secrets import Secret

log = structlog.get_logger("phantom.supervisor")

BACKOFF_FIRST = 0.5
BACKOFF_CAP = 60.0
STOP_SECONDS = 10.0
"""How long channels may take to end when the daemon stops."""
STABLE_SECONDS = 60.0
"""Up for this long: the next failure starts with the shortest pause again."""
REVOKED = frozenset({"revoked", "token_revoked", "account_inactive"})
RECHECK_FIRST = 1.0
RECHECK_SECONDS = 30.0
"""While credentials are refused, their source is asked whether they changed: soon, then ever more rarely, at last this
often.
"""


class _ReadyFlag(asyncio.Event):
    """The channel's `ready`, telling the supervisor when it is set."""

    def __init__(self, on_set: Callable[[], None]) -> None:
        super().__init__()
        self._on_set = on_set

    def set(self) -> None:
        first = not self.is_set()
        super().set()
        if first:
            self._on_set()


class SupervisedChannel:
    """One channel, its task, and what was observed of it."""

    def __init__(
        self,
        channel: Channel,
        inbox: Inbox,
        clock: Clock,
        meter: Meter,
        secrets: Sequence[Secret],
        on_ready: Callable[[Channel], Awaitable[None]],
    ) -> None:
        self.channel = channel
        self._inbox = inbox
        self._clock = clock
        self._meter = meter
        self._secrets = secrets
        self._on_ready = on_ready
        self.ready = _ReadyFlag(self._became_ready)
        self.usable = asyncio.Event()
        self.fatal: ConfigError | None = None
        self._verdict: ChannelHealth | None = None
        self._since = clock.now()
        self._restarts = 0
        self._up_at = 0.0
        self._running: asyncio.Task[None] | None = None
        self.greeting: asyncio.Task[None] | None = None
        """What is done once it is ready (the introduction); it must not outlive the channel."""
        self._interruption: PhantomError | None = None

    async def run(self) -> None:
        """Serve until cancelled; returns only for a configuration that can never work (`fatal`)."""
        failures = 0
        while True:
            self._verdict = None
            self._up_at = 0.0
            changed = asyncio.Event()
            ends = [secret.on_change(changed.set) for secret in self._secrets]
            try:
                await self._serve()
            except ConfigError as error:
                self.fatal = error
                self._rest("disabled", error, "config")
                log.error("channel_disabled", channel=self.channel.name, what=error.message, cure=error.hint)
                return
            except (AuthError, SecretError) as error:
                # What was refused may be the value before a rotation that somebody else has noticed meanwhile: then no
                # further change will come to wait for.
                if changed.is_set():
                    await self._secret_changed_meanwhile(error, was_up=self._up_at > 0)
                else:
                    await self._await_new_secret(error, changed)
                failures = 0
                continue
            except PhantomError as error:
                self._rest("backing_off", error, error.code)
            except Exception as error:  # noqa: BLE001 - the supervisor: a channel's bug must not take the daemon down
                log.error("channel_crashed", channel=self.channel.name, traceback=traceback.format_exc())
                self._rest("backing_off", PhantomError(f"crashed with {type(error).__name__}"), "crash")
            finally:
                for end in ends:
                    end()
            stable = self._up_at and self._clock.monotonic() - self._up_at > STABLE_SECONDS
            failures = 1 if stable else failures + 1
            await self._back_off(failures)

    def interrupt(self, error: PhantomError) -> None:
        """Something outside `run` shows that it cannot go on: end it with `error`, which decides what follows."""
        self.usable.clear()
        if self._running is not None and not self._running.done() and self._interruption is None:
            self._interruption = error
            self._running.cancel()

    def report(self) -> ChannelReport:
        """What was observed."""
        observed = self.channel.health()
        if self._verdict is not None:
            observed = replace(
                self._verdict, last_event_at=observed.last_event_at, last_contact_at=observed.last_contact_at
            )
        elif observed.ok and not self.ready.is_set():
            observed = replace(observed, state="connecting")
        return ChannelReport(name=self.channel.name, health=observed, restarts=self._restarts, since=self._since)

    async def _serve(self) -> None:
        self._running = asyncio.create_task(
            self.channel.run(self._inbox, self.ready), name=f"channel {self.channel.name}"
        )
        try:
            await asyncio.wait((self._running,))
            interruption, self._interruption = self._interruption, None
            if interruption is not None:
                if not self._running.cancelled():
                    self._running.exception()  # the interruption says it better; asyncio wants it looked at
                raise interruption
            self._running.result()
            raise PhantomError("the channel ended by itself", code="ended")
        finally:
            self.ready.clear()
            self._meter.gauge("phantom_channel_up", 0, channel=self.channel.name)
            if not self._running.done():
                self._running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait((self._running,))

    def _became_ready(self) -> None:
        self.usable.set()
        self._up_at = self._clock.monotonic()
        self._since = self._clock.now()
        self._meter.gauge("phantom_channel_up", 1, channel=self.channel.name)
        log.info("channel_ready", channel=self.channel.name)
        if self.greeting is None or self.greeting.done():
            self.greeting = asyncio.create_task(_greet(self._on_ready, self.channel), name=f"greet {self.channel.name}")
            self.greeting.add_done_callback(self._greeted)

    def _greeted(self, task: asyncio.Task[None]) -> None:
        """A courtesy that broke: told, and tried again when the channel comes up the next time."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            trace = "".join(traceback.format_exception(error))
            log.error("greeting_broke", channel=self.channel.name, error=type(error).__name__, traceback=trace)

    def _rest(self, state: str, error: PhantomError, cause: str) -> None:
        self._verdict = ChannelHealth(state=state, detail=error.message, cure=error.hint)
        self._since = self._clock.now()
        self._restarts += 1
        self._meter.count("phantom_channel_restarts_total", channel=self.channel.name, cause=cause)

    async def _secret_changed_meanwhile(self, error: PhantomError, *, was_up: bool) -> None:
        """Begin anew: at once, but a channel that did not even come up waits, lest a source that keeps changing make a
        busy loop.
        """
        self.usable.clear()
        self._rest("connecting", error, "secret_changed")
        log.info("channel_secret_changed", channel=self.channel.name, what=error.message)
        if not was_up:
            await self._clock.sleep(RECHECK_FIRST)

    async def _await_new_secret(self, error: PhantomError, changed: asyncio.Event) -> None:
        """Rest until a secret of this channel changes. The source is also asked from time to time.

        `changed` was subscribed before the run began: listeners are told a moment after a change, so a subscription
        made only now would miss one that is on its way.
        """
        self.usable.clear()
        state = "revoked" if error.code in REVOKED else "auth_failed"
        self._rest(state, error, state)
        log.error("channel_credentials_refused", channel=self.channel.name, what=error.message, cure=error.hint)
        pause = RECHECK_FIRST
        while not changed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):  # `wait_for` would swallow a stop that comes with the change
                    await changed.wait()
            pause = min(pause * 2, RECHECK_SECONDS)
            for secret in self._secrets:
                with contextlib.suppress(MetadataError, SecretError):  # still unreachable: ask again later
                    await secret.refresh()
        log.info("channel_secret_changed", channel=self.channel.name)

    async def _back_off(self, failures: int) -> None:
        ceiling = min(BACKOFF_CAP, BACKOFF_FIRST * 2.0 ** min(failures - 1, 10))
        pause = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret
        verdict = self._verdict
        log.warning(
            "channel_backs_off",
            channel=self.channel.name,
            seconds=round(pause, 2),
            what=verdict.detail if verdict else "",
            cure=verdict.cure if verdict else "",
        )
        await self._clock.sleep(pause)


async def _greet(greet: Callable[[Channel], Awaitable[None]], channel: Channel) -> None:
    """Only once the task runs: one that is cancelled before leaves nothing that was never awaited."""
    await greet(channel)


class Supervisor:
    """All channels. Implements `egress.Gate`."""

    def __init__(self) -> None:
        self._channels: dict[str, SupervisedChannel] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, channel: SupervisedChannel) -> None:
        """Before `start`."""
        self._channels[channel.channel.name] = channel

    def start(self) -> None:
        """Run every channel in a task of its own."""
        for name, channel in self._channels.items():
            self._tasks.append(asyncio.create_task(channel.run(), name=f"supervise {name}"))

    async def first_ready(self, seconds: float) -> bool:
        """Wait for the first channel to be ready, at most `seconds`."""
        waits = [asyncio.ensure_future(channel.ready.wait()) for channel in self._channels.values()]
        if not waits:
            return False
        done, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        return bool(done)

    @property
    def fatal(self) -> ConfigError | None:
        """The configuration error to exit with: every channel has one, so nothing is left to serve."""
        errors = [channel.fatal for channel in self._channels.values()]
        return errors[0] if errors and all(errors) else None

    async def until_fatal(self) -> ConfigError:
        """Wait until every channel has given up for its configuration. Raises what looking after one ended with: that
        channel would never come back.
        """
        never: asyncio.Future[ConfigError] = asyncio.get_running_loop().create_future()
        if self._tasks:
            ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                if not task.cancelled():
                    task.result()
        return self.fatal or await never

    async def usable(self, channel: str) -> None:
        await self._channels[channel].usable.wait()

    def refused(self, channel: str, error: PhantomError) -> None:
        self._channels[channel].interrupt(error)

    async def install_changed(self, channel: str, change: InstallChange) -> None:
        """The platform says that the app was removed or its tokens revoked."""
        if change is InstallChange.RATE_LIMITED:
            log.warning("platform_limits_events", channel=channel, cure="the platform drops events for a minute")
            return
        # Believed only as far as a fresh start goes: it proves the token, which may have been renewed meanwhile.
        gone = "uninstalled" if change is InstallChange.UNINSTALLED else "stripped of its tokens"
        error = ChannelError(f"the app was {gone}", code=change.value, hint="install the app again")
        self._channels[channel].interrupt(error)

    def reports(self) -> tuple[ChannelReport, ...]:
        """Every channel's report, by name."""
        return tuple(channel.report() for _, channel in sorted(self._channels.items()))

    async def aclose(self) -> None:
        """Stop all channels."""
        greetings = [channel.greeting for channel in self._channels.values() if channel.greeting is not None]
        tasks = [*self._tasks, *greetings]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
