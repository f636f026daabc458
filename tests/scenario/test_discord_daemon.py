"""`phantom start` with DISCORD_BOT_TOKEN: the whole way from a person's message to the answer, and over a restart.

Tests that take `shared` talk to one daemon; each opens gates of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from phantom.testing.daemon_process import DaemonProcess
from phantom.testing.fake_discord import FakeDiscord, FakeMessage

HERE = Path(__file__).parent
T = TypeVar("T")


@dataclass
class World:
    """One daemon and its Discord."""

    fake: FakeDiscord
    daemon: DaemonProcess
    gates: Path

    async def until(self, holds: Callable[[], T | None], within: float = 30.0) -> T:
        """Wait until Discord shows it. Raises `TimeoutError` with the daemon's output."""
        try:
            found = await self.fake.wait_for(holds, timeout=within)
        except TimeoutError:
            shown = [(one.author.name, one.content) for one in self.fake.messages(self.fake.general)]
            raise TimeoutError(f"{shown}\n{self.daemon.output[-5000:]}") from None
        assert found is not None
        return found

    async def ask(self, text: str, *, reply_to: FakeMessage | None = None) -> FakeMessage:
        """The owner mentions the bot in the general channel, or replies there."""
        fake = self.fake
        said = text if reply_to else f"{fake.mention} {text}"
        return await fake.post(fake.owner, fake.general, said, reply_to=reply_to, ping_author=False)

    async def answered(self, message: FakeMessage, text: str, within: float = 30.0) -> FakeMessage:
        """The bot's answer that shows `text`."""

        def found() -> FakeMessage | None:
            return next((one for one in self.fake.replies(message) if text in said(one)), None)

        return await self.until(found, within)

    async def begun(self, gate: str) -> None:
        """Wait until the agent stands before the gate."""
        async with asyncio.timeout(30):
            while not (self.gates / f"{gate}.begun").exists():
                await asyncio.sleep(0.01)

    async def counted(self, **outcomes: int) -> None:
        """Wait until at least that many events ended so."""
        async with asyncio.timeout(30):
            while True:
                seen = await self.daemon.metrics()
                names = {name: f'phantom_events_total{{channel="discord",outcome="{name}"}}' for name in outcomes}
                if all(seen.get(names[name], 0) >= count for name, count in outcomes.items()):
                    return
                await asyncio.sleep(0.02)

    async def quiet(self) -> None:
        """Wait until everything that the daemon got is worked off: what did not happen by then never will."""
        await self.daemon.until(lambda health: health["journal"]["backlog"] == 0 and not health["turns"]["running"])

    def open(self, gate: str) -> None:
        """Let the agent through."""
        (self.gates / gate).touch()


def said(message: FakeMessage) -> str:
    """Everything that a message shows."""
    return "\n".join([message.content, *(str(one.get("description")) for one in message.embeds)])


@asynccontextmanager
async def world(tmp_path: Path, **env: str) -> AsyncIterator[World]:
    """One daemon, ready."""
    gates = tmp_path / "gates"
    gates.mkdir()
    async with FakeDiscord(answer_within=30.0) as fake:  # a busy machine may take longer than Discord's three
        discord = {"DISCORD_BOT_TOKEN": fake.token, "DISCORD_API_BASE_URL": fake.api_url}
        agent = {"PHANTOM_AGENT": "obedient_agent:make", "GATES": str(gates)}
        daemon = DaemonProcess(env=discord | agent | env, data_dir=tmp_path / "data", python_path=[HERE])
        try:
            await daemon.start()
            yield World(fake, daemon, gates)
            assert fake.violations == []
        finally:
            await daemon.aclose()


ONE_LOOP = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("shared")) as found:
        yield found


@ONE_LOOP
async def test_a_conversation_in_a_channel_by_replies_and_in_a_direct_message(shared: World) -> None:
    found = shared
    fake = found.fake
    first = await found.ask("my cat is called Mia")
    answer = await found.answered(first, "heard: my cat is called Mia")
    assert answer.replied_to is first
    assert not answer.pings
    second = await found.ask("history", reply_to=answer)
    assert "Mia" in said(await found.answered(second, "before:"))
    stranger = await found.ask("history")
    assert "Mia" not in said(await found.answered(stranger, "before:"))
    direct = await fake.post(fake.owner, fake.dm(fake.owner), "history")
    assert "Mia" not in said(await found.answered(direct, "before:"))
    await found.until(lambda: first.reactions.get("✅"))
    health = await found.daemon.health()
    assert health["channels"]["discord"]["state"] == "ready"


@ONE_LOOP
async def test_people_who_talk_to_each_other_are_left_alone(shared: World) -> None:
    found = shared
    fake = found.fake
    alice = fake.add_user("alice")
    thread = await fake.create_thread(fake.owner, fake.general, "side talk")
    asked = await fake.post(fake.owner, thread, f"{fake.mention} hello")
    await found.answered(asked, "heard: hello")
    await fake.post(alice, thread, "what do you think, Olivia?")
    follow = await fake.post(fake.owner, thread, "and more")
    await found.answered(follow, "heard: and more")
    assert not [one for one in fake.messages(thread) if "what do you think" in one.content and one.author is fake.bot]


@ONE_LOOP
async def test_pings_of_the_model_reach_nobody(shared: World) -> None:
    found = shared
    asked = await found.ask("ping p")
    await found.begun("p")
    found.open("p")
    answer = await found.answered(asked, "hello")
    assert answer.pings == []
    assert not any(one.pings for one in found.fake.messages(found.fake.general) if one.author is found.fake.bot)


async def test_a_turn_from_before_a_restart_ends_with_a_fresh_message(tmp_path: Path) -> None:
    """An edit notifies nobody on Discord, and whoever asked has long looked away."""
    async with world(tmp_path) as found:
        asked = await found.ask("gate slow through")
        await found.begun("slow")
        progress = await found.answered(asked, "waiting")
        await found.until(lambda: found.fake.calls_of("trigger_typing_indicator"))
        await found.daemon.kill()
        found.open("slow")
        await found.daemon.start()
        answer = await found.answered(asked, "passed slow through")
        assert answer is not progress
        await found.until(lambda: progress.deleted)
        assert len(found.fake.replies(asked)) == 1


@ONE_LOOP
async def test_a_short_turn_with_progress_is_one_message(shared: World) -> None:
    found = shared
    asked = await found.ask("gate quick through")
    progress = await found.answered(asked, "waiting")
    found.open("quick")
    answer = await found.answered(asked, "passed quick through")
    assert answer is progress
    assert len(found.fake.replies(asked)) == 1


@ONE_LOOP
async def test_commands_feedback_and_approvals(shared: World) -> None:
    found = shared
    fake = found.fake
    await found.until(fake.commands)
    status = await fake.command(fake.owner, fake.general, "phantom", "status")
    await found.until(lambda: status.replies)
    assert "discord: ready" in said(status.replies[0])
    private = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "secret"})
    await found.until(lambda: [one for one in private.replies if "heard: secret" in said(one)])
    asked = await found.ask("approve launch")
    question = await found.answered(asked, "May I launch?")
    approve = next(one for one in question.components[0]["components"] if one["label"] == "Approve")
    await (await fake.click(fake.owner, question, approve["custom_id"])).answered()
    answer = await found.answered(asked, "decided True on launch")
    await found.until(lambda: answer.components)
    rate = answer.components[0]["components"][0]["custom_id"]
    pressed = await fake.click(fake.owner, answer, rate)
    await found.until(lambda: pressed.replies)
    assert "Thank you" in said(pressed.replies[0])
    await found.until(lambda: question.embeds[0]["description"].startswith("Approved by"))


async def test_after_a_kill_in_mid_turn_the_answer_comes_once(tmp_path: Path) -> None:
    async with world(tmp_path) as found:
        fake = found.fake
        asked = await found.ask("gate k through")
        await found.begun("k")
        waiting = await found.ask("behind it")
        await found.answered(waiting, "heard: behind it")
        await found.daemon.kill()
        missed = await found.ask("while you were gone")
        found.open("k")
        await found.daemon.start()
        await found.answered(asked, "passed k through")
        await found.answered(missed, "heard: while you were gone")
        for question in (asked, waiting, missed):
            await found.until(lambda question=question: question.reactions.get("✅"))  # type: ignore[misc]
        await found.quiet()
        for question in (asked, waiting, missed):
            assert len([one for one in fake.replies(question) if not one.deleted]) == 1


async def test_a_kill_between_what_discord_did_and_our_note_of_it(tmp_path: Path) -> None:
    """Posted, but the answer to the call never came; a command deferred, but not answered; answered, but not noted."""
    async with world(tmp_path) as found:
        fake = found.fake
        fake.faults.drop_after("create_message")
        posted = await found.ask("posted once")
        await killed_after(found, "create_message")
        await found.daemon.start()
        await found.until(lambda: posted.reactions.get("✅"))
        await found.quiet()
        assert [said(one) for one in fake.replies(posted)] == ["heard: posted once"]

        await found.until(fake.commands)
        deferred = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "gate c deferred"})
        await found.begun("c")
        await deferred.answered()
        await found.daemon.kill()
        found.open("c")
        await found.daemon.start()
        await found.until(lambda: [one for one in deferred.replies if "passed c deferred" in said(one)])

        fake.faults.drop_after("update_original_webhook_message")
        told = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "told once"})
        await killed_after(found, "update_original_webhook_message")
        before = applied(fake, "update_original_webhook_message")
        await found.daemon.start()
        await found.quiet()
        assert [said(one) for one in told.replies] == ["heard: told once"]
        assert [said(one) for one in deferred.replies] == ["passed c deferred"]
        assert applied(fake, "update_original_webhook_message") == before
        assert not [one for one in fake.messages(fake.dm(fake.owner)) if one.author is fake.bot]


def applied(fake: FakeDiscord, route: str) -> int:
    """How many calls of the route had an effect."""
    return sum(one.applied for one in fake.calls_of(route))


async def killed_after(found: World, route: str) -> None:
    """SIGKILL as soon as Discord has done what it was asked, and before anybody is told."""
    await found.until(lambda: [one for one in found.fake.calls_of(route) if one.lost])
    await found.daemon.kill()


@ONE_LOOP
async def test_the_gateway_drops_in_mid_turn(shared: World) -> None:
    found = shared
    asked = await found.ask("gate d through")
    await found.begun("d")
    found.fake.faults.drop_gateway()
    second = await found.ask("meanwhile")
    await found.answered(second, "heard: meanwhile")
    found.open("d")
    await found.answered(asked, "passed d through")


async def test_two_bots_that_talk_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    async with world(tmp_path, DISCORD_BOTS="all", DISCORD_BOT_BUDGET="3") as found:
        fake = found.fake
        other = fake.add_user("parrot", is_bot=True)
        said_by_it = [await fake.post(other, fake.general, f"{fake.mention} round {number}") for number in range(6)]
        await found.counted(bot_budget=3)
        await found.until(lambda: sum(bool(fake.replies(one)) for one in said_by_it) == 3)
        person = await found.ask("and now?")
        await found.answered(person, "heard: and now?")
        again = await fake.post(other, fake.general, f"{fake.mention} once more")
        await found.answered(again, "heard: once more")
        assert sum(bool(fake.replies(one)) for one in said_by_it) == 3


async def test_only_allowed_people_and_roles(tmp_path: Path) -> None:
    async with FakeDiscord() as probe:
        role_id = probe.core.world.ids.next()
    async with world(tmp_path, DISCORD_ALLOWED_ROLES=role_id) as found:
        fake = found.fake
        staff = fake.add_role("staff")
        fake.guild.roles[role_id] = fake.guild.roles.pop(staff.id)
        fake.guild.roles[role_id].id = role_id
        alice, bob = fake.add_user("alice", roles=[fake.guild.roles[role_id]]), fake.add_user("bob")
        refused = await fake.post(bob, fake.general, f"{fake.mention} let me in")
        taken = await fake.post(alice, fake.general, f"{fake.mention} hello")
        await found.answered(taken, "heard: hello")
        assert not fake.replies(refused)


async def test_interactions_over_http_alone(tmp_path: Path) -> None:
    async with world(tmp_path, DISCORD_TRANSPORT="http") as found:
        fake = found.fake
        fake.deliver_interactions_over_http(f"{found.daemon.url}/discord/interactions")
        await found.until(fake.commands)
        asked = await fake.command(fake.owner, fake.general, "phantom", "ask", {"question": "over http?"})
        await found.until(lambda: [one for one in asked.replies if "heard: over http?" in said(one)])
        assert fake.gateway.live == 0
