"""A crash in the middle of a model agent's turn: finished model calls and tools are not paid or run twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from phantom.testing.fake_model import Call, FakeModel, Say

CHILD = Path(__file__).parent / "durable_agent_child.py"
ROOT = Path(__file__).parents[2]
BOUND = 60.0
KEPT = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}


@asynccontextmanager
async def child(folder: Path, url: str, model: str, scenario: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        str(folder),
        url,
        model,
        scenario,
        cwd=ROOT,
        env=KEPT | {"PYTHONPATH": str(ROOT), "HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def trace(folder: Path) -> list[str]:
    path = folder / "trace"
    return path.read_text().splitlines() if path.exists() else []


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def said(process: asyncio.subprocess.Process, *wanted: str) -> None:
    """Wait until the child printed all lines `wanted`, in any order."""
    assert process.stdout is not None
    seen: list[str] = []
    async with asyncio.timeout(BOUND):
        while line := (await process.stdout.readline()).decode():
            seen.append(line.rstrip())
            if set(wanted) <= set(seen):
                return
    pytest.fail(f"the child ended without saying {wanted}: {seen}")


async def ended(process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(BOUND):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_killed_in_its_second_tool_only_that_tool_runs_again_and_another_model_goes_on(tmp_path: Path) -> None:
    async with FakeModel(keys=["k-live"]) as model:
        model.will(
            Call(tools=(("call_1", "first", {"city": "Basel"}),), text="Let me look."),
            Call(tools=(("call_2", "second", {"city": "Basel"}),)),
            Say(text="Sunny and quiet."),
        )
        async with child(tmp_path, model.anthropic_url, "anthropic:m-1", "kill") as process:
            await said(process, "ran second")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert len(model.asked) == 2
        assert trace(tmp_path) == ["shown first", "ran first", "finished call_1", "shown second", "ran second"]

        async with child(tmp_path, model.openai_url, "openai:m-2", "kill") as process:
            await ended(process)

    assert (tmp_path / "answer").read_text() == "Sunny and quiet."
    assert [asked.path for asked in model.asked] == ["/v1/messages", "/v1/messages", "/v1/chat/completions"]
    assert len(model.asked) == 3, "the finished model calls were not made again"
    ran = [line for line in trace(tmp_path)[5:] if line.startswith("ran")]
    assert ran == ["ran second"], "only the second tool ran again"
    assert "sunny in Basel" in model.asked[2].text
    assert "quiet in Basel" in model.asked[2].text
    assert b"k-live" not in contents(tmp_path)


async def test_killed_in_one_of_several_tools_only_that_one_runs_again(tmp_path: Path) -> None:
    async with FakeModel() as model:
        tools = (
            ("call_1", "first", {"city": "Basel"}),
            ("call_2", "second", {"city": "Basel"}),
            ("call_3", "first", {"city": "Bern"}),
        )
        model.will(Call(tools=tools), Say(text="All done."))
        async with child(tmp_path, model.openai_url, "openai:m-1", "kill") as process:
            await said(process, "ran second", "finished call_1", "finished call_3")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert trace(tmp_path).count("ran first") == 2
        assert trace(tmp_path).count("ran second") == 1

        async with child(tmp_path, model.openai_url, "openai:m-1", "kill") as process:
            await ended(process)

    assert (tmp_path / "answer").read_text() == "All done."
    assert trace(tmp_path).count("ran first") == 2
    assert trace(tmp_path).count("ran second") == 2
    assert len(model.asked) == 2
    results = {m["tool_call_id"]: m["content"] for m in model.asked[1].body["messages"] if m["role"] == "tool"}
    assert results == {"call_1": "sunny in Basel", "call_2": "quiet in Basel", "call_3": "sunny in Bern"}


async def test_an_approval_survives_a_crash_and_costs_no_second_model_call(tmp_path: Path) -> None:
    async with FakeModel() as model:
        model.will(Call(tools=(("call_9", "second", {"city": "Basel"}),)), Say(text="Done."))
        async with child(tmp_path, model.openai_url, "openai:m-1", "approval") as process:
            await said(process, "asked call_9")
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert "second" in (tmp_path / "prompt").read_text()
        assert "Basel" in (tmp_path / "prompt").read_text()

        (tmp_path / "approve").write_text("call_9")
        async with child(tmp_path, model.openai_url, "openai:m-1", "approval") as process:
            await ended(process)

    assert (tmp_path / "answer").read_text() == "Done."
    assert trace(tmp_path).count("ran second") == 1
    assert len(model.asked) == 2
