"""The supervisor with the fake channel: what each failure leads to, what health says of it, and what cures it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from phantom.channel import Channel, Inbox
from phantom.errors import AuthError, ConfigError, ConnectError, PhantomError, SecretError
from phantom.events import InstallChange
from phantom.metrics import PrometheusMeter
from phantom.secrets import HeldSource, Secret
from phantom.supervisor import SupervisedChannel, Supervisor
from phantom.testing.conformance import ConformanceInbox
from phantom.testing.fake_channel import FakeChannel, FakePlatform
from phantom.testing.manual_clock import ManualClock


class Failing(FakeChannel):
    """`run` raises these, one a call, before it works."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(FakePlatform())
        self.failures = list(failures)
        self.runs = 0

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        await super().run(inbox, ready)


class Stand:
    def __init__(self, channel: FakeChannel) -> None:
        self.clock = ManualClock()
        self.source = HeldSource("token", "one")
        self.greeted: list[str] = []
        self.supervisor = Supervisor()
        self.channel = SupervisedChannel(
            channel,
            ConformanceInbox(),
            self.clock,
            PrometheusMeter(),
            [Secret("token", self.source)],
            self._greet,
        )
        self.supervisor.add(self.channel)

    async def _greet(self, channel: Channel) -> None:
        self.greeted.append(channel.name)

    @property
    def state(self) -> str:
        return self.channel.report().health.state

    async def until(self, state: str) -> None:
        async with asyncio.timeout(30):
            while self.state != state:
                await asyncio.sleep(0)


@asynccontextmanager
async def stand(channel: FakeChannel) -> AsyncIterator[Stand]:
    found = Stand(channel)
    found.supervisor.start()
    try:
        yield found
    finally:
        await found.supervisor.aclose()


async def test_a_good_start() -> None:
    async with stand(FakeChannel(FakePlatform())) as here:
        assert await here.supervisor.first_ready(30)
        await asyncio.wait_for(here.supervisor.usable("fake"), 30)
        assert here.state == "ready"
        await asyncio.sleep(0)
        assert here.greeted == ["fake"]


@pytest.mark.parametrize("error", [ConnectError("away", hint="wait"), KeyError("a bug"), PhantomError("odd")])
async def test_anything_else_is_tried_again_ever_more_slowly(error: Exception) -> None:
    channel = Failing(error, error, error)
    async with stand(channel) as here:
        pauses: list[float] = []
        for _ in range(3):
            await here.clock.wait_for_sleepers()
            assert here.state == "backing_off"
            before = here.clock.monotonic()
            while channel.runs == len(pauses) + 1:
                await here.clock.run_for(0.05)
            pauses.append(here.clock.monotonic() - before)
        await here.until("ready")
        for number, pause in enumerate(pauses):
            assert 0.2 * 2**number <= pause <= 0.6 * 2**number
        assert here.channel.report().restarts == 3


async def test_refused_credentials_rest_until_the_secret_changes() -> None:
    channel = Failing(AuthError("refused", hint="renew the token", code="invalid_auth"))
    async with stand(channel) as here:
        await here.until("auth_failed")
        assert here.channel.report().health.cure == "renew the token"
        assert not here.channel.usable.is_set()
        assert channel.runs == 1
        here.source.rotate("two")
        await here.until("ready")
        assert here.channel.usable.is_set()


async def test_a_stop_together_with_a_change_of_the_secret_is_a_stop() -> None:
    channel = Failing(AuthError("refused"))
    async with stand(channel) as here:
        await here.until("auth_failed")
        here.source.rotate("two")
        task = here.supervisor._tasks[0]
        task.cancel()
        await asyncio.wait((task,), timeout=30)
        assert task.cancelled()
        assert channel.runs == 1


@pytest.mark.parametrize(
    ("code", "state"), [("token_revoked", "revoked"), ("account_inactive", "revoked"), ("x", "auth_failed")]
)
async def test_revoked_is_told_apart(code: str, state: str) -> None:
    async with stand(Failing(AuthError("no", code=code))) as here:
        await here.until(state)


async def test_a_secret_that_is_not_there_is_waited_for_like_a_refused_one() -> None:
    async with stand(Failing(SecretError("there is none", hint="set it"))) as here:
        await here.until("auth_failed")
        here.source.rotate("two")
        await here.until("ready")


async def test_a_refused_delivery_stops_receiving_too() -> None:
    channel = FakeChannel(FakePlatform())
    async with stand(channel) as here:
        await here.until("ready")
        here.supervisor.refused("fake", AuthError("refused in a delivery", hint="renew"))
        assert not here.channel.usable.is_set()
        await here.until("auth_failed")
        assert not here.channel.ready.is_set()
        here.source.rotate("two")
        await here.until("ready")


async def test_an_uninstall_is_believed_as_far_as_a_fresh_start_goes() -> None:
    async with stand(FakeChannel(FakePlatform())) as here:
        await here.until("ready")
        await here.supervisor.install_changed("fake", InstallChange.RATE_LIMITED)
        assert here.state == "ready"
        await here.supervisor.install_changed("fake", InstallChange.UNINSTALLED)
        await here.until("backing_off")
        await here.clock.run_for(1.0)
        await here.until("ready")


async def test_only_when_every_channel_is_hopeless_the_daemon_gives_up() -> None:
    bad, good = Stand(Failing(ConfigError("wrong", where="X"))), Stand(FakeChannel(FakePlatform()))
    both = Supervisor()
    bad.channel.channel.name = "bad"  # type: ignore[misc]
    both.add(bad.channel)
    both.add(good.channel)
    both.start()
    await bad.until("disabled")
    await good.until("ready")
    assert both.fatal is None
    assert [report.name for report in both.reports()] == ["bad", "fake"]
    await both.aclose()
    async with stand(Failing(ConfigError("wrong", where="X"))) as alone:
        error = await asyncio.wait_for(alone.supervisor.until_fatal(), 30)
        assert error.where == "X"


class RefusedLate(FakeChannel):
    """Serves, and is then refused with the value from before a rotation that was noticed meanwhile."""

    def __init__(self, source: list[HeldSource]) -> None:
        super().__init__(FakePlatform())
        self.source = source
        self.runs = 0

    async def run(self, inbox: Inbox, ready: asyncio.Event) -> None:
        self.runs += 1
        if self.runs > 2:
            return await super().run(inbox, ready)
        ready.set()
        self.source[0].rotate(f"value {self.runs}")
        raise AuthError("the old value is refused")


async def test_a_secret_that_changed_before_the_refusal_is_not_waited_for() -> None:
    source: list[HeldSource] = []
    channel = RefusedLate(source)
    async with stand(channel) as here:
        source.append(here.source)
        await here.until("ready")
        async with asyncio.timeout(30):
            while channel.runs < 3:
                await asyncio.sleep(0)
        await here.until("ready")
