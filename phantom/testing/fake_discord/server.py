"""`FakeDiscord`: a Discord in memory, served on loopback, that the real discord.py cannot tell from Discord.

    async with FakeDiscord() as fake:
        discord.http.Route.BASE = fake.api_url                            # the two lines that point discord.py here
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(fake.gateway_url)
        await client.login(fake.token); ...                               # Client or AutoShardedClient, unchanged
        question = await fake.post(fake.owner, fake.general, f"{fake.mention} hello")
        await fake.wait_for(lambda: fake.replies(question))               # what the bot wrote in answer
        assert fake.replies(question)[0].pings == []

    async with FakeDiscord() as fake:                                     # interactions over HTTP, signed (Ed25519)
        fake.deliver_interactions_over_http("http://127.0.0.1:3100/discord/interactions")
        fake.faults.drop_after("create_message")                          # applied, but the answer never arrives
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "why?"})
        assert (await asked.answered()).latency < 3

(The second line is needed as discord.py asks `GET /gateway/bot` only when sharding automatically, and forgets that
address when a session is invalidated.)

What people do (async): `post edit delete react unreact pin type create_thread post_in_forum archive delete_channel
join leave set_roles set_nick clear_reactions rename rename_guild change_webhooks add_bot remove_bot
outage`, `join_voice leave_voice set_voice`, `command autocomplete context_menu click select submit_modal`,
`authorise` and `webhook_event` (webhook events), `emit` (any gateway dispatch). Places: `guild general owner bot dm
add_user add_guild add_role add_channel deny share`.
What is seen: `messages replies ephemerals deleted calls calls_of interactions commands typing downloads violations`,
`gateway.identifies / resumes / sessions / connections / closes`, `wait_for ready subscribe`.
What goes wrong: `faults` (REST, gateway, tokens, permissions, signatures) and `app` (intents granted, quota, shards).

Objects are live: a FakeMessage that you hold shows every later edit, reaction and deletion. Ids are decimal text.
With a `ManualClock`, interaction tokens (15 minutes), the three seconds to answer, nonces and budgets follow that
clock. Where a copy of Discord's OpenAPI description is at hand (`openapi`), every request of the app is checked
against it and complaints are collected in `violations`; nothing is refused for them.

The server outlives the app: kill the app at any point and start it again. What was written meanwhile is in the REST
history; gateway events of that time reach the app only if it resumes its old session.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from phantom.clock import Clock, SystemClock
from phantom.testing.fake_discord import openapi as descriptions
from phantom.testing.fake_discord.administration import Administration
from phantom.testing.fake_discord.application import FakeApplication
from phantom.testing.fake_discord.calls import ApiCall
from phantom.testing.fake_discord.cdn import Cdn
from phantom.testing.fake_discord.changes import Feed, Subscription
from phantom.testing.fake_discord.command_book import CommandBook
from phantom.testing.fake_discord.core import Core
from phantom.testing.fake_discord.faults import Faults
from phantom.testing.fake_discord.gateway import Gateway
from phantom.testing.fake_discord.happenings import Happenings
from phantom.testing.fake_discord.http_sender import HttpSender
from phantom.testing.fake_discord.interactions import ANSWER_WITHIN, FakeInteraction, Interactions
from phantom.testing.fake_discord.message import FakeMessage
from phantom.testing.fake_discord.model import JSON, FakeGuild
from phantom.testing.fake_discord.people_interactions import PeopleInteractions
from phantom.testing.fake_discord.places import ChannelLike
from phantom.testing.fake_discord.ratelimits import RateLimits
from phantom.testing.fake_discord.rest import RestApi
from phantom.testing.fake_discord.world import World
from phantom.testing.hunt_record import leave

T = TypeVar("T")


class FakeDiscord(Administration, PeopleInteractions):
    """One Discord with one application. Begins with an `owner`, their `guild` and its text channel `general`.

    `app`: ids, token, keys and granted intents, when they matter. `heartbeat_interval` in seconds; `buffer`: gateway
    events kept for RESUME. `openapi`: where Discord's description is, None to look beside the checkout. `port` 0: any.
    `answer_within`: seconds for the first answer to an interaction; more than Discord's three where that is not the
    point, and the machine may be busy. `founded` (Unix seconds): what is added before `start` has the same ids each
    time, those of that moment.
    """

    def __init__(
        self,
        *,
        app: FakeApplication | None = None,
        clock: Clock | None = None,
        heartbeat_interval: float = 41.25,
        buffer: int = 1000,
        openapi: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        founded: float | None = None,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        clock, app, feed = clock or SystemClock(), app or FakeApplication(), Feed()
        world = World(clock, app, founded)
        gateway = Gateway(world, feed, heartbeat_interval=heartbeat_interval, buffer=buffer)
        limits = RateLimits(clock)
        self.core = Core(
            clock=clock,
            feed=feed,
            app=app,
            world=world,
            gateway=gateway,
            happenings=Happenings(world, feed, gateway),
            interactions=Interactions(clock, feed, world.ids),
            commands=CommandBook(app, world.ids),
            limits=limits,
            faults=Faults(app, world, gateway, limits),
        )
        self.app, self.gateway, self.bot, self.faults = app, gateway, world.bot, self.core.faults
        self.sender = HttpSender(self.core)
        self.sender.answer_within = self.core.interactions.answer_within = answer_within
        self.owner = world.add_user("olivia")
        app.owner = app.owner or self.owner
        self.guild: FakeGuild = world.add_guild("Acme", self.owner)
        world.add_member(self.guild, world.bot)
        self.general = self.add_channel("general")
        path = openapi or descriptions.find()
        self._rest = RestApi(self.core, descriptions.load(path) if path else None)
        self._cdn = Cdn(self.core)
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The server's root, without a slash at the end."""
        return self.core.url

    @property
    def api_url(self) -> str:
        """What `discord.http.Route.BASE` is to be."""
        return f"{self.core.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """The gateway's address, as `GET /gateway/bot` tells it."""
        return self.gateway.url

    @property
    def cdn_url(self) -> str:
        """What attachments' addresses begin with."""
        return self.core.world.cdn_url

    @property
    def token(self) -> str:
        """The bot token that works now."""
        return self.app.token

    @property
    def application_id(self) -> str:
        """The application's id, which is the bot user's too."""
        return self.app.id

    @property
    def public_key(self) -> str:
        """The key that signed posts are verified with, in hex."""
        return self.app.public_key

    @property
    def mention(self) -> str:
        """`<@id>` of the bot."""
        return self.bot.mention

    @property
    def calls(self) -> list[ApiCall]:
        """Every REST call, oldest first; without tokens."""
        return self.core.calls

    def calls_of(self, route: str) -> list[ApiCall]:
        """The calls of one route."""
        return [call for call in self.core.calls if call.route == route]

    @property
    def violations(self) -> list[str]:
        """Where a request did not fit Discord's description; always empty without one (`described`)."""
        return self.core.violations

    @property
    def described(self) -> bool:
        """Whether requests are checked against Discord's description."""
        return self._rest.described

    @property
    def interactions(self) -> list[FakeInteraction]:
        """Every interaction, oldest first."""
        return self.core.interactions.all

    @property
    def ephemerals(self) -> list[FakeMessage]:
        """Messages that only one user sees (`ephemeral_for`), oldest first."""
        return self.core.world.ephemerals

    @property
    def deleted(self) -> list[FakeMessage]:
        """Messages that were deleted, in that order."""
        return self.core.world.deleted

    @property
    def typing(self) -> list[str]:
        """The ids of the channels in which the bot showed as typing, once for each call."""
        return [call.params["channel_id"] for call in self.calls_of("trigger_typing_indicator") if call.applied]

    @property
    def downloads(self) -> list[str]:
        """The paths that were asked of the CDN."""
        return self._cdn.downloads

    def commands(self, guild: FakeGuild | None = None) -> list[JSON]:
        """The registered commands, global ones or a guild's."""
        return self.core.commands.all(guild.id if guild else None)

    def messages(self, channel: ChannelLike) -> list[FakeMessage]:
        """A channel's messages, oldest first."""
        return list(self.channel(channel).messages.values())

    def replies(self, message: FakeMessage) -> list[FakeMessage]:
        """What the bot wrote in answer: replies to it, everything after it in a DM or thread, and its own thread."""
        place = self.channel(message.channel_id)
        found = [one for one in place.messages.values() if one.author is self.bot and int(one.id) > int(message.id)]
        if not (place.is_dm or place.is_thread):
            found = [one for one in found if one.replied_to is message]
        thread = self.core.world.channels.get(message.id)
        if thread is not None and thread is not place:
            found += [one for one in thread.messages.values() if one.author is self.bot]
        return found

    def subscribe(self) -> Subscription:
        """A feed of every change from now on; iterate it with `async for`, end it with `close()` or `async with`."""
        return self.core.feed.subscribe()

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 30.0) -> T:  # noqa: ASYNC109
        """Wait until `predicate()` is truthy, looking again after each change; TimeoutError after `timeout` seconds."""
        return await self.core.feed.wait_for(predicate, timeout)

    async def ready(self, sessions: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Wait until at least `sessions` gateway sessions are identified and connected."""
        await self.wait_for(lambda: self.gateway.live >= sessions, timeout)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self.core.world.ids.open()
        server = web.Application(client_max_size=64 << 20)
        server.on_response_prepare.append(self._dated)
        self._rest.register(server)
        server.router.add_get("/gateway", self.gateway.handle)
        server.router.add_get("/gateway/", self.gateway.handle)
        server.router.add_get("/attachments/{channel}/{attachment}/{filename}", self._cdn.attachment)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.core.url = self.core.world.cdn_url = f"http://{self._host}:{port}"
        self.gateway.url = f"ws://{self._host}:{port}/gateway"

    async def _dated(self, request: web.Request, response: web.StreamResponse) -> None:
        if self.faults.clock_ahead:
            response.headers["Date"] = formatdate(self.core.clock.now() + self.faults.clock_ahead, usegmt=True)

    async def stop(self) -> None:
        """Close everything."""
        for call in self.core.calls:
            leave("outgoing", f"{call.route} {call.path} {call.query} {call.body} {call.files} {call.reason}")
        await self.sender.close()
        await self.gateway.close()
        self.core.feed.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
