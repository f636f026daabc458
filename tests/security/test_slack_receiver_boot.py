"""The Slack channel over HTTP from boot to health: order, texts and states of the contract, through the real wire."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from channels.factory import build
from channels.slack.channel import SlackChannel
from channels.slack.settings import SlackSettings
from phantom.channel import (
    Admission,
    Channel,
    ChannelContext,
    Envelope,
    Suggestion,
    SupportsAuthors,
    SupportsDelete,
    SupportsDownload,
    SupportsEdit,
    SupportsIntroduction,
    SupportsLookup,
    SupportsRoutes,
    SupportsStatus,
    SupportsTasks,
    SupportsTyping,
)
from phantom.clock import SystemClock
from phantom.errors import AuthError, ConfigError, MetadataError, PhantomError, SecretError
from phantom.health import HealthReport
from phantom.identity import Identity, SlackInstall
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.testing.fake_slack import FakeSlack
from phantom.webapp import WebApp

PROTOCOLS = (
    Channel,
    SupportsAuthors,
    SupportsDelete,
    SupportsDownload,
    SupportsEdit,
    SupportsIntroduction,
    SupportsLookup,
    SupportsRoutes,
    SupportsStatus,
    SupportsTasks,
    SupportsTyping,
)
SIGNING = "gateway-signing-secret-0001"


@dataclass
class RecordingInbox:
    envelopes: list[Envelope] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(self, envelope: Envelope, done: Callable[[Admission], None]) -> None:
        again = any(known.event_id == envelope.event_id for known in self.envelopes)
        if not again:
            self.envelopes.append(envelope)
        self.arrived.set()
        done(Admission(stored=True, duplicate=again))

    async def admit(self, envelope: Envelope) -> Admission:
        raise AssertionError("the receiver admits without a task")

    async def suggest(self, channel: str, tenant: str, author: str, typed: str) -> Sequence[Suggestion]:
        return ()


class LoadedSource(HeldSource):
    """A secret that its origin gives only when asked, and that counts how often it was asked."""

    def __init__(self, name: str, value: str | None) -> None:
        super().__init__(name, None)
        self.behind = value
        self.name = name
        self.order: list[str] = []

    async def refresh(self) -> bool:
        self.order.append(self.name)
        if self.behind is None:
            raise SecretError(f"metadata: fetch {self.name} failed: HTTP 404")
        self.rotate(self.behind)
        return True


@dataclass
class Tenant:
    """A metadata service's answers, as the channel sees them."""

    slack: FakeSlack
    identity: Identity
    bot: LoadedSource
    signing: LoadedSource
    order: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    report_fails: bool = False
    identity_fails: bool = False

    async def who(self) -> Identity:
        self.order.append("identity")
        if self.identity_fails:
            raise MetadataError("metadata: fetch identity failed: HTTP 503", status=503, retryable=True)
        return self.identity

    async def agent_ready(self, transport: str) -> None:
        self.reported.append(transport)
        if self.report_fails:
            raise MetadataError("metadata: post agent_ready failed: HTTP 500", status=500)

    async def first_dm_sent(self, slack_message_ts: str) -> None:
        raise AssertionError("nothing is sent here")

    def secret(self, name: str) -> Secret:
        sources = {"slack_bot_token": self.bot, "slack_gateway_signing_secret": self.signing}
        return Secret(name, sources[name])

    def context(self, folder: Path) -> ChannelContext:
        return ChannelContext(
            phantom_name="Phantom",
            clock=SystemClock(),
            meter=PrometheusMeter(),
            secret=self.secret,
            identity=self.who,
            tenant_status=self,
            data_dir=folder,
            options={},
        )


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with FakeSlack(transport="http") as slack:
        install = SlackInstall(
            team_id=slack.team.id, installer_user_id=slack.owner.id, team_name="Acme", installed_at="now"
        )
        order: list[str] = []
        made = Tenant(
            slack=slack,
            identity=Identity(tenant_id="tenant-1", slack=install),
            bot=LoadedSource("slack_bot_token", slack.bot_token),
            signing=LoadedSource("slack_gateway_signing_secret", SIGNING),
            order=order,
        )
        made.bot.order = made.signing.order = order
        yield made


def made(tenant: Tenant, folder: Path, **settings: Any) -> SlackChannel:
    given = {"transport": "http", "api_base_url": tenant.slack.api_url, **settings}
    channel = build(SlackSettings.model_validate(given), tenant.context(folder))
    assert isinstance(channel, SlackChannel)
    return channel


async def refused(channel: SlackChannel) -> PhantomError:
    """What `run` ends with."""
    ready = asyncio.Event()
    with pytest.raises(PhantomError) as caught:
        await asyncio.wait_for(channel.run(RecordingInbox(), ready), 30)
    assert not ready.is_set()
    await channel.aclose()
    return caught.value


@contextlib.asynccontextmanager
async def running(channel: SlackChannel) -> AsyncIterator[tuple[RecordingInbox, int, asyncio.Task[None]]]:
    """The channel behind a real server, ready."""

    async def nothing() -> HealthReport:
        raise AssertionError("no health page is asked for here")

    web, inbox, ready = WebApp(nothing, PrometheusMeter()), RecordingInbox(), asyncio.Event()
    for route in channel.routes():
        web.add_route(route)
    await web.listen("127.0.0.1", 0)
    task = asyncio.create_task(channel.run(inbox, ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert ready.is_set(), task
    try:
        yield inbox, web.port, task
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await channel.aclose()
        await web.aclose()


async def test_the_gateway_boots_in_order_serves_and_reports(tenant: Tenant, tmp_path: Path) -> None:
    channel = made(tenant, tmp_path)
    assert channel.health().state == "starting"
    async with running(channel) as (inbox, port, _):
        assert tenant.order[0] == "identity"
        assert sorted(tenant.order[1:]) == ["slack_bot_token", "slack_gateway_signing_secret"]
        assert [call.method for call in tenant.slack.calls] == ["auth.test"]
        assert tenant.reported == ["http"]
        health = channel.health()
        assert (health.state, health.facts["team"], health.facts["profile"]) == (
            "ready",
            tenant.slack.team.id,
            "gateway",
        )
        assert health.last_event_at is None
        tenant.slack.deliver_over_http(f"http://127.0.0.1:{port}", profile="gateway", secret=SIGNING, timeout=60)
        await tenant.slack.post(tenant.slack.owner, tenant.slack.general, f"{tenant.slack.mention} hello")
        await tenant.slack.settled()
        messages = [event for envelope in inbox.envelopes for event in channel.normalise(envelope)]
        assert {getattr(event, "text", None) for event in messages} == {"hello"}
        assert len({getattr(event, "logical_id", None) for event in messages}) == 1
        assert channel.health().last_event_at is not None
    assert channel.health().state == "stopped"


async def test_an_org_wide_install_binds_by_enterprise(tmp_path: Path) -> None:
    async with FakeSlack(transport="http", enterprise_id="E0ACME", org_install=True) as slack:
        install = SlackInstall(
            team_id=slack.team.id,
            installer_user_id=slack.owner.id,
            team_name="Acme",
            installed_at="now",
            enterprise_id="E0ACME",
        )
        tenant = Tenant(
            slack=slack,
            identity=Identity(tenant_id="tenant-1", slack=install),
            bot=LoadedSource("slack_bot_token", slack.bot_token),
            signing=LoadedSource("slack_gateway_signing_secret", SIGNING),
        )
        async with running(made(tenant, tmp_path)) as (inbox, port, _):
            slack.deliver_over_http(f"http://127.0.0.1:{port}", secret=SIGNING, timeout=60)
            await slack.post(slack.owner, slack.general, "hello")
            await slack.command(slack.owner, slack.general, "/phantom", "status")
            await slack.settled()
            assert {envelope.kind for envelope in inbox.envelopes} == {"event", "command"}
            assert {envelope.tenant for envelope in inbox.envelopes} == {slack.team.id}


async def test_every_promise_has_its_protocol(tenant: Tenant, tmp_path: Path) -> None:
    channel = made(tenant, tmp_path)
    for protocol in PROTOCOLS:
        assert isinstance(channel, protocol), protocol
    await channel.aclose()


async def test_version_2_of_the_gateways_signature_serves_too(tenant: Tenant, tmp_path: Path) -> None:
    async with running(made(tenant, tmp_path, accept_v1=False)) as (inbox, port, _):
        url = f"http://127.0.0.1:{port}"
        tenant.slack.deliver_over_http(url, secret=SIGNING, timeout=60, version=2, tenant="tenant-1")
        await tenant.slack.post(tenant.slack.owner, tenant.slack.general, "hello")
        await tenant.slack.settled()
        assert len(inbox.envelopes) == 1


async def test_an_identity_without_slack_is_fatal_with_the_cure(tenant: Tenant, tmp_path: Path) -> None:
    tenant.identity = replace(tenant.identity, slack=None)
    error = await refused(made(tenant, tmp_path))
    assert isinstance(error, ConfigError)
    assert str(error).startswith("SLACK_TRANSPORT=http requires a Slack install in /v1/identity.slack; got none. ")
    assert tenant.order == ["identity"]
    assert not tenant.slack.calls


async def test_an_auth_test_without_a_user_leaves_the_channel_auth_failed(tenant: Tenant, tmp_path: Path) -> None:
    tenant.slack.faults.reply(
        "auth.test", 200, b'{"ok":true,"team_id":"T0FAKE00001","team":"Acme"}', content_type="application/json"
    )
    channel = made(tenant, tmp_path)
    error = await refused(channel)
    assert isinstance(error, AuthError)
    assert error.message == "auth.test returned no user_id; bot token may be revoked"
    assert (channel.health().state, channel.health().cure) == ("auth_failed", error.hint)
    assert not tenant.reported


@pytest.mark.parametrize(
    ("code", "state"), [("invalid_auth", "auth_failed"), ("token_revoked", "revoked"), ("account_inactive", "revoked")]
)
async def test_a_refused_token_is_an_auth_error(tenant: Tenant, tmp_path: Path, code: str, state: str) -> None:
    tenant.slack.faults.revoke_bot_token(code)
    channel = made(tenant, tmp_path)
    assert isinstance(await refused(channel), AuthError)
    assert channel.health().state == state
    assert tenant.slack.bot_token not in str(channel.health())


async def test_another_workspaces_token_is_refused(tenant: Tenant, tmp_path: Path) -> None:
    assert tenant.identity.slack is not None
    tenant.identity = replace(tenant.identity, slack=replace(tenant.identity.slack, team_id="T0OTHER"))
    error = await refused(made(tenant, tmp_path))
    assert (type(error), error.code) == (AuthError, "wrong_workspace")


async def test_failing_metadata_and_missing_secrets_keep_their_words(tenant: Tenant, tmp_path: Path) -> None:
    tenant.identity_fails = True
    channel = made(tenant, tmp_path)
    error = await refused(channel)
    assert (type(error), str(error)) == (MetadataError, "metadata: fetch identity failed: HTTP 503")
    assert channel.health().state == "backing_off"
    tenant.identity_fails = False
    tenant.signing.behind = None
    error = await refused(made(tenant, tmp_path))
    assert str(error) == "metadata: fetch slack_gateway_signing_secret failed: HTTP 404"


@pytest.mark.parametrize(("bot", "signing"), [("xapp-1-not-a-bot-token", SIGNING), (None, ""), (None, "short")])
async def test_secrets_of_another_kind_are_refused_without_being_shown(
    tenant: Tenant, tmp_path: Path, bot: str | None, signing: str
) -> None:
    tenant.bot.behind = bot or tenant.slack.bot_token
    tenant.signing.behind = signing
    error = await refused(made(tenant, tmp_path))
    assert isinstance(error, ConfigError)
    assert "not-a-bot-token" not in str(error)
    assert not tenant.slack.calls


async def test_a_report_that_fails_stops_nothing(tenant: Tenant, tmp_path: Path) -> None:
    tenant.report_fails = True
    with structlog.testing.capture_logs() as lines:
        async with running(made(tenant, tmp_path)) as (_, __, task):
            assert not task.done()
    assert "agent_ready_not_reported" in [line["event"] for line in lines]


async def test_a_token_that_a_call_finds_revoked_ends_the_run(tenant: Tenant, tmp_path: Path) -> None:
    channel = made(tenant, tmp_path)
    async with running(channel) as (inbox, port, task):
        tenant.slack.deliver_over_http(f"http://127.0.0.1:{port}", secret=SIGNING, timeout=60)
        await tenant.slack.post(tenant.slack.owner, tenant.slack.general, "hello")
        await tenant.slack.settled()
        (message,) = channel.normalise(inbox.envelopes[0])
        tenant.slack.faults.revoke_bot_token("token_revoked")
        with pytest.raises(AuthError):
            await channel.author_facts(message.conversation, tenant.slack.owner.id)  # type: ignore[union-attr]
        with pytest.raises(AuthError):
            await asyncio.wait_for(task, 30)
        assert channel.health().state == "revoked"
        status, _ = await tenant.slack.sender.post_signed("events_api", {"type": "event_callback"})
        assert status == 503


async def test_direct_serves_slacks_own_posts(tenant: Tenant, tmp_path: Path) -> None:
    settings = {
        "http_profile": "direct",
        "bot_token": Secret("slack_bot_token", HeldSource("slack_bot_token", tenant.slack.bot_token)),
        "signing_secret": Secret("slack_signing_secret", HeldSource("slack_signing_secret", "rotated-" + "0" * 24)),
        "signing_secret_previous": Secret("p", HeldSource("p", tenant.slack.signing_secret)),
    }
    channel = made(tenant, tmp_path, **settings)
    async with running(channel) as (inbox, port, _):
        tenant.slack.deliver_over_http(f"http://127.0.0.1:{port}", profile="direct", timeout=60)
        await tenant.slack.post(tenant.slack.owner, tenant.slack.general, "hello")
        await tenant.slack.command(tenant.slack.owner, tenant.slack.general, "/phantom", "status")
        await tenant.slack.settled()
        assert {envelope.kind for envelope in inbox.envelopes} == {"event", "command"}
        assert (tenant.order, tenant.reported) == ([], [])


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"transport": "carrier-pigeon"}, "SLACK_TRANSPORT"),
        ({"transport": ""}, "SLACK_TRANSPORT"),
        ({"http_profile": "both"}, "SLACK_HTTP_PROFILE"),
        ({"http_profile": "direct"}, "SLACK_SIGNING_SECRET"),
        ({"transport": "socket"}, "SLACK_BOT_TOKEN"),
    ],
)
async def test_settings_that_cannot_work_are_one_clear_error(
    tenant: Tenant, tmp_path: Path, settings: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tenant, tmp_path, **settings)
    assert caught.value.where == where
    assert caught.value.hint
