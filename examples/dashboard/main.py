"""A live view of the servers that a bot is in: who it is, how much is said where. It reads and never writes.

    GET http://127.0.0.1:8080/  ->  {"bot": …, "connected": true, "gaps": 0, "guilds": {…}}

The view is in memory: it begins empty at each start. `DASHBOARD_PORT` is the port; 0 takes any free one.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog
from aiohttp import web

from phantom.bridge.client import ActionFailed, BridgeApp, Event, Gap, read_manifest
from phantom.bridge.client_program import from_environment, run, serve

log = structlog.get_logger("dashboard")

MANIFEST = read_manifest(Path(__file__).with_name("manifest.yaml"))


@dataclass
class Guild:
    """One server as the page shows it."""

    name: str | None = None
    messages: int = 0
    last_message_at: str | None = None
    channels: dict[str, int] = field(default_factory=dict)
    """Messages by channel id."""


class Dashboard:
    """Keeps the view up to date and serves it."""

    def __init__(self, app: BridgeApp) -> None:
        self._app = app
        self._bot: str | None = None
        self._gaps = 0
        self._guilds: dict[str, Guild] = {}
        app.on("ready", self.ready)
        # One subscription, so that what happens to a server is seen in its order.
        app.on(("guildCreate", "guildUpdate", "guildDelete", "messageCreate"), self.seen)
        app.on_gap(self.gap)

    def ready(self, event: Event) -> None:
        """The bot's own name."""
        self._bot = event.data["user"]["username"]

    async def seen(self, event: Event) -> None:
        """Something happened in a server."""
        guild_id = event.facts.get("guildId")
        if not isinstance(guild_id, str):
            return  # a direct message
        if event.name == "guildDelete":
            self._guilds.pop(guild_id, None)
            return
        guild = self._guilds.setdefault(guild_id, Guild())
        if event.name == "messageCreate":
            message = event.data["message"]
            guild.messages += 1
            guild.last_message_at = message.get("createdAt")
            guild.channels[message["channelId"]] = guild.channels.get(message["channelId"], 0) + 1
            if guild.name is None:
                guild.name = await self._name(guild_id)
        else:
            guild.name = event.data["guild"]["name"]

    def gap(self, gap: Gap) -> None:
        """Some messages were not counted: the page says so."""
        self._gaps += 1

    async def _name(self, guild_id: str) -> str | None:
        """A server is told of when it changes; one that was there before is asked for, once it is heard of."""
        try:
            return (await self._app.actions.fetch_guild(guild_id=guild_id, timeout=5))["name"]
        except ActionFailed as error:
            log.warning("guild_not_named", guild=guild_id, code=error.bridge_code)
            return None

    async def page(self, request: web.Request) -> web.Response:
        """The view as JSON."""
        return web.json_response(
            {
                "bot": self._bot,
                "connected": self._app.connected,
                "gaps": self._gaps,
                "guilds": {guild_id: asdict(guild) for guild_id, guild in self._guilds.items()},
            }
        )


async def main() -> None:
    """Serve the page for as long as the app runs."""
    app = from_environment("dashboard")
    server = web.Application()
    server.router.add_get("/", Dashboard(app).page)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", int(os.environ.get("DASHBOARD_PORT", "8080")))
        await site.start()
        log.info("dashboard_listens", port=runner.addresses[0][1])
        await serve(app, MANIFEST)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    run(main)
