"""One run of the gateway, from login to its end: shards counted and watched, first answers to interactions sent.

What does *not* live here: the socket itself (`gateway_client.py`), payloads (`intake.py`), history (`backfill.py`), and
what outlives a run (`gateway.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from channels.discord.apps import DiscordApps
from channels.discord.backfill import PATIENCE, Backfill, Watermark
from channels.discord.boot import Bound
from channels.discord.decode import number, text
from channels.discord.egress import Echoes
from channels.discord.gateway_errors import GARBLED, from_gateway, unreachable
from channels.discord.intake import Ears, Intake
from channels.discord.memo import Memo
from channels.discord.place import CHANNEL, THREADS
from channels.discord.rest import DiscordRest
from channels.discord.settings import DiscordSettings
from channels.discord.token_seal import TokenSeal
from phantom.channel import ChannelContext, Inbox
from phantom.errors import AuthError, ChannelError
from phantom.secrets import Secret

if TYPE_CHECKING:
    from channels.discord.gateway_client import GatewayClient

log = structlog.get_logger(__name__)

FRAMES = "phantom_socket_frames_total"
WATCH_EVERY = 1.0
READY_WITHIN = 30.0
"""Seconds for one shard to be ready; each further shard of a bucket gets five more, as Discord paces them."""
RESUME_WITHIN = 5.0
AWAY_WITHIN = 60.0
"""Seconds that a shard may be away before the whole client is begun anew."""
MAX_LATENCY = 20.0
CANCEL_AGAIN = 0.25
"""Seconds after which a task that was cancelled, and goes on, is cancelled once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What a run works with and leaves behind."""

    settings: DiscordSettings
    context: ChannelContext
    rest: DiscordRest
    bot_token: Secret
    memo: Memo
    directs: Memo
    echoes: Echoes
    watermark: Watermark
    seal: TokenSeal
    guilds: Container[str]
    apps: DiscordApps


class GatewayRun:
    """One client from login to its end. Implements `gateway_client.Tap`."""

    def __init__(
        self, parts: RunParts, inbox: Inbox, bound: Bound, live: Callable[[], None], *, shard_count: int
    ) -> None:
        settings = self._settings = parts.settings
        self._rest = parts.rest
        self._token = parts.bot_token
        self._watermark = parts.watermark
        self._apps = parts.apps
        self._bound = bound
        self._known = parts.watermark.seen
        self._clock = parts.context.clock
        self._meter = parts.context.meter
        self._live = live
        self.shard_count = shard_count
        self.wanted = frozenset(settings.shard_ids or range(shard_count))
        self.up: set[int] = set()
        self.resumed = self.reconnects = self.broken = 0
        self.last_contact_at: float | None = None
        self._frames: dict[str, Callable[[], None]] = {}
        self._lost_at: dict[int, float] = {}
        self._up_since: dict[int, float] = {}
        self._shown_by = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: GatewayClient | None = None
        self._refusal: AuthError | None = None
        self.intake = Intake(
            Ears(
                inbox=inbox,
                me=bound.me.user_id,
                application=bound.me.application_id,
                guilds=parts.guilds,
                memo=parts.memo,
                directs=parts.directs,
                echoes=parts.echoes,
                seal=parts.seal,
                look_up=self._look_up,
                respond=self._respond,
                seen=self._watermark.saw,
                spawn=self.spawn,
                left_to_apps=self._apps.left_to_apps,
                missed=self._missed,
            ),
            self,
            parts.context,
        )
        self.backfill = Backfill(
            self._rest,
            self.intake,
            self._watermark,
            parts.directs,
            limit=settings.backfill_messages,
            with_members=bool(settings.allowed_roles),
            guilds=parts.guilds,
            clock=self._clock,
            spawn=self.spawn,
        )

    # --- life ---

    async def serve(self, gateway_url: str, max_concurrency: int) -> None:
        import aiohttp
        import discord

        from channels.discord.gateway_client import GatewayClient

        client = self._client = GatewayClient(
            tap=self,
            clock=self._clock,
            base_url=self._settings.api_base_url,
            gateway_url=gateway_url,
            message_content=self._settings.message_content,
            direct_messages=self._settings.direct_messages,
            further=self._apps.session(self._bound.me, self, self.shard_count),
            hear=None if self._apps.events is None else self._apps.events.hear,
            shard_ids=tuple(sorted(self.wanted)),
            shard_count=self.shard_count,
            max_concurrency=max_concurrency,
            heartbeat_timeout=self._settings.heartbeat_timeout,
        )
        try:
            await client.login(self._token.reveal())
            connected = asyncio.create_task(client.connect(), name="discord-gateway")
            watching = asyncio.create_task(self._watch(client, max_concurrency), name="discord-watch")
            keeping = asyncio.create_task(self._watermark.keep(), name="discord-watermark")
            try:
                await asyncio.wait((connected, watching, keeping), return_when=asyncio.FIRST_COMPLETED)
                for task in (connected, watching, keeping):
                    if task.done():
                        task.result()
                raise unreachable("the gateway client ended by itself")
            finally:
                await _end(connected, watching, keeping)
        except (discord.DiscordException, aiohttp.ClientError, OSError, *GARBLED) as error:
            # Not chained: discord.py's errors quote answers.
            raise from_gateway(error, counted=self._settings.shard_count is not None) from None

    async def aclose(self) -> None:
        """Close the sockets and end the small jobs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for shard in list(self.up):
            self._down(shard)
        if self._client is not None:
            await self._client.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a short job beside the reader; it ends with the run."""
        task = asyncio.create_task(work, name="discord-job")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AuthError):
            self._refusal = error
        elif error is not None:
            log.error("discord_job_failed", channel=CHANNEL, error=type(error).__name__, what=str(error)[:200])

    async def _watch(self, client: GatewayClient, max_concurrency: int) -> None:
        """End the run when a shard does not come or come back; renew one that answers heartbeats too late."""
        began = self._clock.monotonic()
        patience = READY_WITHIN + 5.0 * (len(self.wanted) // max_concurrency)
        while True:
            await self._clock.sleep(WATCH_EVERY)
            now = self._clock.monotonic()
            missing = self.wanted - self.up - self._lost_at.keys()
            if missing and now - began > patience:
                raise unreachable(f"{len(missing)} shard(s) did not become ready")
            if any(now - at > AWAY_WITHIN for at in self._lost_at.values()):
                raise unreachable("a shard did not come back")
            if self._refusal is not None:
                raise self._refusal
            if self.intake.waiting or self.backfill.reading:
                self._watermark.hold()
            elif self.wanted <= self.up and (not self.backfill.awaited or now > self._shown_by):
                self._watermark.release()
            await self._renew_stalled(client)

    async def _renew_stalled(self, client: GatewayClient) -> None:
        for shard in client.stalled(MAX_LATENCY):
            if shard in self.up:
                log.warning("discord_shard_stalled", channel=CHANNEL, shard=shard, cure="its connection is renewed")
                self._meter.count("phantom_socket_reconnects_total", channel=CHANNEL, cause="stalled")
                self.lost(shard)
                await client.renew(shard)

    def away(self) -> int:
        """How many shards are lost and have not come back for a while."""
        now = self._clock.monotonic()
        return sum(now - at > RESUME_WITHIN for at in self._lost_at.values())

    def latency_ms(self) -> int:
        """The slowest heartbeat's answer, in milliseconds; 0 while there is none."""
        latencies = [] if self._client is None else [latency for _, latency in self._client.latencies]
        known = [latency for latency in latencies if 0 <= latency < float("inf")]
        return round(1000 * max(known, default=0.0))

    # --- the tap ---

    @property
    def behind(self) -> bool:
        return self.intake.behind

    async def caught_up(self) -> None:
        await self.intake.caught_up()

    def take(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._count(kind)
        self.intake.take(kind, payload)

    def watch(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._count(kind)
        if kind == "GUILD_CREATE":
            self.backfill.guild_shown(payload)
            return
        if kind == "READY":
            shard = payload.get("shard")
            which = shard[0] if isinstance(shard, list) and shard and isinstance(shard[0], int) else 0
            self._shown_by = self._clock.monotonic() + PATIENCE
            self.backfill.session_began(payload, with_directs=which == 0 and self._settings.direct_messages)
        else:
            which = payload.get("__shard_id__") or 0
            self.resumed += 1
        self._arrived(which)

    def lost(self, shard: int) -> None:
        if shard in self.up:
            self.reconnects += 1
            self._meter.count("phantom_socket_reconnects_total", channel=CHANNEL, cause="shard_lost")
            self._down(shard)
        self._watermark.hold()
        self._lost_at.setdefault(shard, self._clock.monotonic())

    def contact(self) -> None:
        self.last_contact_at = self._clock.now()

    def unparsed(self, kind: str, error: Exception) -> None:
        self.broken += 1
        self._count("unparsed")
        log.warning("discord_frame_not_understood", channel=CHANNEL, kind=kind, error=type(error).__name__)

    def _count(self, kind: str) -> None:
        count = self._frames.get(kind)
        if count is None:
            count = self._frames[kind] = self._meter.counter(FRAMES, channel=CHANNEL, type=kind)
        count()

    def _arrived(self, shard: int) -> None:
        self._lost_at.pop(shard, None)
        self.up.add(shard)
        self._up_since[shard] = self._clock.monotonic()
        self._meter.gauge("phantom_socket_connected", len(self.up), channel=CHANNEL)
        log.info("discord_shard_ready", channel=CHANNEL, shard=shard, shards=self.shard_count)
        if self.wanted <= self.up:
            self._live()

    def _down(self, shard: int) -> None:
        self.up.discard(shard)
        self._meter.gauge("phantom_socket_connected", len(self.up), channel=CHANNEL)
        since = self._up_since.pop(shard, None)
        if since is not None:
            self._meter.observe("phantom_socket_connection_seconds", self._clock.monotonic() - since, channel=CHANNEL)

    # --- what the intake asks for ---

    def whereabouts(self, guild: str, channel: str) -> str | None:
        return None if self._client is None else self._client.guild_map.whereabouts(guild, channel)

    def our_role(self, guild: str) -> str:
        return "" if self._client is None else self._client.guild_map.our_role(guild)

    def _missed(self, payload: Mapping[str, Any], *, kept: bool) -> None:
        """A message from a channel's history for the apps. The journal tells which of those that it keeps are news; of
        the others, those that came after the newest one that it held as we began.
        """
        if self._apps.events is not None and (kept or int(text(payload, "id") or 0) > self._known):
            self._apps.events.missed(payload)

    async def _look_up(self, channel: str) -> str:
        """The parent of a thread that nobody told us of; a channel that cannot be seen counts as a plain one. Raises
        `AuthError`.
        """
        while True:
            try:
                found = await self._rest.call("GET", "/channels/{channel_id}", channel_id=channel, idempotent=True)
            except AuthError:
                raise
            except ChannelError as error:
                log.info("channel_not_read", channel=CHANNEL, code=error.code, cure=error.hint)
                if not error.retryable:
                    return ""
                await self._clock.sleep(error.retry_after or WATCH_EVERY)
            else:
                shown = found if isinstance(found, dict) else {}
                return text(shown, "parent_id") if number(shown, "type") in THREADS else ""

    async def _respond(self, payload: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """The first answer to an interaction. Too late is too late: what was asked is in the journal all the same."""
        try:
            await self._rest.call(
                "POST",
                "/interactions/{interaction_id}/{interaction_token}/callback",
                interaction_id=text(payload, "id"),
                interaction_token=text(payload, "token"),
                json=answer,
            )
        except ChannelError as error:
            log.warning("interaction_not_answered", channel=CHANNEL, code=error.code, cure=error.hint)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel them until they end: discord.py takes no notice of a cancellation while it renews a shard's connection,
    and then waits for the next event.
    """
    pending: Set[asyncio.Task[None]] = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: what they ended with has been raised, or does not matter any more
