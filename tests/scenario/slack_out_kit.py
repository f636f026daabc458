"""A `SlackBehaviour` over real HTTP against `FakeSlack`, for the scenario tests of Slack's outbound half."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from channels.slack.behaviour import SlackBehaviour
from channels.slack.settings import SlackSettings
from channels.slack.web import SlackWeb
from phantom.channel import ChannelContext
from phantom.clock import Clock, SystemClock
from phantom.identity import Identity
from phantom.messages import ConversationKind, ConversationRef, MessageRef, OutboundMessage
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.testing.fake_slack.message import FakeMessage
from phantom.testing.fake_slack.server import FakeSlack


class RotatingSource(HeldSource):
    """A source whose next value waits for `refresh`, as at a metadata service."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(name, value)
        self.waiting: str | None = None
        self.refreshes = 0

    async def refresh(self) -> bool:
        self.refreshes += 1
        if self.waiting is None:
            return False
        self.rotate(self.waiting)
        self.waiting = None
        return True


@dataclass
class Reports:
    """A `TenantStatus` that remembers."""

    first_dms: list[str] = field(default_factory=list)

    async def agent_ready(self, transport: str) -> None:
        raise AssertionError("the behaviour does not report readiness")

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        self.first_dms.append(slack_message_ts)


class FastBackoff(SystemClock):
    """Real time, without the waiting between tries; counts what was asked for."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Kit:
    """Everything that a test touches."""

    slack: FakeSlack
    behaviour: SlackBehaviour
    web: SlackWeb
    source: RotatingSource
    clock: FastBackoff
    meter: PrometheusMeter
    reports: Reports
    context: ChannelContext
    settings: SlackSettings

    def where(self, channel: str | None = None, thread: str | None = None) -> ConversationRef:
        return ConversationRef(
            channel="slack",
            tenant=self.slack.team.id,
            place=channel or self.slack.general.id,
            thread=thread,
            kind=ConversationKind.PUBLIC,
        )

    def message(self, text: str, *, key: str = "k1", **more: Any) -> OutboundMessage:
        where = more.pop("conversation", None) or self.where()
        return OutboundMessage(conversation=where, text=text, idempotency_key=key, **more)

    def ref(self, message: FakeMessage) -> MessageRef:
        return MessageRef(conversation=self.where(message.channel, message.thread_ts), message_id=message.ts)

    def posted(self) -> list[FakeMessage]:
        """Messages of the bot in #general, threads included."""
        return [one for one in self.slack.messages(self.slack.general) if one.user == self.slack.bot.id]

    def outcomes(self, method: str) -> dict[str, float]:
        """Counted API calls of one method by outcome."""
        found = {}
        for line in self.meter.render().decode().splitlines():
            if line.startswith("phantom_api_requests_total") and f'method="{method}"' in line:
                found[line.split('outcome="')[1].split('"')[0]] = float(line.rsplit(" ", 1)[1])
        return found


@asynccontextmanager
async def slack_kit(slack: FakeSlack, folder: Path, **options: Any) -> AsyncIterator[Kit]:
    """A kit on a running fake. `options` are settings."""
    source = RotatingSource("slack_bot_token", slack.bot_token)
    clock, meter, reports = FastBackoff(), PrometheusMeter(), Reports()
    token = Secret("slack_bot_token", source)
    web = SlackWeb(token=token, base_url=slack.api_url, clock=clock, meter=meter)
    settings = SlackSettings(api_base_url=slack.api_url, **options)
    context = _context(clock, meter, reports, folder, {"slack_bot_token": token})
    try:
        yield Kit(
            slack=slack,
            behaviour=SlackBehaviour(settings, context, web),
            web=web,
            source=source,
            clock=clock,
            meter=meter,
            reports=reports,
            context=context,
            settings=settings,
        )
    finally:
        await web.aclose()


def _context(
    clock: Clock, meter: PrometheusMeter, reports: Reports, folder: Path, secrets: Mapping[str, Secret]
) -> ChannelContext:
    async def identity() -> Identity:
        return Identity(tenant_id="tenant-1")

    def secret(name: str) -> Secret:
        return secrets.get(name) or Secret(name, HeldSource(name, None))

    return ChannelContext(
        phantom_name="Phantom",
        clock=clock,
        meter=meter,
        secret=secret,
        identity=identity,
        tenant_status=reports,
        data_dir=folder,
        options={},
    )
