"""What the Slack channel lends to bridge apps, over either transport, without a bridge: a sink that collects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from channels.factory import build
from channels.slack.apps_catalogue import TABLE
from channels.slack.channel import SlackChannel
from channels.slack.settings import SlackSettings
from phantom.apps import AppEvent
from phantom.channel import Admission, ChannelContext, Envelope, Suggestion
from phantom.clock import SystemClock
from phantom.health import HealthReport
from phantom.identity import Identity
from phantom.metrics import PrometheusMeter
from phantom.secrets import Secret, held
from phantom.testing.fake_slack import FakeSlack, RetrySchedule
from phantom.webapp import WebApp

EVENTS = {spec.name: spec for spec in TABLE.events}
WITHIN = 30.0
ACTIONS = {spec.name: spec for spec in TABLE.actions}


@dataclass
class Sink:
    """Implements `phantom.apps.AppSink`; `wanted` is what somebody subscribed to."""

    wanted: set[str] = field(default_factory=lambda: set(EVENTS))
    events: list[AppEvent] = field(default_factory=list)
    gaps: list[tuple[str, str]] = field(default_factory=list)

    def wants(self, name: str) -> bool:
        return name in self.wanted

    def publish(self, event: AppEvent) -> None:
        self.events.append(event)

    def gap(self, channel: str, reason: str) -> None:
        self.gaps.append((channel, reason))

    def of(self, name: str) -> list[AppEvent]:
        """The events of that name."""
        return [event for event in self.events if event.name == name]


@dataclass
class KeepingInbox:
    """The engine's door: keeps envelopes once each; stores nothing for the next `broken` ones."""

    envelopes: list[Envelope] = field(default_factory=list)
    broken: int = 0

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        if self.broken:
            self.broken -= 1
            return done(Admission(stored=False))
        again = any(known.event_id == envelope.event_id for known in self.envelopes)
        if not again:
            self.envelopes.append(envelope)
        return done(Admission(stored=True, duplicate=again))

    async def admit(self, envelope: Envelope) -> Admission:
        raise AssertionError("the receivers admit without a task")

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        return []


class NoStatus:
    async def agent_ready(self, transport: str) -> None:
        raise AssertionError("nothing is reported here")

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        raise AssertionError("nothing is reported here")


@dataclass
class Apps:
    """A running channel that lends to `sink`."""

    slack: FakeSlack
    channel: SlackChannel
    sink: Sink
    inbox: KeepingInbox
    running: asyncio.Task[None]

    async def event(self, name: str, count: int = 1) -> AppEvent:
        """Wait for that many events of a name; the last one, checked against the table."""
        await soon(lambda: len(self.sink.of(name)) >= count)
        found = self.sink.of(name)[count - 1]
        checked(found)
        return found

    async def act(self, action: str, key: str = "", **params: Any) -> Any:
        """Do it with parameters that the table accepts; the answer, checked against the table."""
        spec = ACTIONS[action]
        decoded = msgspec.json.decode(msgspec.json.encode(params), type=spec.params)
        answer = await self.channel.act(action, msgspec.to_builtins(decoded), key=key)
        if spec.result is not None:
            strictly(answer, spec.result)
        return answer


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until something is so, at most half a minute."""
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0.005)


def checked(event: AppEvent) -> None:
    """An event is what the table says of it: its data, its filter keys, and nothing that should stay inside."""
    spec = EVENTS[event.name]
    strictly(event.data, spec.data)
    assert set(event.facts) <= {*spec.filters}, event
    for value in event.facts.values():
        assert isinstance(value, str) or all(isinstance(one, str) for one in value)
    sent = msgspec.json.encode(event.data).decode()
    assert "trigger" not in sent, "a trigger crossed"
    assert "response_url" not in sent, "a response URL crossed"
    assert "verification-token" not in sent, "a token crossed"
    assert "files-pri" not in sent, "a file's address crossed"


def strictly(data: Mapping[str, Any], kind: type[Any]) -> None:
    """Convert, and find every key again: nothing is lost, nothing is of another type."""
    shown = msgspec.json.decode(msgspec.json.encode(data))
    assert msgspec.to_builtins(msgspec.convert(shown, kind, strict=True)) == shown


def context(folder: Path) -> ChannelContext:
    """What the daemon would hand to the channel."""

    def no_secret(name: str) -> Secret:
        raise AssertionError(name)

    async def nobody() -> Identity:
        raise AssertionError("no identity is needed here")

    return ChannelContext(
        phantom_name="Phantom",
        clock=SystemClock(),
        meter=PrometheusMeter(),
        secret=no_secret,
        identity=nobody,
        tenant_status=NoStatus(),
        data_dir=folder,
        options={},
    )


def channel_of(slack: FakeSlack, folder: Path, transport: str) -> SlackChannel:
    """A channel for the fake."""
    settings = SlackSettings(
        transport=transport,
        http_profile="direct",
        bot_token=held("slack_bot_token", slack.bot_token),
        app_token=held("slack_app_token", slack.app_token),
        signing_secret=held("slack_signing_secret", slack.signing_secret),
        api_base_url=slack.api_url,
    )
    channel = build(settings, context(folder))
    assert isinstance(channel, SlackChannel)
    return channel


@asynccontextmanager
async def lent(
    folder: Path, transport: str = "socket", *, slack: FakeSlack | None = None, sink: Sink | None = None
) -> AsyncIterator[Apps]:
    """A running channel, every event lent. A `slack` that is given runs already. Three seconds are short on a busy
    machine: acks and forms may take longer here.
    """
    if slack is None:
        async with FakeSlack(transport=transport) as fake, lent(folder, transport, slack=fake, sink=sink) as found:
            yield found
        return
    channel, sink, inbox = channel_of(slack, folder, transport), sink or Sink(), KeepingInbox()
    channel.lend(sink, frozenset(EVENTS))
    slack.sockets.schedule = RetrySchedule((0.0,), forever=True)
    slack.sockets.ack_timeout = slack.core.views.trigger_lifetime = channel._apps._book.seconds = WITHIN
    web = WebApp(_no_health, PrometheusMeter())
    for route in channel.routes():
        web.add_route(route)
    ready = asyncio.Event()
    await web.listen("127.0.0.1", 0)
    running = asyncio.create_task(channel.run(inbox, ready))
    try:
        async with asyncio.timeout(WITHIN):
            await ready.wait()
        if transport == "http":
            url = f"http://127.0.0.1:{web.port}"
            slack.deliver_over_http(url, profile="direct", schedule=RetrySchedule((0.0, 0.0, 0.0)), timeout=WITHIN)
        yield Apps(slack, channel, sink, inbox, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await channel.aclose()
        await web.aclose()


async def _no_health() -> HealthReport:
    raise AssertionError("no health page is asked for here")
