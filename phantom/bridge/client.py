"""The bridge for Python apps: events to handlers, typed actions, a connection that keeps itself.

    app = BridgeApp("ws://127.0.0.1:3100/bridge", secret, app_name="dashboard")

    @app.on("messageCreate", filter={"guildId": "7"})
    async def seen(event): ...

    await app.ready(strict=True, manifest=manifest)
    await app.actions.send_message(channel_id="10", content="hello")

After a lost connection it comes back by itself, subscribes again and goes on after the last event that it had; what the
bridge no longer has is told as a gap. A refused secret ends it. What does *not* live here: frames on the way
(`client_link.py`, `client_session.py`), what fits (`diagnosis.py`), a program around an app (`client_program.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import structlog

from phantom.bridge import catalogue as catalogues
from phantom.bridge.client_actions import Actions
from phantom.bridge.client_errors import ActionFailed, BridgeUnavailable, SecretRefused, StrictStartRefused
from phantom.bridge.client_handlers import Event, Gap, GapHandler, Handler, HandlerTable
from phantom.bridge.client_link import Linker, in_process, websocket
from phantom.bridge.client_session import Session, SessionOver
from phantom.bridge.diagnosis import Report, diagnose, unreachable
from phantom.bridge.grants import Allow
from phantom.bridge.manifest import Manifest, read
from phantom.bridge.scopes import Capabilities, Explanation, explain, generate_secret_scope
from phantom.clock import Clock, SystemClock
from phantom.errors import BridgeError
from phantom.secrets import Secret, held

if TYPE_CHECKING:
    from phantom.bridge.server import Bridge

log = structlog.get_logger("phantom.bridge.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. Attempts to connect are `first_delay` apart, then twice that and so on up to `longest_delay`, each
    varied by a fifth. `action`: how long an action may take when the call says nothing.
    """

    connect: float = 10.0
    login: float = 10.0
    first_delay: float = 0.5
    longest_delay: float = 10.0
    action: float = 30.0


class BridgeApp:
    """One app. Nothing connects before `ready`, `preflight` or an action; `close` (or `async with`) ends it."""

    def __init__(
        self,
        url: str = "",
        secret: Secret | str = "",
        *,
        secret_id: str | None = None,
        app_name: str | None = None,
        linker: Linker | None = None,
        timing: Timing | None = None,
        resume_from: tuple[str, int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._secret = secret if isinstance(secret, Secret) else held("bridge_secret", secret)
        self._linker = linker or websocket(url, connect_seconds=self._timing.connect)
        self._hello = {"secretId": secret_id, "appName": app_name}
        self._clock = clock or SystemClock()
        self._handlers = HandlerTable()
        self._handlers.progress.position = resume_from
        self._received = resume_from
        self._session: Session | None = None
        self._open = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._refusal: BridgeError | None = None
        self._last_error: BridgeError | None = None
        self._strict: tuple[Manifest, Allow | None] | None = None
        self._catalogue: catalogues.Catalogue | None = None
        self.actions = Actions(self.call)
        """Every action as a typed method, e.g. `send_message`."""

    @classmethod
    def inside(cls, bridge: Bridge, secret: Secret | str, **options: Any) -> Self:
        """An app in the daemon's own process: the same API, scopes and audit, no socket."""
        return cls(secret=secret, linker=in_process(bridge), **options)

    # --- events ---

    def on(
        self,
        event: str | Sequence[str],
        handler: Handler | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `handler` with an `Event` for each one that passes `filter` (keys ANDed; a value or a list of them).

        `event` is a name or several. What one call of `on` asked for is handled one by one, in order; several run side
        by side. As a decorator it returns the function; called with a handler it returns a function that ends it.
        """
        if handler is None:
            return lambda function: (self.on(event, function, filter=filter), function)[1]
        end = self._handlers.add(event, handler, filter)
        self._changed()

        def off() -> None:
            end()
            self._changed()

        return off

    def on_gap(self, handler: GapHandler) -> None:
        """Call `handler` when events may be missing: fetch what matters anew. It runs beside the events' handlers."""
        self._handlers.on_gap(handler)

    @property
    def position(self) -> tuple[str, int] | None:
        """Stream and number up to which every event has been handled. Keep it, and give it as `resume_from` to go on
        there after a restart of the app; None before the first connection.
        """
        return self._handlers.progress.position

    # --- the connection ---

    async def ready(
        self,
        *,
        strict: bool = False,
        manifest: Manifest | None = None,
        expected_scope: Allow | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - part of the API
    ) -> Capabilities:
        """Connect, log in, subscribe; what is granted. Waits for a bridge that is not there yet, at most `timeout`
        seconds (None: for ever).

        `strict` compares `manifest`, the handlers and the grant, now and at every reconnect. Raises `SecretRefused`,
        `StrictStartRefused`, or `BridgeUnavailable` after `timeout`.
        """
        if strict:
            if manifest is None:
                raise BridgeError("a strict start needs a manifest", hint="give ready(strict=True, manifest=...)")
            self._strict = (manifest, expected_scope)
        session = await self._connected(timeout)
        self._check_strict(session)
        return session.capabilities

    async def preflight(
        self,
        manifest: Manifest,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - part of the API
    ) -> Report:
        """What a strict start would say. Never raises: a bridge that cannot be asked is part of the report."""
        catalogue = self._known()
        try:
            session = await self._connected(timeout)
        except BridgeError as error:
            return unreachable(manifest, catalogue, error.message, error.hint)
        return diagnose(
            manifest,
            catalogue,
            session.capabilities,
            session.intents,
            subscriptions=self._handlers.declared(),
        )

    def explain(self, name: str) -> Explanation:
        """Whether the event or action is granted, and whether the intent or the secret denies it."""
        session = self._session
        capabilities = session.capabilities if session is not None else Capabilities()
        return explain(name, self._known(), capabilities, session.intents if session is not None else None)

    @property
    def connected(self) -> bool:
        """Logged in now."""
        return self._open.is_set()

    @property
    def connection_id(self) -> str | None:
        """The bridge's name for the connection; None while there is none."""
        return self._session.connection_id if self._session is not None and self.connected else None

    @property
    def capabilities(self) -> Capabilities:
        """What is granted now; nothing while not connected."""
        return self._session.capabilities if self._session is not None and self.connected else Capabilities()

    async def until(self, stop: asyncio.Event) -> None:
        """Wait until `stop` is set or the app is closed. Raises `SecretRefused` or `StrictStartRefused` when the bridge
        ends it for good before that.
        """
        waiting = asyncio.ensure_future(stop.wait())
        runner = self._running()
        try:
            await asyncio.wait((waiting, runner), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if isinstance(self._refusal, SecretRefused | StrictStartRefused):
            raise self._refusal
        if runner.done() and not runner.cancelled():
            runner.result()

    async def close(self, *, grace: float = 0.0) -> None:
        """Leave. Handlers get `grace` seconds to work off what waits for them, then they are cancelled; pending actions
        fail with DISCONNECTED.
        """
        self._handlers.leaving = True
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._handlers.idle()
        self._refusal = self._refusal or BridgeUnavailable("the app has been closed")
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self._handlers.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- actions ---

    async def call(
        self,
        name: str,
        data: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> Any:
        """Do an action and return its answer's data. `wait` (seconds) travels along and cancels at the bridge.

        With an `idempotency_key` a lost connection is no failure: the same request is asked again and runs once.
        Raises `ActionFailed`, `SecretRefused`.
        """
        seconds = self._timing.action if wait is None else wait
        deadline = self._clock.monotonic() + seconds
        while True:
            left = deadline - self._clock.monotonic()
            try:
                session = await self._connected(max(0.0, left))
            except BridgeUnavailable as error:
                raise ActionFailed(name, "DISCONNECTED", error.message) from error
            left = max(0.0, deadline - self._clock.monotonic())
            try:
                return await session.call(name, data, key=idempotency_key, seconds=left)
            except SessionOver as error:
                if self._session is session:
                    # Who reads the line has not heard yet that it is cut. It is not asked again until there is another:
                    # asking fails at once and lets nothing else run, not even whoever would hear.
                    self._open.clear()
                if idempotency_key is None or self._clock.monotonic() >= deadline:
                    message = "the connection closed before the answer came"
                    raise ActionFailed(name, "DISCONNECTED", message, {"unknown": error.sent}) from error

    # --- inside ---

    def _known(self) -> catalogues.Catalogue:
        if self._catalogue is None:
            self._catalogue = catalogues.installed()
        return self._catalogue

    async def _connected(self, seconds: float | None) -> Session:
        """The session, once there is one. Raises `BridgeUnavailable` after `seconds`, or why there never will be."""
        if self._refusal is not None:
            raise self._refusal
        if self._session is not None and self._open.is_set():
            return self._session
        runner = self._running()
        waiting = asyncio.ensure_future(self._open.wait())
        try:
            await asyncio.wait((waiting, runner), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._refusal is not None:
            raise self._refusal
        if runner.done() and not runner.cancelled():
            runner.result()  # a fault of ours or of the linker, which must not pass for a silent bridge
        if self._session is None or not self._open.is_set():
            raise self._last_error or BridgeUnavailable("the bridge did not answer in time")
        return self._session

    def _running(self) -> asyncio.Task[None]:
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._keep(), name="bridge app")
        return self._runner

    async def _keep(self) -> None:
        """Connect, and connect again, until closed or refused."""
        attempt = 0
        while self._refusal is None:
            try:
                await self._one_session()
                attempt = 0
            except (SecretRefused, StrictStartRefused) as error:
                self._refusal = error
                log.error("bridge_app_refused", what=error.message, cure=error.hint)
                return
            except BridgeUnavailable as error:
                self._last_error = error
            delay = min(self._timing.longest_delay, self._timing.first_delay * 2 ** min(attempt, 16))
            attempt += 1
            await self._clock.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret

    async def _one_session(self) -> None:
        """From connecting to the end of one connection. Returns when it was up and ended."""
        link = await self._linker()
        session = Session(link, self._handlers, self._clock, self._moved)
        try:
            hello = {name: value for name, value in self._hello.items() if value is not None}
            await session.log_in({"secret": self._secret.reveal(), **hello}, self._timing.login)
            self._check_strict(session)
            await session.subscribe(self._received)
            self._session = session
            self._open.set()
            await session.serve()
        finally:
            self._open.clear()
            await session.aclose()

    def _check_strict(self, session: Session) -> None:
        if self._strict is None:
            return
        manifest, expected = self._strict
        report = diagnose(
            manifest,
            self._known(),
            session.capabilities,
            session.intents,
            subscriptions=self._handlers.declared(),
            expected=expected,
        )
        if not report.ok:
            raise StrictStartRefused(report)

    def _moved(self, stream: str, seq: int) -> None:
        self._received = (stream, seq)

    def _changed(self) -> None:
        if self._session is not None and self._open.is_set():
            self._session.resubscribe()


def read_manifest(path: Path) -> Manifest:
    """The manifest in a .json or .yaml file, checked against everything that bridges offer. Raises `ConfigError`."""
    return read(path, catalogues.installed())


__all__: Sequence[str] = [
    "ActionFailed",
    "Allow",
    "BridgeApp",
    "BridgeUnavailable",
    "Event",
    "Gap",
    "Manifest",
    "SecretRefused",
    "StrictStartRefused",
    "Timing",
    "generate_secret_scope",
    "read_manifest",
]
