"""`FakeSlack`: a Slack workspace in memory, served on loopback, that the real SDKs cannot tell from Slack.

    async with FakeSlack() as slack:                              # Socket Mode; the app connects by itself
        app = my_app(api_url=slack.api_url, bot_token=slack.bot_token, app_token=slack.app_token)
        question = await slack.post(slack.owner, slack.general, f"{slack.mention} hello")
        await slack.wait_for(lambda: slack.replies(question))     # messages of the bot in its thread
        assert slack.replies(question)[0].pings == []

    async with FakeSlack() as slack:                              # the same over HTTP, signed by a gateway
        slack.deliver_over_http("http://127.0.0.1:3100", profile="gateway", secret="…")
        slack.faults.drop_after("chat.postMessage")               # applied, but the answer never arrives
        answer = await slack.command(slack.owner, slack.general, "/phantom", "status")
        await slack.settled()                                     # every event acked or given up

What people do: `post edit delete react unreact click command shortcut message_shortcut submit_view close_view suggest
open_home start_assistant_thread uninstall revoke_tokens emit` (see `People` and `Interactions`). What to look at:
`messages replies calls delivered ephemerals subscribe wait_for settled`. What to break: `faults` (calls, signatures,
tokens, scopes, budgets), `sockets` (`disconnect drop half_open ignore_pings send_garbage refuse_upgrades`),
`delivered` (`hold release delay_next redeliver`). Users, channels and messages are live objects (`FakeUser`,
`FakeChannel`, `FakeMessage`); `changes.py` has the types that `subscribe()` yields.

Events that the app does not take are kept: over sockets until one connects, over HTTP as the retry schedule says.
What does *not* live here: the model of a workspace (`workspace.py`), the Web API (`web_api.py`, `methods_*.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from phantom.clock import Clock, SystemClock
from phantom.testing.fake_slack.app import FakeApp
from phantom.testing.fake_slack.calls import ApiCall
from phantom.testing.fake_slack.changes import Feed, Subscription
from phantom.testing.fake_slack.core import Core
from phantom.testing.fake_slack.deliveries import SLACK_SCHEDULE, Deliveries, Delivery, RetrySchedule
from phantom.testing.fake_slack.events_sender import HttpSender, Target
from phantom.testing.fake_slack.faults import Faults
from phantom.testing.fake_slack.hooks import Hooks
from phantom.testing.fake_slack.interactions import Interactions
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.methods_files import FileServer
from phantom.testing.fake_slack.model import FakeTeam
from phantom.testing.fake_slack.places import ChannelLike
from phantom.testing.fake_slack.socket_mode import SocketMode
from phantom.testing.fake_slack.views import Views
from phantom.testing.fake_slack.web_api import WebApi
from phantom.testing.fake_slack.workspace import Workspace
from phantom.testing.hunt_record import leave

T = TypeVar("T")


class FakeSlack(Interactions):
    """One workspace with one installed app. Begins with an `owner` and a public channel `general`, both with the bot.

    `transport`: `socket` serves Socket Mode at once; `http` keeps deliveries until `deliver_over_http` says where to.
    `team_id`, `enterprise_id`, `org_install`: how the app is installed. `app`: ids, tokens and subscriptions, when
    they matter. `echo_own`: whether the app hears of its own messages and reactions, as with Slack. `port` 0: any.
    """

    def __init__(
        self,
        *,
        transport: str = "socket",
        team_id: str = "T0FAKE00001",
        team_name: str = "Acme",
        enterprise_id: str | None = None,
        org_install: bool = False,
        app: FakeApp | None = None,
        clock: Clock | None = None,
        echo_own: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if transport not in ("socket", "http"):
            raise ValueError(f"transport is socket or http, not {transport!r}")
        clock = clock or SystemClock()
        app = app or FakeApp()
        app.org_install = app.org_install or org_install
        team = FakeTeam(
            id=team_id,
            name=team_name,
            domain=team_name.lower(),
            enterprise_id=enterprise_id,
            enterprise_name=f"{team_name} Org" if enterprise_id else None,
        )
        feed = Feed()
        workspace = Workspace(clock, feed, app, team)
        faults = Faults(clock, app)
        deliveries = Deliveries(clock, feed)
        self.sockets = SocketMode(deliveries, faults, feed, clock, app.app_id)
        self.core = Core(
            clock=clock,
            feed=feed,
            app=app,
            workspace=workspace,
            faults=faults,
            deliveries=deliveries,
            hooks=Hooks(clock, workspace),
            views=Views(clock, feed, workspace),
            echo_own=echo_own,
            open_socket=self.sockets.open_ticket,
        )
        self.faults = faults
        self.app = app
        self.team = team
        self.bot = workspace.bot
        self.owner = self.add_user("olivia", owner=True)
        self.general = self.add_channel("general", members=[self.owner])
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._sender: HttpSender | None = None
        if transport == "socket":
            deliveries.use(self.sockets)

    @property
    def url(self) -> str:
        """The server's root, without a slash at the end."""
        return self.core.url

    @property
    def api_url(self) -> str:
        """What `SLACK_API_BASE_URL` or an SDK's `base_url` is to be, with the slash at the end."""
        return f"{self.core.url}/api/"

    @property
    def bot_token(self) -> str:
        """The bot token that works now."""
        return self.app.bot_token

    @property
    def app_token(self) -> str:
        """The app-level token that works now."""
        return self.app.app_token

    @property
    def signing_secret(self) -> str:
        """What profile `direct` signs with unless `deliver_over_http` is given another secret."""
        return self.app.signing_secret

    @property
    def mention(self) -> str:
        """`<@U…>` of the bot."""
        return self.bot.mention

    def typed(self, text: str) -> str:
        """The stored form of what a person types: escaped, with `@name` turned into mentions."""
        return self.core.workspace.typed(text)

    @property
    def transport(self) -> str:
        """`socket`, `http`, or `` before `deliver_over_http`."""
        current = self.core.deliveries.transport
        return current.name if current else ""

    @property
    def sender(self) -> HttpSender:
        """The HTTP transport; it can also `replay` a delivery byte for byte and `post_raw` anything."""
        if self._sender is None:
            raise RuntimeError("this FakeSlack does not deliver over HTTP; call deliver_over_http first")
        return self._sender

    def deliver_over_http(
        self,
        url: str,
        *,
        profile: str = "gateway",
        secret: str | Callable[[], str] | None = None,
        version: int = 1,
        tenant: str = "",
        kid: str = "k1",
        parallel: int = 64,
        timeout: float = 3.0,
        schedule: RetrySchedule | None = None,
    ) -> None:
        """Send everything from now on (and what waited) to `url`, the app's root.

        `profile` `gateway` signs with the gateway's `secret` (`version` 1, or 2 with `tenant` and `kid`); `direct`
        signs as Slack, by default with `signing_secret`. `parallel` connections; `timeout` and `schedule` of retries.
        """
        if profile not in ("gateway", "direct"):
            raise ValueError(f"profile is gateway or direct, not {profile!r}")
        if secret is None and profile == "gateway":
            raise ValueError("profile gateway needs the gateway's secret")
        value = secret or self.app.signing_secret
        target = Target(
            url=url,
            profile=profile,
            secret=value if callable(value) else lambda: value,
            version=version,
            tenant=tenant,
            kid=kid,
            parallel=parallel,
            timeout=timeout,
            schedule=schedule or SLACK_SCHEDULE,
        )
        self._sender = HttpSender(target, self.core.deliveries, self.faults, self.core.clock)
        self.core.deliveries.use(self._sender)

    @property
    def calls(self) -> list[ApiCall]:
        """Every Web API call and response-URL post, oldest first; without tokens."""
        return self.core.calls

    def calls_of(self, method: str) -> list[ApiCall]:
        """The calls of one method."""
        return [call for call in self.core.calls if call.method == method]

    @property
    def delivered(self) -> Deliveries:
        """Every delivery with its attempts, acks and latency; also `hold`, `release`, `delay_next`, `redeliver`."""
        return self.core.deliveries

    @property
    def ephemerals(self) -> list[FakeMessage]:
        """Messages that only one user sees (`ephemeral_for`), oldest first."""
        return self.core.workspace.ephemerals

    def messages(self, channel: ChannelLike, thread_ts: str | None = None) -> list[FakeMessage]:
        """A channel's messages, or one thread's with its root, oldest first."""
        place = self.channel(channel)
        if thread_ts is not None:
            return self.core.workspace.thread(place, thread_ts)
        return list(place.messages.values())

    def replies(self, message: FakeMessage) -> list[FakeMessage]:
        """What the bot wrote in answer: in the message's thread, or after it in a DM."""
        place = self.channel(message.channel)
        thread = self.core.workspace.thread(place, message.thread_ts or message.ts)
        found = [one for one in thread if one.user == self.bot.id and one.ts > message.ts]
        if place.kind in ("im", "mpim") and not message.thread_ts:
            found += [
                one
                for one in place.messages.values()
                if one.user == self.bot.id and one.ts > message.ts and not one.thread_ts
            ]
        return found

    def subscribe(self) -> Subscription:
        """A feed of every change from now on; iterate it with `async for`, end it with `close()` or `async with`."""
        return self.core.feed.subscribe()

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 30.0) -> T:  # noqa: ASYNC109
        """Wait until `predicate()` is truthy, looking again after each change; TimeoutError after `timeout` seconds."""
        return await self.core.feed.wait_for(predicate, timeout)

    async def settled(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Wait until every delivery is acked or given up."""
        await self.wait_for(lambda: self.core.deliveries.idle, timeout)

    async def connected(self, sockets: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Wait until at least `sockets` sockets are connected."""
        await self.wait_for(lambda: len(self.sockets.connections) >= sockets, timeout)

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Send the same event again, as Slack does when it believes that the first was lost."""
        return self.core.deliveries.redeliver(delivery)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        server = web.Application(client_max_size=64 << 20)
        api, files = WebApi(self.core), FileServer(self.core)
        server.router.add_route("*", "/api/{method}", api.call)
        server.router.add_get("/link/", self.sockets.handle)
        for kind in ("commands", "actions", "app"):
            server.router.add_post(f"/{kind}/{{team}}/{{token}}", api.hook)
        server.router.add_post("/upload/v1/{file}", files.upload)
        server.router.add_get("/files-pri/{place}/{name}", files.download)
        server.router.add_get("/files-pri/download/{place}/{name}", files.download)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.core.url = self.core.hooks.url = self.sockets.url = f"http://{self._host}:{port}"

    async def stop(self) -> None:
        """Close everything; what was not delivered stays undelivered."""
        for call in self.core.calls:
            leave("outgoing", f"{call.method} {call.args}")
        await self.core.deliveries.close()
        await self.sockets.close()
        self.core.feed.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
