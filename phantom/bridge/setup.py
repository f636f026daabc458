"""Puts a bridge together from its settings, listens, and tells how it is. No logic of the bridge's own.

What does *not* live here: reading settings (`config/`), when the daemon starts and stops what (`phantom/service.py`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from phantom.apps import SupportsApps
from phantom.bridge import catalogue as catalogues
from phantom.bridge import replay
from phantom.bridge.actions import ActionDesk
from phantom.bridge.audit import Audit
from phantom.bridge.gatekeeper import Gatekeeper
from phantom.bridge.grants import Allow, Limits, Within
from phantom.bridge.idempotency import Ledger
from phantom.bridge.listener import Listener
from phantom.bridge.replay_seals import ReplaySeals
from phantom.bridge.scopes import check_allow
from phantom.bridge.secret_book import Entry, SecretBook, Value
from phantom.bridge.secret_file import SecretFile
from phantom.bridge.secret_value import why_unfit
from phantom.bridge.server import Bridge, BridgeParts
from phantom.bridge.tls import Certificate
from phantom.bridge.websocket import PATHS, Endpoint
from phantom.clock import Clock
from phantom.errors import ConfigError, SecretError
from phantom.health import BridgeReport
from phantom.journal import Journal
from phantom.metrics import PrometheusMeter
from phantom.outgoing import Outgoing

if TYPE_CHECKING:
    from phantom.secrets import Secret
    from phantom.webapp import WebApp

log = structlog.get_logger("phantom.bridge")

LIVE_SECONDS = 2.0
"""How long the start waits for the live sources of bridge secrets."""
FOLDER = "bridge"
"""Below the data folder: secrets made by the command, the audit, events kept for apps that come back."""


class SecretSettings(Protocol):
    """One secret of the configuration (`config.bridge_settings.BridgeSecretSettings`)."""

    id: str
    value: Secret | None
    hash: str | None
    allow: Any
    within: Any
    limits: Any

    @property
    def expires_at(self) -> float | None: ...


async def open_bridge(
    settings: Any,
    *,
    channels: Mapping[str, SupportsApps],
    data_dir: Path,
    host: str,
    web: WebApp,
    clock: Clock,
    meter: PrometheusMeter,
    journal: Journal,
    outgoing: Outgoing,
) -> BridgeService:
    """A bridge that is open, and listens or is mounted on the daemon's server. `channels` by kind. Raises
    `ConfigError`.
    """
    if not channels:
        raise ConfigError(
            "no channel of this daemon lends itself to apps", where="bridge", hint="configure Slack or Discord"
        )
    bridge = BridgeService(
        settings,
        channels=channels,
        data_dir=data_dir,
        host=host,
        clock=clock,
        meter=meter,
        journal=journal,
        outgoing=outgoing,
    )
    try:
        await bridge.open()
        if bridge.shares_port:
            for path in PATHS:
                web.add_page(path, bridge.endpoint.handle)
        else:
            await bridge.listen()
    except BaseException:
        await bridge.aclose()
        raise
    return bridge


def entries_of(secrets: Sequence[SecretSettings]) -> tuple[Entry, ...]:
    """The configured secrets. Raises `ConfigError` for a value that cannot be one."""
    found = []
    for one in secrets:
        if one.value is not None:
            _check_value(one.id, one.value)
        found.append(
            Entry(
                id=one.id,
                allow=Allow(events=frozenset(one.allow.events), actions=frozenset(one.allow.actions)),
                within=Within(guilds=_axis(one.within.guilds), channels=_axis(one.within.channels)),
                limits=Limits(**one.limits.model_dump()),
                expires_at=one.expires_at,
                values=() if one.hash is None else (Value(digest=one.hash),),
                handle=one.value,
            )
        )
    return tuple(found)


def _check_value(secret_id: str, value: Secret) -> None:
    try:
        why = why_unfit(value.peek())
    except SecretError:
        return  # a live source that has no value yet; logging in fails until it has one
    if why:
        raise ConfigError(
            f"the value of {secret_id} {why}",
            where=f"bridge.secrets: {secret_id}",
            hint="make one with `phantom bridge secret new`, or `openssl rand -base64 32`",
        )


def _axis(ids: Sequence[str] | None) -> frozenset[str] | None:
    return None if ids is None else frozenset(ids)


class BridgeService:
    """The daemon's bridge: `open`, `mount` on the shared server or `listen` at its own address, `drain`, `aclose`."""

    def __init__(
        self,
        settings: Any,
        *,
        channels: Mapping[str, SupportsApps],
        data_dir: Path,
        host: str,
        clock: Clock,
        meter: PrometheusMeter,
        journal: Journal,
        outgoing: Outgoing,
    ) -> None:
        self._settings = settings
        self._host = host
        self._clock = clock
        self._meter = meter
        folder = data_dir / FOLDER
        self.catalogue = catalogues.installed(enabled=_raw(settings))
        self._audit = Audit(folder, clock, mask=outgoing.redactor.clean_known)
        self._book = SecretBook(
            entries_of(settings.secrets),
            SecretFile(folder),
            clock,
            check=lambda entry: check_allow(entry.allow, self.catalogue, where=f"bridge secret {entry.id}"),
        )
        self._ledger = Ledger(journal, clock)
        self._desk = self._action_desk(channels, outgoing)
        gatekeeper = Gatekeeper(self._book, self.catalogue, self._audit, clock, meter)
        self.uses: Mapping[str, int] = gatekeeper.uses
        """How often each secret of which only a digest is kept was used since the start, by id."""
        bounds = replay.Bounds(
            events=settings.replay_events, size=settings.replay_megabytes << 20, seconds=settings.replay_seconds
        )
        kept = replay.ReplayLog(folder, clock, bounds, outgoing.redactor.clean_payload, journal.at_rest)
        self.seals = ReplaySeals(kept)
        self.bridge = Bridge(
            BridgeParts(
                catalogue=self.catalogue,
                channels=channels,
                gatekeeper=gatekeeper,
                desk=self._desk,
                replay=kept,
                clock=clock,
                meter=meter,
                heartbeat=settings.heartbeat,
                max_connections=settings.max_connections,
            )
        )
        self.endpoint = Endpoint(self.bridge, clock, origins=settings.origins, behind_proxy=settings.behind_tls_proxy)
        self._certificate: Certificate | None = None
        self._listener: Listener | None = None

    def _action_desk(self, channels: Mapping[str, SupportsApps], outgoing: Outgoing) -> ActionDesk:
        return ActionDesk(
            self.catalogue,
            channels,
            self._ledger,
            self._audit,
            self._clock,
            self._meter,
            concurrent=self._settings.concurrent_actions,
            raw_methods=frozenset(self._settings.raw_methods),
            outgoing=outgoing,
        )

    async def open(self) -> None:
        """Read secrets and what was kept. Raises `ConfigError` with the cure; before the channels run."""
        self._check_exposure()
        self._audit.open()
        await self._read_live_secrets()
        self._book.open()
        await self._ledger.load()
        self.bridge.start()
        self._meter.on_scrape(self._scrape)

    @property
    def port(self) -> int:
        """Of its own; 0 when it shares the daemon's."""
        return 0 if self._listener is None else self._listener.port

    async def _read_live_secrets(self) -> None:
        """So that the first login finds them. A source that fails or hangs is read later, in the background."""
        handles = [one.value for one in self._settings.secrets if one.value is not None]
        if handles:
            reading = [asyncio.create_task(handle.refresh()) for handle in handles]
            _, late = await asyncio.wait(reading, timeout=LIVE_SECONDS)
            for task in late:
                task.cancel()
            for task in reading:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    log.warning("bridge_secret_not_read", error=type(error).__name__, what=str(error))

    @property
    def shares_port(self) -> bool:
        """Whether it is served by the daemon's own server."""
        return not (self._settings.host or self._settings.port)

    async def listen(self) -> None:
        """Listen at an address of its own. Raises `ConfigError`."""
        context: ssl.SSLContext | None = None
        if self._settings.tls_certificate is not None:
            self._certificate = Certificate(self._settings.tls_certificate, self._settings.tls_key, self._clock)
            context = self._certificate.context
        host = self._settings.host or self._host
        self._listener = Listener(self.endpoint)
        await self._listener.open(host, self._settings.port, context)
        if self._certificate is not None:
            self._certificate.watch()
        log.info("bridge_listening", host=host, port=self.port, tls=context is not None)

    async def drain(self, seconds: float) -> bool:
        """Let running actions end and tell the apps. False when something had to be cut short."""
        if self._listener is not None:
            self._listener.stop_listening()
        return await self.bridge.drain(seconds)

    async def aclose(self) -> None:
        """Close everything."""
        if self._certificate is not None:
            await self._certificate.aclose()
        await self.bridge.aclose()
        if self._listener is not None:
            await self._listener.aclose()
        self._book.close()
        self._audit.close()

    async def prune(self) -> None:
        """Forget keys whose time is over."""
        await self._ledger.prune()

    def report(self) -> BridgeReport:
        """What is observed now. Safe to paste: no address, no value."""
        bridge, now = self.bridge, self._clock.monotonic()
        kept = bridge.fanout.replay
        apps = [
            {
                "secret": one.grant.secret_id,
                "app": one.app_name,
                "version": one.version,
                "connected_seconds": round(now - one.opened_at, 1),
                "subscriptions": len(one.filters),
                "events_out": one.events_out,
                "behind_bytes": one.wire.waiting(),
                **bridge.capabilities(one.grant),
            }
            for one in bridge.apps
            if one.grant is not None
        ]
        facts = {
            "port": self.port or None,
            "secrets": sum(1 for _ in self._book.entries),
            "apps": apps,
            "bytes_out": bridge.fanout.bytes_out,
            "replay": {"events": kept.depth, "bytes": kept.size, "seq": kept.seq},
            "gaps": bridge.fanout.gaps,
            "slow_readers_cut": bridge.slow_cut,
            "actions": {"running": self._desk.running, "waiting": self._desk.waiting},
        }
        trouble = self._book.trouble
        if self._certificate is not None and self._certificate.trouble:
            trouble = trouble or self._certificate.trouble
        if self._audit.failed:
            trouble = trouble or "the audit cannot be written"
        if bridge.stuck:
            trouble = "nothing is pinged, cut or revoked any more: restart the daemon"
        cure = "see the log" if trouble else ""
        return BridgeReport(state="troubled" if trouble else "serving", trouble=trouble, cure=cure, facts=facts)

    def _check_exposure(self) -> None:
        settings = self._settings
        host = settings.host or self._host
        if _is_loopback(host) or settings.behind_tls_proxy or settings.tls_certificate is not None:
            return
        raise ConfigError(
            f"the bridge would listen on {host} without TLS",
            where="PHANTOM_BRIDGE_HOST" if settings.host else "PHANTOM_HOST",
            hint="set PHANTOM_BRIDGE_HOST=127.0.0.1, or a certificate (PHANTOM_BRIDGE_TLS_CERTIFICATE, _TLS_KEY) with a"
            " PHANTOM_BRIDGE_PORT, or PHANTOM_BRIDGE_BEHIND_TLS_PROXY=true behind a proxy that ends TLS",
        )

    def _scrape(self) -> None:
        bridge, meter = self.bridge, self._meter
        meter.gauge("phantom_bridge_apps", len(bridge.apps))
        meter.gauge("phantom_bridge_replay_events", bridge.fanout.replay.depth)
        meter.gauge("phantom_bridge_replay_bytes", bridge.fanout.replay.size)
        meter.gauge("phantom_bridge_actions_running", self._desk.running)
        meter.gauge("phantom_bridge_actions_waiting", self._desk.waiting)
        meter.gauge("phantom_bridge_bytes_out", bridge.fanout.bytes_out)
        meter.gauge("phantom_bridge_events_out", bridge.fanout.events_out)


def _raw(settings: Any) -> frozenset[str]:
    """Opt-in actions that the configuration switches on."""
    return frozenset({"runRaw"}) if settings.raw_methods else frozenset()


def _is_loopback(host: str) -> bool:
    """Whether only this machine gets there. A name counts for what it says, and only `localhost` says so."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
