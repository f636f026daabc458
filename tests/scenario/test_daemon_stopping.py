"""Stopping: a drain that lets running turns end, a second signal that does not wait, and what a next start takes up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.scenario.daemon_kit import world

BOTH = pytest.mark.parametrize("transport", ["socket", "http"])


@BOTH
async def test_sigterm_lets_the_running_turn_finish_and_keeps_the_rest(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as here:
        running = await here.ask("gate a one")
        queued = await here.ask("two", thread=running)
        await here.begun("a")
        await here.slack.settled()
        here.daemon.terminate()
        await here.daemon.until_logged("stopping")
        here.open("a")
        assert await here.daemon.wait() == 0
        assert here.said(running)[-1:] == ["passed a one"]
        assert (here.daemon.events("drained")[0]["complete"], len(here.daemon.events("stopped"))) == (True, 1)
        assert "Traceback" not in here.daemon.output
        assert "never" not in here.daemon.output
        await here.daemon.start()
        await here.answered(running, "heard: two")
        await here.quiet()
        assert [text for text in here.said(running) if text] == ["passed a one", "heard: two"]
        assert "eyes" not in queued.reactions


@BOTH
async def test_a_second_sigterm_stops_at_once_and_the_turn_goes_on_after_the_restart(
    tmp_path: Path, transport: str
) -> None:
    async with world(tmp_path, transport) as here:
        question = await here.ask("gate a one")
        await here.begun("a")
        here.daemon.terminate()
        await here.daemon.until_logged("stopping")
        here.daemon.terminate()
        assert await here.daemon.wait() == 0
        assert (len(here.daemon.events("drain_cut_short")), here.daemon.events("drained")) == (1, [])
        assert "Traceback" not in here.daemon.output, here.daemon.output
        here.open("a")
        await here.daemon.start()
        await here.answered(question, "passed a one")
        await here.quiet()
        assert [text for text in here.said(question) if "passed" in text] == ["passed a one"]


async def test_the_drain_has_a_deadline(tmp_path: Path) -> None:
    async with world(tmp_path, env={"PHANTOM_DRAIN_SECONDS": "0.3"}) as here:
        question = await here.ask("gate a one")
        await here.begun("a")
        assert await here.daemon.stop() == 0
        assert here.daemon.events("drained")[0]["complete"] is False
        here.open("a")
        await here.daemon.start()
        await here.answered(question, "passed a one")


async def test_a_stop_before_the_turns_are_up(tmp_path: Path) -> None:
    async with world(tmp_path, start=False) as here:
        for _ in range(3):
            await here.daemon.start()
            assert await here.daemon.stop() == 0
        assert "Traceback" not in here.daemon.output, here.daemon.output
        await here.daemon.start(ready=False)
        await here.daemon.until_logged("listening", 4)
        assert await here.daemon.stop() == 0
        assert "Traceback" not in here.daemon.output, here.daemon.output


@BOTH
async def test_everything_under_load_survives_a_stop(tmp_path: Path, transport: str) -> None:
    async with world(tmp_path, transport) as here:
        asked = [await here.ask(f"number {number}") for number in range(30)]
        assert await here.daemon.stop() == 0
        assert "Traceback" not in here.daemon.output, here.daemon.output
        await here.daemon.start()
        for number, question in enumerate(asked):
            await here.answered(question, f"heard: number {number}")
        await here.quiet()
        assert [here.said(question) for question in asked] == [[f"heard: number {n}"] for n in range(30)]


async def test_an_agent_that_cannot_be_cancelled_does_not_keep_the_daemon(tmp_path: Path) -> None:
    async with world(tmp_path, env={"PHANTOM_AGENT": "stubborn_agent:make", "PHANTOM_DRAIN_SECONDS": "0.1"}) as here:
        question = await here.ask("wait for ever")
        async with asyncio.timeout(30):
            while not (here.gates / "begun").exists():
                await asyncio.sleep(0.01)
        assert await here.daemon.stop() == 0
        (forced,) = here.daemon.events("ended_by_force")
        assert [task for task in forced["tasks"] if task.startswith("agent ")]
        assert "Traceback" not in here.daemon.output, here.daemon.output
        await here.daemon.start()
        await here.answered(question, "at last")
