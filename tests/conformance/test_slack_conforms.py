"""Both Slack channels, over Socket Mode and behind a gateway, keep every promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from channels.factory import build
from channels.slack.channel import SlackChannel
from channels.slack.settings import SlackSettings
from phantom.channel import ChannelContext, SupportsClose, SupportsRoutes
from phantom.clock import SystemClock
from phantom.health import HealthReport
from phantom.identity import Identity, SlackInstall
from phantom.messages import ConversationKind, ConversationRef
from phantom.metrics import PrometheusMeter
from phantom.secrets import Secret, held
from phantom.testing.conformance import Bench, ChannelConformance, Shown
from phantom.testing.fake_slack import FakeSlack
from phantom.testing.fake_slack.deliveries import RetrySchedule
from phantom.testing.fake_slack.message import FakeMessage
from phantom.webapp import WebApp

SIGNING = "gateway-signing-secret-0001"
ONCE = RetrySchedule(())


class SlackBench:
    """A Slack channel and its workspace."""

    def __init__(self, slack: FakeSlack, channel: SlackChannel, root: str) -> None:
        self.slack = slack
        self.channel = channel
        self.person = slack.owner.id
        self.conversation = self._address(slack.general.id, root)
        self.nowhere = self._address("C0NOWHERE01", None)

    def _address(self, place: str, thread: str | None) -> ConversationRef:
        return ConversationRef(
            channel="slack", tenant=self.slack.team.id, place=place, thread=thread, kind=ConversationKind.PUBLIC
        )

    async def say(self, text: str) -> str:
        message = await self.slack.post(self.slack.owner, self.slack.general, f"{self.slack.mention} {text}")
        return message.ts

    async def acked(self) -> bool:
        await self.slack.settled()
        return all(delivery.acked for delivery in self.slack.delivered)

    async def shown(self) -> Sequence[Shown]:
        ours = [one for one in self.slack.messages(self.slack.general) if one.user == self.slack.bot.id]
        with_text = [one for one in ours if one.shown or not one.files]
        return [
            Shown(
                id=one.ts,
                text=one.shown,
                thread=one.thread_ts,
                pings=one.pings,
                buttons=[str(button["text"]["text"]) for button in one.buttons],
                files=[file.name for other in ours for file in other.files] if one is with_text[0] else (),
            )
            for one in with_text
        ]

    async def marks(self, message_id: str) -> Sequence[str]:
        message = self.slack.general.messages[message_id]
        return [name for name, users in message.reactions.items() if self.slack.bot.id in users]

    def refuse_credentials(self) -> None:
        self.slack.faults.revoke_bot_token()

    def lose_next_answer(self) -> None:
        self.slack.faults.drop_after("chat.postMessage")


class Tenant:
    """What the metadata service would say."""

    def __init__(self, slack: FakeSlack, folder: Path) -> None:
        self._slack = slack
        self._folder = folder

    def secret(self, name: str) -> Secret:
        values = {"slack_bot_token": self._slack.bot_token, "slack_gateway_signing_secret": SIGNING}
        return held(name, values[name])

    async def who(self) -> Identity:
        install = SlackInstall(
            team_id=self._slack.team.id, installer_user_id=self._slack.owner.id, team_name="Acme", installed_at=""
        )
        return Identity(tenant_id="tenant-1", slack=install)

    async def agent_ready(self, transport: str) -> None:
        return None

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        return None

    def context(self, meter: PrometheusMeter) -> ChannelContext:
        return ChannelContext(
            phantom_name="Phantom",
            clock=SystemClock(),
            meter=meter,
            secret=self.secret,
            identity=self.who,
            tenant_status=self,
            data_dir=self._folder,
            options={},
        )


@asynccontextmanager
async def bench(slack: FakeSlack, settings: SlackSettings, patience: float = 30.0) -> AsyncIterator[SlackBench]:
    """The channel that the settings ask for; over HTTP its route is served by Phantom's own server. Slack waits
    `patience` seconds for an acknowledgement.
    """
    meter = PrometheusMeter()
    with TemporaryDirectory() as folder:
        channel = build(settings, Tenant(slack, Path(folder)).context(meter))
        assert isinstance(channel, SlackChannel)
        assert isinstance(channel, SupportsRoutes)
        assert isinstance(channel, SupportsClose)
        web = WebApp(_no_report, meter)
        for route in channel.routes():
            web.add_route(route)
        await web.listen("127.0.0.1", 0)
        root = slack.core.workspace.post(
            FakeMessage(
                channel=slack.general.id, ts=slack.core.workspace.next_ts(), user=slack.owner.id, text="a thread begins"
            )
        )
        if settings.transport == "http":
            address = f"http://127.0.0.1:{web.port}"
            slack.deliver_over_http(address, profile="gateway", secret=SIGNING, timeout=patience, schedule=ONCE)
        else:
            slack.sockets.ack_timeout, slack.sockets.schedule = patience, ONCE
        try:
            yield SlackBench(slack, channel, root.ts)
        finally:
            await web.aclose()
            await channel.aclose()


async def _no_report() -> HealthReport:
    raise AssertionError("no page is asked for")


class TestSlackOverSocketMode(ChannelConformance):
    patience = 30.0

    async def test_what_is_not_stored_is_not_acknowledged(self) -> None:
        self.patience = 0.5  # nothing says that no acknowledgement will come: this is how long it is waited for
        await super().test_what_is_not_stored_is_not_acknowledged()

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Bench]:
        async with FakeSlack() as slack:
            settings = SlackSettings(
                bot_token=held("slack_bot_token", slack.bot_token),
                app_token=held("slack_app_token", slack.app_token),
                api_base_url=slack.api_url,
            )
            async with bench(slack, settings, self.patience) as found:
                yield found


class TestSlackBehindAGateway(ChannelConformance):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[Bench]:
        async with (
            FakeSlack(transport="http") as slack,
            bench(slack, SlackSettings(transport="http", api_base_url=slack.api_url)) as found,
        ):
            yield found
