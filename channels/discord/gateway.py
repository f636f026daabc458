"""Discord over the gateway: one client a run, its shards watched, what was missed fetched, first answers sent.

What does *not* live here: one run (`gateway_run.py`), payloads (`intake.py`), history (`backfill.py`).
discord.py resumes and reconnects single shards by itself; what it cannot cure ends this run with an error, and the
supervisor begins another. Other channels do not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from channels.discord.apps import DiscordApps
from channels.discord.backfill import Watermark
from channels.discord.behaviour import DiscordBehaviour
from channels.discord.boot import Bound, boot
from channels.discord.decode import mapping, number, text
from channels.discord.gateway_run import GatewayRun, RunParts
from channels.discord.install import Install
from channels.discord.memo import Memo
from channels.discord.rest import DiscordRest
from channels.discord.settings import DiscordSettings
from phantom.channel import ChannelContext, Inbox
from phantom.errors import ConnectError
from phantom.secrets import Secret
from phantom.webhooks import SignedRoute


class GatewayTransport:
    """Receives over the gateway. Times are seconds."""

    name = "gateway"

    def __init__(
        self,
        settings: DiscordSettings,
        context: ChannelContext,
        rest: DiscordRest,
        behaviour: DiscordBehaviour,
        memo: Memo,
        install: Install,
        apps: DiscordApps,
        *,
        bot_token: Secret,
        unconfigured: Sequence[SignedRoute] = (),
    ) -> None:
        self.secrets = (bot_token,)
        self._settings = settings
        self._context = context
        self._rest = rest
        self._behaviour = behaviour
        self._memo = memo
        self._install = install
        self._apps = apps
        self._directs = Memo(Path(context.data_dir) / "directs.jsonl", keep=500)
        self._watermark = Watermark(Path(context.data_dir) / "seen.txt", context.clock)
        self._unconfigured = unconfigured
        self._run: GatewayRun | None = None
        self._last_event_at: float | None = None
        self._last_contact_at: float | None = None

    @property
    def last_event_at(self) -> float | None:
        if self._run is not None and self._run.intake.last_event_at is not None:
            self._last_event_at = self._run.intake.last_event_at
        return self._last_event_at

    @property
    def last_contact_at(self) -> float | None:
        if self._run is not None and self._run.last_contact_at is not None:
            self._last_contact_at = self._run.last_contact_at
        return self._last_contact_at

    @property
    def trouble(self) -> str:
        """Shards that have been away for longer than a resume takes."""
        away = 0 if self._run is None else self._run.away()
        return f"{away} of {len(self._run.wanted)} shards away" if self._run is not None and away else ""

    def facts(self) -> dict[str, str | int | float | bool]:
        """For health: what is special about this transport."""
        run = self._run
        if run is None:
            return {"shards": 0}
        return {
            "shards": len(run.up),
            "shards_wanted": len(run.wanted),
            "resumed": run.resumed,
            "reconnects": run.reconnects,
            "frames_not_understood": run.broken,
            "fetched_after_absence": run.backfill.fetched,
            "latency_ms": run.latency_ms(),
            "newest_message": str(self._watermark.seen),
        }

    def routes(self) -> Sequence[SignedRoute]:
        """No posts are taken over the gateway; the paths say so."""
        return self._unconfigured

    async def boot(self) -> Bound:
        bound = await boot(self._rest, self.secrets, self.secrets[0], self._settings.application_id)
        await self._memo.load()
        await self._directs.load()
        await self._watermark.load(self._rest.clock_skew)
        return bound

    async def serve(self, inbox: Inbox, bound: Bound, live: Callable[[], None]) -> None:
        """Receive until cancelled. Raises `ConnectError` when the gateway is lost, `AuthError` when it refuses us."""
        offered = await self._rest.call("GET", "/gateway/bot", idempotent=True)
        offer = offered if isinstance(offered, dict) else {}
        limits = mapping(offer, "session_start_limit")
        if number(limits, "remaining") == 0:
            raise ConnectError(
                "Discord allows no further session today",
                hint="look for a process that reconnects all the time with this token",
                retry_after=(number(limits, "reset_after") or 60_000) / 1000,
            )
        count = self._settings.shard_count or number(offer, "shards") or 1
        parts = RunParts(
            settings=self._settings,
            context=self._context,
            rest=self._rest,
            bot_token=self.secrets[0],
            memo=self._memo,
            directs=self._directs,
            echoes=self._behaviour.echoes,
            watermark=self._watermark,
            seal=self._behaviour.seal,
            guilds=self._install.guilds,
            apps=self._apps,
        )
        run = GatewayRun(parts, inbox, bound, live, shard_count=count)
        self._run = run
        self._watermark.hold()
        try:
            await run.serve(text(offer, "url"), number(limits, "max_concurrency") or 1)
        finally:
            self._watermark.hold()
            await run.aclose()
            await self._watermark.save()
