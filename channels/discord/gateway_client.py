"""discord.py's `AutoShardedClient`, as a socket that hands out payloads: no caches, no views, no commands.

Imported late: it imports discord. What does *not* live here: what a payload means and how it is stored (`intake.py`),
when to try again (`gateway.py`, the supervisor).

The hook is discord.py's own table of parsers, which every dispatch goes through, also a replayed one after a RESUME and
one about objects that nobody has cached. What we journal, and what servers show of themselves (`guild_map.py`), does
not reach discord.py's own parsers; the rest does, each guarded, since an exception in one would end the whole client.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import aiohttp
import discord
import structlog
from discord.gateway import KeepAliveHandler

from channels.discord import apps_intents, decode
from channels.discord.apps_events import HEARD
from channels.discord.gateway_socket import Flow, WatchedSocket
from channels.discord.guild_map import KINDS, GuildMap
from channels.discord.http_client import MAX_RATELIMIT_SECONDS, PhantomHTTP
from phantom.clock import Clock

log = structlog.get_logger(__name__)

TAKEN = frozenset(
    {
        decode.MESSAGE,
        decode.EDITED,
        decode.DELETED,
        decode.DELETED_BULK,
        decode.REACTION_ADDED,
        decode.REACTION_REMOVED,
        decode.INTERACTION,
    }
)
WATCHED = frozenset({"READY", "RESUMED", "GUILD_CREATE"})
IDENTIFY_SECONDS = 5.25
"""One identify a bucket in five seconds (https://docs.discord.com/developers/events/gateway#rate-limiting), and a
little more: they are counted where they arrive, and the one before may have been slower on its way.
"""


Hear = Callable[[str, Mapping[str, Any]], None]
"""Told of each dispatch in `HEARD` before anybody acts on it; never raises."""


class Tap(Flow, Protocol):
    """Where payloads go. Called on the event loop, one frame at a time."""

    def take(self, kind: str, payload: Mapping[str, Any]) -> None: ...

    def watch(self, kind: str, payload: Mapping[str, Any]) -> None: ...

    def lost(self, shard: int) -> None: ...

    def contact(self) -> None: ...

    def unparsed(self, kind: str, error: Exception) -> None: ...


def intents(*, message_content: bool, direct_messages: bool, further: frozenset[str] = frozenset()) -> discord.Intents:
    """The intents that Phantom uses, no more: servers and channels, messages, reactions; the last two directly only
    where that is wanted. `further` are those that bridge apps need.
    """
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = True
    wanted.dm_messages = direct_messages
    wanted.guild_reactions = True
    wanted.dm_reactions = direct_messages
    wanted.message_content = message_content
    for name in further:
        for flag in apps_intents.FLAGS[name]:
            setattr(wanted, flag, direct_messages or not flag.startswith("dm_"))
    return wanted


class GatewayClient(discord.AutoShardedClient):
    """One run of the gateway: made, connected, closed, never used again."""

    def __init__(
        self,
        *,
        tap: Tap,
        clock: Clock,
        base_url: str,
        gateway_url: str,
        message_content: bool,
        direct_messages: bool,
        further: frozenset[str],
        hear: Hear | None,
        shard_ids: tuple[int, ...],
        shard_count: int,
        max_concurrency: int,
        heartbeat_timeout: float,
    ) -> None:
        super().__init__(
            intents=intents(message_content=message_content, direct_messages=direct_messages, further=further),
            shard_ids=list(shard_ids),
            shard_count=shard_count,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            heartbeat_timeout=heartbeat_timeout,
            guild_ready_timeout=0.0,
            max_ratelimit_timeout=MAX_RATELIMIT_SECONDS,
        )
        self._tap = tap
        self._hear = hear
        self._clock = clock
        self._max_concurrency = max(1, max_concurrency)
        self._identified: dict[int, float] = {}
        self.guild_map = GuildMap()
        http = PhantomHTTP(base_url)
        http.gateway_url = gateway_url
        http.on_socket = self._watched
        self.http = http
        self._connection.http = http
        self._tapped(self._connection.parsers)

    def stalled(self, slow: float) -> list[int]:
        """Shards whose last two heartbeats were not acknowledged, or that took more than `slow` seconds for one."""
        found = []
        for shard, info in self.shards.items():
            beat = info._parent.ws._keep_alive  # discord.py shows the latency only, which stands still without an ack
            if beat is None or beat.interval is None:
                continue
            unanswered = beat._last_send - beat._last_ack > 1.5 * beat.interval
            if unanswered or slow < beat.latency < float("inf"):
                found.append(shard)
        return found

    async def renew(self, shard: int) -> None:
        """Close a shard's socket in such a way that discord.py resumes its session on another."""
        info = self.get_shard(shard)
        if info is not None:
            await info._parent.ws.close(code=4000)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Keep to the rate of identifies; after a lost session Discord wants a pause of one to five seconds."""
        bucket = (shard_id or 0) % self._max_concurrency
        now = self._clock.monotonic()
        last = self._identified.get(bucket)
        wait = 0.0 if last is None else max(0.0, last + IDENTIFY_SECONDS - now)
        if last is not None and not initial:
            wait = max(wait, random.uniform(1.0, 2.0))  # noqa: S311 - jitter, not a secret
        self._identified[bucket] = now + wait
        if wait:
            await asyncio.sleep(wait)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """discord.py announces the name of every frame first, and looks long for somebody who listens."""
        if event != "socket_event_type":
            super().dispatch(event, *args, **kwargs)

    async def close(self) -> None:
        """discord.py's, and the end of what it forgets when it is cut off between a connection's hello and its
        identify: the thread that sends its heartbeats.
        """
        try:
            await super().close()
        finally:
            for thread in threading.enumerate():
                if isinstance(thread, KeepAliveHandler) and thread.ws._connection is self._connection:
                    thread.stop()

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """discord.py's event: a shard's socket is gone; it is resumed or opened again by itself."""
        self._tap.lost(shard_id)

    def _tapped(self, parsers: dict[str, Callable[[Any], None]]) -> None:
        began = parsers["READY"]

        def ready(payload: Any) -> None:
            self.guild_map.me = decode.text(decode.mapping(payload, "user"), "id")
            began({**payload, "guilds": []})  # discord.py is not to wait for servers, nor to keep them

        parsers["READY"] = ready
        for kind in list(parsers):
            parsers[kind] = self._guarded(kind, parsers[kind])
        for kind in KINDS:
            parsers[kind] = self._guarded(kind, partial(self.guild_map.take, kind))
        for kind in TAKEN:
            parsers[kind] = self._guarded(kind, None)

    def _guarded(self, kind: str, parse: Callable[[Any], None] | None) -> Callable[[Any], None]:
        tap = self._tap
        watched = kind in WATCHED
        hear = self._hear if kind in HEARD else None

        def guarded(payload: Any) -> None:
            if hear is not None and type(payload) is dict:
                hear(kind, payload)
            try:
                if parse is None:
                    tap.take(kind, payload)
                    return
                parse(payload)
            except Exception as error:  # noqa: BLE001 - a frame that discord.py trips over must not end the client
                tap.unparsed(kind, error)
            if watched and isinstance(payload, dict):
                tap.watch(kind, payload)

        return guarded

    def _watched(self, socket: aiohttp.ClientWebSocketResponse) -> aiohttp.ClientWebSocketResponse:
        return WatchedSocket(socket, self._tap.contact, self._tap)  # type: ignore[return-value]
