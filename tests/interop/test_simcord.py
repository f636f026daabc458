"""The real daemon on a Discord that somebody else wrote: a second opinion on what we send, beside our own fake's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simcord.backend.models import Message

from phantom.testing.daemon_process import DaemonProcess
from tests.interop.simcord_wire import TOKEN, SimcordServer

AGENT = Path(__file__).parents[1] / "scenario"


@asynccontextmanager
async def served(tmp_path: Path, **env: str) -> AsyncIterator[SimcordServer]:
    """A daemon, ready; what simcord refused or does not know is a failure of the test."""
    async with SimcordServer() as server:
        daemon = DaemonProcess(
            env={
                "DISCORD_BOT_TOKEN": TOKEN,
                "DISCORD_API_BASE_URL": server.api_url,
                "PHANTOM_AGENT": "obedient_agent:make",
                "GATES": str(tmp_path),
            }
            | env,
            data_dir=tmp_path / "data",
            python_path=[AGENT],
        )
        try:
            await daemon.start()
            await server.until(lambda: server.backend.commands.get(None))
            yield server
        except (AssertionError, TimeoutError) as error:
            error.add_note(daemon.output[-4000:])
            error.add_note(f"gaps {server.gaps}, refusals {server.refusals}")
            raise
        finally:
            await daemon.aclose()
        assert server.gaps == []
        assert server.refusals == []


async def answer(server: SimcordServer, words: str, channel: int | None = None) -> Message:
    """The bot's message there that holds these words."""
    return await server.until(lambda: next((one for one in server.said(channel) if words in shown(one)), None))


def shown(message: Message) -> str:
    return "\n".join([message.content, *(str(one.get("description")) for one in message.embeds)])


async def test_a_daemon_on_it(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await talks(server, tmp_path)
        await offers_buttons(server)
        await goes_elsewhere(server)


async def talks(server: SimcordServer, gates: Path) -> None:
    """Replies, marks, the typing line, splitting, files, and mentions that nobody is notified of."""
    asked = server.post(f"{server.mention} hello")
    said = await answer(server, "heard: hello")
    assert said.reference is not None
    assert said.reference["message_id"] == str(asked.id)
    assert not said.ping_user_ids
    await server.until(lambda: [one for one in asked.reactions if "✅" in str(one)])

    server.post(f"{server.mention} gate slow")
    await server.until(lambda: any(call.path.endswith("/typing") for call in server.backend.http_requests))
    (gates / "slow").touch()
    await answer(server, "passed slow")

    server.post("history", reply_to=said)
    assert "hello" in shown(await answer(server, "before:"))

    server.post(f"{server.mention} " + "word " * 385)
    await server.until(lambda: sum("word" in shown(one) for one in server.said()) >= 2)

    server.post(f"{server.mention} file")
    assert (await answer(server, "here is a file")).attachments[0]["filename"] == "answer.txt"

    server.post(f"{server.mention} @everyone <@{server.alice.id}> stay calm")
    calm = await answer(server, "stay calm")
    assert not calm.mention_everyone
    assert not calm.ping_user_ids


async def offers_buttons(server: SimcordServer) -> None:
    """An approval, and choices."""
    server.post(f"{server.mention} approve leave")
    question = await answer(server, "May I leave?")
    pressed = server.press(question, 0)
    await answer(server, "decided True on leave")
    assert pressed.responded

    server.post(f"{server.mention} choose 3")
    offered = await answer(server, "choose of 3")
    labels = [one["label"] for row in offered.components for one in row["components"]]
    assert labels[:3] == ["Choice 0", "Choice 1", "Choice 2"]
    server.press(offered, 0)
    await answer(server, "heard: I take 0")


async def goes_elsewhere(server: SimcordServer) -> None:
    """Threads, direct messages, and a command whose answer one person sees."""
    thread = server.backend.create_thread(server.general.id, "side", server.alice.id)
    server.post(f"{server.mention} in a thread", channel=thread.id)
    await answer(server, "heard: in a thread", thread.id)

    direct = server.backend.get_dm_channel(server.alice.id)
    server.post("just us", channel=direct.id)
    await answer(server, "heard: just us", direct.id)

    ask = {"type": 1, "name": "ask", "options": [{"type": 3, "name": "question", "value": "why?"}]}
    command = server.backend.commands[None]["phantom", 1]
    record = server.interact(2, {"id": str(command["id"]), "type": 1, "name": "phantom", "options": [ask]})
    private = await answer(server, "heard: why?")
    assert private.is_ephemeral
    assert record.responded
