"""Slack over Socket Mode against a fake Slack: ready, acks after commits, refreshes, losses, dead lines, refusals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog

from channels.factory import build
from channels.slack.boot import Bound
from channels.slack.channel import SlackChannel
from channels.slack.settings import SlackSettings
from channels.slack.socket import SocketTransport
from channels.slack.web import SlackWeb
from phantom.channel import Admission, ChannelContext, Envelope, Suggestion
from phantom.clock import SystemClock
from phantom.errors import AuthError, ConfigError, ConnectError, PhantomError
from phantom.events import CommandInvoked
from phantom.identity import Identity
from phantom.messages import InboundMessage
from phantom.metrics import PrometheusMeter
from phantom.secrets import Secret, held
from phantom.testing import ManualClock
from phantom.testing.fake_slack import FakeSlack, RetrySchedule

WITHIN = 30.0
STALE_AFTER = 30.0


@dataclass
class RecordingInbox:
    """Keeps envelopes once each. `held`: answers wait for `release`; `broken`: nothing is stored."""

    envelopes: list[Envelope] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    held: bool = False
    broken: bool = False
    refused: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        self.changed.set()
        if self.broken:
            self.refused += 1
            done(Admission(stored=False))
            return
        again = any(known.event_id == envelope.event_id for known in self.envelopes)
        if not again:
            self.envelopes.append(envelope)
        answer = Admission(stored=True, duplicate=again)
        if self.held:
            self.waiting.append(lambda: done(answer))
        else:
            done(answer)

    def release(self) -> None:
        self.held = False
        waiting, self.waiting = self.waiting, []
        for answer in waiting:
            answer()

    async def admit(self, envelope: Envelope) -> Admission:
        raise AssertionError("the receiver admits without a task")

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        return [Suggestion(label=f"{author} {typed}", value="slack/T/C1/1.1")]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class NoStatus:
    async def agent_ready(self, transport: str) -> None:
        raise AssertionError("Socket Mode reports nothing")

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        raise AssertionError("nothing is sent here")


async def nobody() -> Identity:
    raise AssertionError("Socket Mode needs no identity")


@dataclass
class Stand:
    slack: FakeSlack
    folder: Path
    meter: PrometheusMeter = field(default_factory=PrometheusMeter)
    inbox: RecordingInbox = field(default_factory=RecordingInbox)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def context(self) -> ChannelContext:
        def no_secret(name: str) -> Secret:
            raise AssertionError(name)

        return ChannelContext(
            phantom_name="Phantom",
            clock=SystemClock(),
            meter=self.meter,
            secret=no_secret,
            identity=nobody,
            tenant_status=NoStatus(),
            data_dir=self.folder,
            options={},
        )

    def channel(self, *, connections: int = 1, bot: str | None = None, app: str | None = None) -> SlackChannel:
        settings = SlackSettings(
            bot_token=held("slack_bot_token", bot or self.slack.bot_token),
            app_token=held("slack_app_token", app or self.slack.app_token),
            api_base_url=self.slack.api_url,
            connections=connections,
        )
        channel = build(settings, self.context())
        assert isinstance(channel, SlackChannel)
        return channel

    def watched(self, clock: ManualClock) -> SocketTransport:
        """The transport alone, which pings often and whose watchdog goes by a clock of the test's."""
        bot, app = held("slack_bot_token", self.slack.bot_token), held("slack_app_token", self.slack.app_token)
        context = replace(self.context(), clock=clock)

        def web(token: Secret) -> SlackWeb:
            return SlackWeb(token=token, base_url=self.slack.api_url, clock=context.clock, meter=context.meter)

        return SocketTransport(
            context,
            web(bot),
            web(app),
            bot_token=bot,
            app_token=app,
            ping_interval=0.05,
            stale_after=STALE_AFTER,
        )

    @contextlib.asynccontextmanager
    async def serving(self, transport: SocketTransport) -> AsyncIterator[asyncio.Task[None]]:
        bound: Bound = await transport.boot()
        async with _until_ready(transport.serve(self.inbox, bound, self.ready.set), self.ready) as task:
            yield task
        await transport._web.aclose()
        await transport._app_web.aclose()

    @contextlib.asynccontextmanager
    async def running(self, channel: SlackChannel) -> AsyncIterator[asyncio.Task[None]]:
        async with _until_ready(channel.run(self.inbox, self.ready), self.ready) as task:
            yield task
        await channel.aclose()

    async def ends(self, channel: SlackChannel) -> PhantomError:
        with pytest.raises(PhantomError) as caught:
            await asyncio.wait_for(channel.run(self.inbox, self.ready), WITHIN)
        assert not self.ready.is_set()
        await channel.aclose()
        return caught.value

    async def say(self, text: str = "hello") -> None:
        await self.slack.post(self.slack.owner, self.slack.general, text)


@contextlib.asynccontextmanager
async def _until_ready(work: Awaitable[None], ready: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(work)
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), timeout=WITHIN, return_when=asyncio.FIRST_COMPLETED)
    assert ready.is_set(), task
    try:
        yield task
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with FakeSlack() as slack:
        slack.sockets.schedule = RetrySchedule((0.0,), forever=True)
        slack.sockets.ack_timeout = WITHIN  # Slack's three seconds are short for a busy machine
        yield Stand(slack, tmp_path)


async def test_it_is_ready_only_after_auth_test_and_hello(stand: Stand) -> None:
    channel = stand.channel()
    assert channel.health().state == "starting"
    async with stand.running(channel):
        assert [call.method for call in stand.slack.calls] == ["auth.test", "apps.connections.open"]
        health = channel.health()
        assert (health.state, health.facts["sockets"], health.facts["team"]) == ("ready", 1, stand.slack.team.id)
        assert health.last_contact_at is not None
        assert health.last_event_at is None
        assert stand.meter.value("phantom_socket_connected", channel="slack") == 1
    assert not stand.ready.is_set()
    assert channel.health().state == "stopped"
    assert stand.meter.value("phantom_socket_connected", channel="slack") == 0
    await stand.slack.wait_for(lambda: not stand.slack.sockets.connections)


async def test_events_interactions_and_commands_are_admitted_and_acked(stand: Stand) -> None:
    slack = stand.slack
    channel = stand.channel()
    async with stand.running(channel):
        await stand.say(f"{slack.mention} hello")
        await slack.command(slack.owner, slack.general, "/phantom", "status")
        await slack.shortcut(slack.owner, "phantom_ask")
        await slack.settled()
        kinds = [envelope.kind for envelope in stand.inbox.envelopes]
        assert sorted(set(kinds)) == ["command", "event", "interactive"]
        assert all(delivery.acked for delivery in slack.delivered.all)
        understood = [event for envelope in stand.inbox.envelopes for event in channel.normalise(envelope)]
        assert len(understood) >= 4
        assert channel.health().last_event_at is not None


async def test_no_ack_before_the_commit(stand: Stand) -> None:
    stand.inbox.held = True
    async with stand.running(stand.channel()):
        await stand.say()
        await stand.inbox.until(lambda: len(stand.inbox.waiting) == 1)
        assert not stand.slack.sockets.acks
        stand.inbox.release()
        await stand.slack.settled()
        assert len(stand.slack.sockets.acks) == 1


async def test_what_was_not_stored_is_not_acked_and_comes_again(stand: Stand) -> None:
    stand.slack.sockets.ack_timeout = 0.2
    stand.inbox.broken = True
    async with stand.running(stand.channel()):
        await stand.say()
        await stand.inbox.until(lambda: stand.inbox.refused >= 1)
        assert not stand.slack.sockets.acks
        stand.inbox.broken = False
        await stand.slack.settled()
    assert len(stand.inbox.envelopes) == 1
    assert stand.meter.value("phantom_receiver_requests_total", channel="slack", outcome="storage") >= 1


async def test_a_redelivered_event_is_known_again(stand: Stand) -> None:
    async with stand.running(stand.channel()):
        await stand.say()
        await stand.slack.settled()
        stand.slack.redeliver(stand.slack.delivered.all[0])
        await stand.slack.settled()
        assert len(stand.slack.sockets.acks) == 2
    assert len(stand.inbox.envelopes) == 1
    assert stand.meter.value("phantom_receiver_requests_total", channel="slack", outcome="duplicate") == 1


async def test_a_menu_is_filled_inside_the_ack(stand: Stand) -> None:
    slack = stand.slack
    async with stand.running(stand.channel()):
        payload = {
            "type": "block_suggestion",
            "team": {"id": slack.team.id},
            "user": {"id": "U1"},
            "action_id": "phantom_ask_where",
            "value": "wh",
        }
        delivery = slack.delivered.send("interactive", payload, event_id="", retried=False)
        await slack.wait_for(lambda: delivery.acked)
        row = {"text": {"type": "plain_text", "text": "U1 wh"}, "value": "slack/T/C1/1.1"}
        assert delivery.response == {"options": [row]}
    assert not stand.inbox.envelopes


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_refresh_opens_the_new_socket_before_the_old_one_goes(stand: Stand, reason: str) -> None:
    slack = stand.slack
    async with stand.running(stand.channel()) as task:
        most = 0
        async with slack.subscribe() as feed:
            slack.sockets.disconnect(reason, close_after=None)
            async for _ in feed:
                most = max(most, len(slack.sockets.connections))
                if most == 2 and len(slack.sockets.connections) == 1:
                    break
        await stand.say()
        await slack.settled()
        assert not task.done()
        assert stand.ready.is_set()
    assert most == 2
    assert len(stand.inbox.envelopes) == 1
    assert stand.meter.value("phantom_socket_reconnects_total", channel="slack", cause="refresh") == 1


async def test_acks_that_are_owed_leave_on_the_old_socket_before_it_goes(stand: Stand) -> None:
    slack = stand.slack
    stand.inbox.held = True
    async with stand.running(stand.channel()):
        await stand.say()
        await stand.inbox.until(lambda: len(stand.inbox.waiting) == 1)
        old = slack.sockets.connections[0]
        slack.sockets.disconnect(close_after=None)
        await slack.connected(2)
        stand.inbox.release()
        await slack.settled()
        assert len(old.received) == 1
        assert [attempt.outcome for attempt in slack.delivered.all[0].attempts] == ["acked"]


async def test_many_refreshes_under_load_lose_and_double_nothing(stand: Stand) -> None:
    slack = stand.slack
    async with stand.running(stand.channel(connections=2)) as task:
        await slack.connected(2)
        for number in range(40):
            await stand.say(f"message {number}")
            if number % 8 == 3:
                await slack.connected(1)
                slack.sockets.disconnect(close_after=0.05, which=0)
        await slack.settled()
        assert not task.done()
    texts = [getattr(event, "text", "") for envelope in stand.inbox.envelopes for event in _read(stand, envelope)]
    assert sorted(texts) == sorted(f"message {number}" for number in range(40))


def _read(stand: Stand, envelope: Envelope) -> Sequence[object]:
    return stand.channel().normalise(envelope)


async def test_a_lost_socket_is_a_connect_error_for_the_supervisor_and_the_next_run_gets_what_came_meanwhile(
    stand: Stand,
) -> None:
    slack = stand.slack
    channel = stand.channel()
    async with stand.running(channel) as task:
        slack.sockets.drop()
        with pytest.raises(ConnectError) as caught:
            await asyncio.wait_for(task, WITHIN)
        assert caught.value.retryable
        assert not stand.ready.is_set()
        assert channel.health().state == "backing_off"
    await stand.say("while you were away")
    async with stand.running(channel):
        await slack.settled()
    assert len(stand.inbox.envelopes) == 1


async def test_one_of_two_sockets_is_opened_again_while_the_other_serves(stand: Stand) -> None:
    slack = stand.slack
    async with stand.running(stand.channel(connections=2)) as task:
        await slack.connected(2)
        slack.sockets.drop(0)
        await slack.wait_for(lambda: len(slack.sockets.connections) == 1)
        await stand.say()
        await slack.settled()
        await slack.connected(2)
        assert not task.done()
        assert stand.ready.is_set()
    assert len(stand.inbox.envelopes) == 1


@pytest.mark.parametrize("fault", ["half_open", "ignore_pings"])
async def test_a_line_that_answers_no_ping_is_found_dead(stand: Stand, fault: str) -> None:
    clock = ManualClock()
    async with stand.serving(stand.watched(clock)) as task:
        connection = stand.slack.sockets.connections[0]
        getattr(stand.slack.sockets, fault)()
        async with asyncio.timeout(WITHIN):
            while not task.done():
                clock.advance(STALE_AFTER / 4)
                pings = connection.pings
                while connection.pings == pings and not task.done():
                    await asyncio.wait((task,), timeout=0.02)
        with pytest.raises(ConnectError) as caught:
            await task
    assert caught.value.code == "socket_stale"


async def test_answered_pings_keep_a_quiet_line_alive(stand: Stand) -> None:
    clock = ManualClock()
    transport = stand.watched(clock)
    async with stand.serving(transport) as task, asyncio.timeout(WITHIN):
        for _ in range(8):  # twice the time after which silence is death
            clock.advance(STALE_AFTER / 4)
            while transport.last_contact_at != clock.now():
                assert not task.done()
                await asyncio.wait((task,), timeout=0.02)


async def test_garbage_is_counted_and_skipped(stand: Stand) -> None:
    slack = stand.slack
    async with stand.running(stand.channel()) as task:
        for frame in ("not json", "[]", "null", '{"type":7}', '{"type":"events_api"}', b"\x00\xff", "", "{" * 5000,
                      '{"type":"events_api","envelope_id":"e1","payload":[]}'):  # fmt: skip
            slack.sockets.send_garbage(frame)
        slack.sockets.send_garbage('{"type":"from_the_future","envelope_id":"e2"}')
        await stand.say()
        await slack.settled()
        assert not task.done()
        assert slack.sockets.acks[0]["envelope_id"] == "e2"
        assert len(slack.sockets.acks) == 2
    assert stand.meter.value("phantom_socket_frames_total", channel="slack", type="garbage") == 9
    assert len(stand.inbox.envelopes) == 1


async def test_a_payload_for_another_team_is_acked_and_dropped(stand: Stand) -> None:
    async with stand.running(stand.channel()):
        payload = {"type": "event_callback", "team_id": "T0OTHER", "event_id": "EvX", "event": {"type": "message"}}
        delivery = stand.slack.delivered.send("events_api", payload, event_id="EvX", retried=True)
        await stand.slack.wait_for(lambda: delivery.acked)
    assert not stand.inbox.envelopes
    assert stand.meter.value("phantom_receiver_requests_total", channel="slack", outcome="foreign_team") == 1


async def test_an_org_wide_install_serves_every_workspace_of_the_organisation(tmp_path: Path) -> None:
    async with FakeSlack(enterprise_id="E0ACME", org_install=True) as slack:
        stand = Stand(slack, tmp_path)
        channel = stand.channel()
        async with stand.running(channel):
            await stand.say(f"{slack.mention} hello")
            await slack.command(slack.owner, slack.general, "/phantom", "status")
            await slack.settled()
            understood = [event for envelope in stand.inbox.envelopes for event in channel.normalise(envelope)]
        authors = [event.author for event in understood if isinstance(event, InboundMessage | CommandInvoked)]
        assert len(authors) == 3
        assert not any(author.is_external for author in authors)


async def test_a_refused_bot_token_is_permanent_and_opens_no_socket(stand: Stand) -> None:
    stand.slack.faults.revoke_bot_token("invalid_auth")
    channel = stand.channel()
    assert isinstance(await stand.ends(channel), AuthError)
    assert channel.health().state == "auth_failed"
    assert not stand.slack.calls_of("apps.connections.open")


@pytest.mark.parametrize("code", ["invalid_auth", "not_allowed_token_type", "missing_scope"])
async def test_a_refused_app_token_is_asked_about_once_not_for_ever(stand: Stand, code: str) -> None:
    stand.slack.faults.fail("apps.connections.open", code, times=100)
    error = await stand.ends(stand.channel())
    assert isinstance(error, AuthError)
    assert len(stand.slack.calls_of("apps.connections.open")) == 1


async def test_tokens_in_each_others_place_are_named_without_being_shown(stand: Stand) -> None:
    with pytest.raises(ConfigError) as caught:
        stand.channel(bot=stand.slack.app_token)
    assert caught.value.where == "SLACK_BOT_TOKEN"
    with pytest.raises(ConfigError) as other:
        stand.channel(app=stand.slack.bot_token)
    assert other.value.where == "SLACK_APP_TOKEN"
    for error in (caught.value, other.value):
        assert "xapp-1-" not in str(error)
        assert stand.slack.bot_token not in str(error)


@pytest.mark.parametrize("status", [500, 503])
async def test_a_slack_that_is_down_is_worth_another_try(stand: Stand, status: int) -> None:
    stand.slack.faults.reply("apps.connections.open", status, b"down", times=10)
    error = await stand.ends(stand.channel())
    assert (type(error), error.retryable) == (ConnectError, True)


async def test_a_rate_limit_on_opening_is_a_connect_error_with_its_pause(stand: Stand) -> None:
    stand.slack.faults.rate_limit("apps.connections.open", retry_after=7, times=10)
    error = await stand.ends(stand.channel())
    assert (type(error), error.retry_after) == (ConnectError, 7.0)


async def test_a_refused_handshake_shows_no_ticket(stand: Stand) -> None:
    stand.slack.sockets.refuse_upgrades()
    with structlog.testing.capture_logs() as lines:
        error = await stand.ends(stand.channel())
    assert isinstance(error, ConnectError)
    shown = f"{error} {error.__cause__} {lines}"
    assert "ticket" not in shown
    assert error.__cause__ is None


async def test_socket_mode_switched_off_is_permanent(stand: Stand) -> None:
    channel = stand.channel()
    async with stand.running(channel) as task:
        stand.slack.sockets.disconnect("link_disabled", close_after=0.05)
        with pytest.raises(AuthError) as caught:
            await asyncio.wait_for(task, WITHIN)
        assert caught.value.code == "socket_mode_disabled"
        assert "Socket Mode" in channel.health().detail


async def test_an_eleventh_socket_is_a_clear_error(stand: Stand) -> None:
    async with stand.running(stand.channel(connections=10)):
        await stand.slack.connected(10)
        other = Stand(stand.slack, stand.folder)
        error = await other.ends(other.channel())
    assert isinstance(error, ConnectError)
    assert "too_many_websockets" in f"{error} {error.code}"


async def test_posts_to_the_http_paths_say_that_they_are_not_configured(stand: Stand) -> None:
    (route,) = stand.channel().routes()
    answer = route.refused(413)
    assert answer.status == 413
    assert b"/slack/events" in route.paths
